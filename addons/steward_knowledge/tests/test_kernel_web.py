"""The kernels of harvests: addresses, pages, sitemaps, files, templates."""

import gzip
import io
import zipfile
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import addresses, filetypes, page, python_docs, sitemap, template

hosts = st.sampled_from(
    ["example.com", "EXAMPLE.com", "docs.example.com:8080", "[::1]"]
)
paths = st.text("ab/.%2é;? #&=", max_size=30)


class TestAddresses(BaseCase):
    @given(hosts, paths)
    def test_once_is_enough(self, host, path):
        once = addresses.normalised(f"https://{host}/{path}")
        self.assertEqual(addresses.normalised(once), once)

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_anything(self, address, base):
        found = addresses.normalised(address, base)
        self.assertTrue(found == "" or found.startswith(("http://", "https://")))
        addresses.shape(found)
        addresses.is_trap(found)

    def test_one_address_for_one_page(self):
        for given_one, wanted in (
            ("https://e.com", "https://e.com/"),
            ("https://e.com:443/a", "https://e.com/a"),
            ("https://e.com/a;jsessionid=1?b=2", "https://e.com/a?b=2"),
            ("https://e.com/a/./b/..", "https://e.com/a/"),
            ("https://e.com/a%20b c", "https://e.com/a%20b%20c"),
            ("https://e.com/?fbclid=1&q=x", "https://e.com/?q=x"),
            ("https://user@e.com/", ""),
            ("https:///a", ""),
            ("https://e.com:99999/", ""),
            ("https://e.com/" + "a" * 3000, ""),
            ("ftp://e.com/", ""),
        ):
            self.assertEqual(addresses.normalised(given_one), wanted)

    def test_scope(self):
        scope = addresses.Scope("https://e.com/docs/a.html")
        self.assertTrue(scope.holds("https://e.com/docs/b"))
        self.assertFalse(scope.holds("https://e.com/docs"))
        self.assertFalse(scope.holds("https://evil.com/docs/b"))
        scope = addresses.Scope("https://e.com/", include=("/a/*", "*?page=*"))
        self.assertTrue(scope.holds("https://e.com/x?page=2"))
        self.assertFalse(scope.holds("https://e.com/b"))
        more = addresses.Scope("https://e.com/", more_hosts=frozenset({"www.e.com"}))
        self.assertTrue(more.holds("https://www.e.com/a"))


class TestPage(BaseCase):
    @given(st.binary(max_size=200))
    def test_anything(self, content):
        text = page.decoded(content, "utf-8")
        self.assertNotIn("\x00", text)
        page.facts(text.encode(), "https://e.com/")

    def test_what_it_says(self):
        html = b"""<html lang="fr-BE"><head><title> A
          b </title><base href="https://e.com/x/"><link rel="CANONICAL" href="c">
          <meta name="Robots" content="none"></head><body>
          <a href="1">x</a><a href="2" rel="nofollow">y</a>
          <input type="PASSWORD"></body></html>"""
        facts = page.facts(html, "https://e.com/")
        self.assertEqual((facts.title, facts.language), ("A b", "fr"))
        self.assertEqual(facts.canonical, "https://e.com/x/c")
        self.assertTrue(facts.noindex and facts.nofollow and facts.asks_password)
        self.assertEqual(facts.links, ())
        open_page = html.replace(b"none", b"all")
        self.assertEqual(
            page.facts(open_page, "https://e.com/").links, ("https://e.com/x/1",)
        )
        self.assertEqual(page.facts(b"", "https://e.com/"), page.Facts())

    def test_links_have_an_end(self):
        html = "".join(f'<a href="/{n}">x</a>' for n in range(3000)).encode()
        self.assertEqual(len(page.facts(html, "https://e.com/").links), page.MOST_LINKS)

    def test_charsets(self):
        self.assertEqual(page.decoded(b"\xef\xbb\xbfa"), "a")
        self.assertEqual(page.decoded("é".encode("utf-16")), "é")
        meta = '<meta charset="koi8-r">Ж'
        self.assertEqual(page.decoded(meta.encode("koi8-r")), meta)
        self.assertEqual(page.decoded(b"\x81\xff", "utf-8")[-1], "ÿ")
        self.assertEqual(page.decoded("é".encode("latin-1"), "latin-1"), "é")


class TestSitemap(BaseCase):
    def entries(self, *pieces):
        return list(sitemap.entries(pieces))

    @given(st.lists(st.binary(max_size=50), max_size=5))
    def test_anything(self, pieces):
        with suppress(sitemap.Broken):
            self.entries(*pieces)

    def test_pieces_of_any_size(self):
        xml = (
            b'<?xml version="1.0"?><s:urlset xmlns:s="http://x" xmlns:i="http://i">'
            b"<s:url><s:loc> https://e.com/a </s:loc><i:image><i:loc>no</i:loc>"
            b"</i:image></s:url><s:url/><!-- x --></s:urlset>"
        )
        whole = self.entries(xml)
        self.assertEqual([entry.address for entry in whole], ["https://e.com/a"])
        self.assertEqual(self.entries(*(bytes([byte]) for byte in xml)), whole)
        packed = gzip.compress(xml)
        self.assertEqual(self.entries(packed[:20], packed[20:]), whole)

    def test_lines(self):
        text = b"https://e.com/a\nnonsense\nhttps://e.com/b"
        self.assertEqual(len(self.entries(text[:5], text[5:])), 2)
        with self.assertRaises(sitemap.Broken):
            self.entries(b"x" * 40_000, b"x" * 40_000)

    def test_broken(self):
        for content in (b"<urlset><url>", b"\x1f\x8bnonsense" + bytes(20)):
            with self.assertRaises(sitemap.Broken):
                self.entries(content)
        self.patch(sitemap, "LARGEST", 1024 * 1024)
        bomb = gzip.compress(b"<urlset>" + b" " * sitemap.LARGEST)
        with self.assertRaisesRegex(sitemap.Broken, "too large"):
            self.entries(bomb)


class TestFiletypes(BaseCase):
    @given(st.text(max_size=20), st.binary(max_size=100))
    def test_anything(self, name, content):
        try:
            filetypes.kind(name, content)
        except filetypes.Refused as refusal:
            self.assertTrue(str(refusal))

    def zipped(self, name):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name, "x")
            archive.writestr("[Content_Types].xml", "x")
        return packed.getvalue()

    def test_by_content(self):
        self.assertEqual(filetypes.kind("x", self.zipped("word/a")), filetypes.DOCX)
        self.assertEqual(filetypes.kind("a.TXT", "é".encode("utf-16")), "text/plain")
        for content, words in (
            (self.zipped("ppt/a"), "presentation"),
            (self.zipped("a"), "archive"),
            (b"PK\x03\x04broken", "broken"),
            (b"\xd0\xcf\x11\xe0", "old kind"),
            (b"\x01\x02" * 50, "no text"),
        ):
            with self.assertRaisesRegex(filetypes.Refused, words):
                filetypes.kind("a.md", content)


class TestPythonDocs(BaseCase):
    @given(st.text(max_size=80))
    def test_anything(self, source):
        python_docs.docstrings(source, "x.py")
        python_docs.manifest(source, "x")

    def test_nothing_is_executed(self):
        self.assertEqual(python_docs.manifest("__import__('os')", "x"), ("", ""))
        self.assertEqual(python_docs.manifest("[1]", "x"), ("", ""))
        self.assertEqual(python_docs.manifest("x = 1", "x"), ("", ""))
        self.assertEqual(python_docs.docstrings("def f(:", "x"), "")
        self.assertEqual(python_docs.docstrings("x" * 2**21, "x"), "")

    def test_classes(self):
        source = (
            'class A:\n  "Says."\n  def b(self):\n    "Does."\n'
            '  def __c__(self):\n    "No."'
        )
        text = python_docs.docstrings(source, "a.py")
        self.assertIn("## A.b(self)", text)
        self.assertNotIn("No.", text)
        title, text = python_docs.manifest(
            "{'name': 'N', 'summary': 'S', 'description': 'Long'}", "n"
        )
        self.assertEqual((title, text.splitlines()[-1]), ("N", "Long"))


class TestTemplate(BaseCase):
    @given(st.text("{}ab _", max_size=20))
    def test_anything(self, text):
        try:
            names = template.names(text)
        except template.TemplateError:
            return
        template.fill(text, dict.fromkeys(names, "x").get)

    def test_braces(self):
        for text in ("{", "}", "{a b}", "{a.b}", "{A}"):
            with self.assertRaises(template.TemplateError):
                template.names(text)
        self.assertEqual(template.fill("{a}{{}}", {"a": "1"}.get), "1{}")
        self.assertEqual(template.fill("{a}", lambda _name: None), "")
