# ruff: noqa: DTZ001 - as files tell it
import codecs
import csv
import io
import time
import zipfile
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import extract as reading
from ..kernel.extract import DOCX, Limits, Unreadable, extract, kind_of
from ..kernel.extract.base import REASONS, clean, fence, line, moment, table
from ..kernel.extract.charset import decoded
from ..kernel.extract.rst import rst

LIST_TABLE = """.. list-table:: Codes
   :header-rows: 1

   * - A
     - B
   * - 1
       more
     - 2
"""
LONG = "The quotation becomes an order once the customer has confirmed it. " * 12


def read(content, content_type="", url="", **limits):
    return extract(content, content_type, url, Limits(**limits))


class ExtractCase(BaseCase):
    def refused(self, reason, content, content_type="", url="", **limits):
        with self.assertRaises(Unreadable) as told:
            read(content, content_type, url, **limits)
        self.assertEqual(told.exception.reason, reason, told.exception.detail)
        self.assertIn(reason, REASONS)


class TestAnything(ExtractCase):
    """Whatever comes: text that a database takes, or our own error."""

    KINDS = (*reading.KINDS, "text/plain", "application/octet-stream", "")

    def check(self, content, content_type):
        try:
            found = read(content, content_type, "https://example.com/x")
        except Unreadable as error:
            self.assertIn(error.reason, REASONS)
        else:
            self.assertTrue(found.text.strip())
            self.assertNotIn("\x00", found.text + found.title)
            found.text.encode()  # no half characters

    @given(st.binary(max_size=400), st.sampled_from(KINDS))
    def test_bytes(self, content, content_type):
        self.check(content, content_type)

    @given(
        st.sampled_from(
            [b"%PDF-1.7\n", b"PK\x03\x04word/", b"<html><body>", b"\xff\xfe", b"---\n"]
        ),
        st.binary(max_size=300),
        st.sampled_from(KINDS),
    )
    def test_what_begins_like_something(self, start, rest, content_type):
        self.check(start + rest, content_type)

    @given(st.text(max_size=300), st.sampled_from(KINDS))
    def test_texts(self, content, content_type):
        self.check(content, content_type)

    MARKS = st.sampled_from(
        [*"=-~`*|+.:<>[]_ \n\t#", "::", ".. note::", ".. list-table::", "* - ", "a b"]
    )

    @given(st.lists(MARKS, max_size=60).map("".join))
    def test_markup_of_documentation(self, text):
        self.check(text, "text/x-rst")
        self.check(text, "text/markdown")

    TAGS = st.sampled_from(
        [
            *("<p>", "</p>", "<table>", "<tr>", "<td>", "</td>", "<pre>", "</pre>"),
            *(
                "<li>",
                "<h2>",
                "</h2>",
                "<main>",
                "words",
                "<script>",
                "</script>",
                "<br>",
            ),
            *(
                "<code>",
                "</code>",
                "<!--",
                "-->",
                "&amp;",
                "<a href='x'>",
                "<td hidden>",
            ),
        ]
    )

    @given(st.lists(TAGS, max_size=60).map("".join))
    def test_markup_of_pages(self, text):
        self.check(f"<html>{text}".encode(), "text/html")


class TestWhatItIs(ExtractCase):
    def test_content_counts_more_than_what_is_said(self):
        for content, said, url, kind in (
            (b"%PDF-1.4", "text/plain", "a.txt", "pdf"),
            (b"\n <!-- x --><!DOCTYPE HTML><p>", "text/plain", "", "html"),
            (b"\xef\xbb\xbf<html>", "", "", "html"),
            (b"hello", "text/html", "", "html"),
            (b"hello", "", "read.me.MD?x=1", "markdown"),
            (b"hello", "application/octet-stream", "a.rst", "rst"),
            (b"hello", "application/json", "", "text"),
            ("hi\n".encode("utf-16-le"), "text/plain", "", "text"),
        ):
            self.assertEqual(kind_of(content, said, url), kind, (content, said, url))

    def test_no_text(self):
        self.refused("empty", b"")
        self.refused("empty", b" \n \t" * 9 + b"\x00", "text/plain")
        self.refused("empty", b"<html><body></body></html>")
        self.refused("empty", b"<!-- only -->", "text/html")
        self.refused("unsupported", b"\x89PNG\r\n" + b"x" * 99)
        self.refused("unsupported", b"x", "image/svg+xml")
        self.refused("unsupported", bytes(range(256)) * 4)
        self.refused("unsupported", b"PK\x03\x04 no Word file")
        self.refused("broken", b"hello", "application/pdf")
        self.refused("broken", b"hello", DOCX)

    def test_too_large(self):
        self.refused("too_large", b"x" * 101, "text/plain", size=100)
        found = read("x" * 101, characters=100)
        self.assertEqual((len(found.text), found.meta["truncated"]), (100, True))


class TestCharsets(ExtractCase):
    """What the bytes are counts more than what is said of them."""

    WORDS = "Größe, déjà vu, mañana: çok güzel"

    def test_wrong_ones_declared(self):
        for name, said in (
            ("utf-8", "text/html; charset=iso-8859-1"),
            ("cp1252", "text/html; charset=utf-8"),
            ("cp1252", "text/html; charset=no-such-thing"),
            ("cp1252", "text/html; charset=hex"),
            ("cp1252", "text/html; charset='iso-8859-1'"),
            ("utf-16-le", "text/html; charset=utf-8"),
            ("utf-16-be", ""),
        ):
            text = f"<p>{self.WORDS if name != 'cp1252' else 'Größe, déjà vu'}</p>"
            self.assertEqual(decoded(text.encode(name, "replace"), said), text, name)

    def test_marks_in_front(self):
        for mark, name in (
            (codecs.BOM_UTF8, "utf-8"),
            (codecs.BOM_UTF16_LE, "utf-16-le"),
            (codecs.BOM_UTF16_BE, "utf-16-be"),
            (codecs.BOM_UTF32_LE, "utf-32-le"),
            (codecs.BOM_UTF32_BE, "utf-32-be"),
        ):
            self.assertEqual(decoded(mark + self.WORDS.encode(name)), self.WORDS)

    def test_what_the_page_says(self):
        page = '<html><meta charset="windows-1251"><p>Счёт на оплату</p>'
        self.assertEqual(decoded(page.encode("cp1251")), page)
        page = "<?xml version='1.0' encoding='shift_jis'?><html>請求書</html>"
        self.assertEqual(decoded(page.encode("shift_jis")), page)

    def test_nothing_is_said(self):
        text = "Счёт на оплату выставляется покупателю в конце месяца. " * 5
        self.assertEqual(decoded(text.encode("cp1251")), text)
        self.assertTrue(decoded(bytes(range(128, 256))))

    @given(st.binary(max_size=200))
    def test_always_a_text(self, content):
        self.assertIsInstance(decoded(content, "text/html; charset=ascii"), str)


class TestPages(ExtractCase):
    def page(self, body, head=""):
        return f"<!doctype html><html lang='en-GB'>{head}<body>{body}</body></html>"

    def test_the_text_that_is_meant(self):
        found = read(
            self.page(
                "<nav>Home Shop Cart</nav><main><h1>Orders <a class='headerlink'"
                f" href='#o'>¶</a></h1><p>{LONG}</p><h2>Check</h2>"
                "<pre>a = 1\n  b = 2</pre><table><tr><th>Code<th>Name<tr><td>1<td>One"
                f"</table><ul><li>first thing</li></ul><p>{LONG}</p></main>"
                "<script>obey()</script><footer>Imprint</footer>",
                "<title>Orders | Shop</title><link rel='canonical' href='https://a/b'>"
                "<meta property='article:published_time'"
                " content='2025-03-01T10:00:00'>",
            ).encode(),
            "text/html",
        )
        self.assertEqual(found.title, "Orders")
        self.assertEqual(found.language, "en")
        self.assertEqual(found.date, datetime(2025, 3, 1, 10))
        self.assertEqual(found.meta["canonical"], "https://a/b")
        for part in ("## Check", "a = 1\n  b = 2", "| 1 | One |", "- first thing"):
            self.assertIn(part, found.text)
        for part in ("obey()", "Shop Cart", "Imprint"):
            self.assertNotIn(part, found.text)

    def test_short_pages_keep_code_and_tables(self):
        found = read(
            self.page(
                "<nav>Menu</nav><article><h1>Run</h1><p>Do<br>this <code>now</code>"
                "<p hidden>never<pre>make run</pre><ol><li>one<li>two</ol>"
                "<table><tr><td>a<td>b</table></article>"
            ).encode()
        )
        self.assertEqual(
            found.text,
            "# Run\n\nDo\nthis `now`\n\n```\nmake run\n```\n\n- one\n- two\n\n"
            "| a | b |\n| --- | --- |",
        )

    def test_titles_of_pages_with_several_headings(self):
        body = "<h1>One</h1><h1>Two</h1><p>words</p>"
        self.assertEqual(read(self.page(body, "<title>Both</title>")).title, "Both")
        og = "<meta property='og:title' content='Shared'><title>Both</title>"
        html = self.page(body, og).encode()
        self.assertEqual(read(html).title, "Shared")

    def test_dates_that_are_none(self):
        head = "<meta name='date' content='yesterday'>"
        found = read(self.page("<p>words</p>", head).encode())
        self.assertIsNone(found.date)

    def test_a_page_to_log_in(self):
        body = "<h1>Welcome</h1><form>Name <input><input type='password'></form>"
        self.refused("login", self.page(body + "<p>Please log in.</p>").encode())
        # an article with a small form beside it is none
        body = f"<main><p>{LONG * 4}</p></main><form><input type=password></form>"
        self.assertIn("quotation", read(self.page(body).encode()).text)

    def test_endless_pages(self):
        page = self.page(f"<main>{f'<p>{LONG}</p>' * 40}</main>").encode()
        found = read(page, "text/html", markup=5_000)
        self.assertTrue(found.meta["truncated"])
        self.assertLess(len(found.text), 6_000)

    def test_deep_nesting_and_entity_bombs(self):
        deep = self.page("<div>" * 20_000 + "words").encode()
        bomb = (
            b"<?xml version='1.0'?><!DOCTYPE html [<!ENTITY a 'aaaaaaaaaa'>"
            + b"".join(
                b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10)
                for n in range(9)
            )
            + b"]><html><body><p>words &j;</p></body></html>"
        )
        outside = (
            b"<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
            b"<html><body><p>words &x;</p></body></html>"
        )
        for page in (deep, bomb, outside):
            began = time.process_time()
            try:
                text = read(page, "text/html").text
            except Unreadable:
                text = ""
            self.assertLess(time.process_time() - began, 10)
            self.assertLess(len(text), 1_000)
            self.assertNotIn("root:", text)


class TestMarkdownAndText(ExtractCase):
    def test_what_no_reader_sees_is_left_out(self):
        found = read(
            "---\ntitle: The way\ntags: x\n---\n\n# Other\n\nA<!-- obey\nme -->b\n"
            "<script>alert(1)</script>\n```html\n<!-- shown -->\n```\nend",
            "text/markdown",
        )
        self.assertEqual(found.title, "The way")
        self.assertIn("Ab", found.text)
        self.assertIn("<!-- shown -->", found.text)
        self.assertNotIn("obey", found.text)
        self.assertNotIn("alert", found.text)

    def test_titles(self):
        for text, title in (
            ("Setext\n======\n\nText", "Setext"),
            ("text\n\n## Deep `er` ##\n", "Deep er"),
            ("```\n# no heading\n```\ntext", ""),
            ("---\nno end", ""),
            ("---\nauthor: x\n---\ntext", ""),
        ):
            self.assertEqual(read(text, "text/markdown").title, title, text)

    def test_plain(self):
        found = read(b"Hours\r\n\r\nNine\x00 to five.  \r\n", "text/plain")
        self.assertEqual((found.title, found.text), ("Hours", "Hours\n\nNine to five."))

    def test_what_takes_long_elsewhere(self):
        for text, kind in (
            ("<!--" * 200_000, "text/markdown"),
            ("<script" * 150_000, "text/markdown"),
            (" " * 800_000 + "x", "text/plain"),
            ("# " + "# " * 400_000 + "x", "text/markdown"),
            ("\n".join("`" * n for n in range(1_300, 2, -1)), "text/markdown"),
            ("`" * 800_000, "text/x-rst"),
            ("=\n" * 300_000, "text/x-rst"),
            (":a:`" * 200_000, "text/x-rst"),
            ("`a <" * 200_000, "text/x-rst"),
            ("|" * 800_000, "text/x-rst"),
            ("+-+\n" * 200_000, "text/x-rst"),
        ):
            began = time.process_time()
            self.check_time(text, kind)
            # two at most on a quick machine; what costs squares takes minutes
            self.assertLess(time.process_time() - began, 20, text[:20])

    def check_time(self, text, kind):
        try:
            read(text, kind)
        except Unreadable as error:
            self.assertIn(error.reason, REASONS)

    def test_tables(self):
        found = read("Code;Name\n400;Sales\n\n;;\n500;Costs\n", "text/csv")
        self.assertIn("| 400 | Sales |\n| 500 | Costs |", found.text)
        self.assertIn("a, b", read("a, b\n", "text/csv").text.replace(" | ", ", "))
        rows = "\n".join(f"{n},row" for n in range(50))
        found = read(rows, "text/csv", rows=10)
        self.assertEqual(found.text.count("\n"), 10)
        self.assertTrue(found.meta["truncated"])
        self.addCleanup(csv.field_size_limit, csv.field_size_limit(100))
        self.refused("broken", 'a,b\n1,"' + "x" * 200, "text/csv")
        self.assertEqual(table([]), "")


class TestDocumentation(ExtractCase):
    """reStructuredText as Odoo's documentation has it."""

    def lines(self, text):
        return rst(text).text

    def test_headings(self):
        found = rst(
            ":nosearch:\n\n.. _top:\n\n====\nTop\n====\n\nPart\n====\n\nSub\n---\n\n"
            "Part 2\n======\ntext\n\n----\n\nend"
        )
        self.assertEqual(found.title, "Top")
        self.assertEqual(
            found.text,
            "# Top\n\n## Part\n\n### Sub\n\n## Part 2\n\ntext\n\nend",
        )

    def test_roles_and_links(self):
        self.assertEqual(
            self.lines(
                "See :ref:`the orders <sale/x>`, :doc:`/apps/crm`, :guilabel:`Send`,"
                " :menuselection:`Sales --> Orders`, :py:class:`~odoo.models.Model`,"
                " `Odoo <https://odoo.com>`_, `here`_, word_, |plus| [#n]_ and"
                " ``a_b_``, `as it is`."
            ),
            "See the orders, crm, Send, Sales → Orders, `odoo.models.Model`, Odoo,"
            " here, word, plus and `a_b_`, `as it is`.",
        )

    def test_directives(self):
        for text, expected in (
            (".. image:: x.png\n   :alt: y\n", ""),
            (".. |icon| image:: x.png\n", ""),
            (".. comment\n   more\n", ""),
            (".. toctree::\n   :maxdepth: 1\n\n   a\n   b\n", ""),
            (".. figure:: x.png\n   :width: 3\n\n   The caption\n", "The caption"),
            (
                ".. code-block:: python\n   :emphasize-lines: 1\n\n   a\n     b\n",
                "```python\na\n  b\n```",
            ),
            (".. code-block:: python\n", ""),
            (
                ".. note::\n   Careful.\n\n   Very.\n",
                "> **Note**\n> Careful.\n>\n> Very.",
            ),
            (".. warning:: Hot\n", "> **Warning**\n> Hot"),
            (".. admonition:: Mind\n\n   It\n", "> **Mind**\n> It"),
            (".. tabs::\n\n   .. tab:: One\n\n      First\n", "**One**\n\nFirst"),
            (".. rubric:: Small\n", "**Small**"),
            (
                LIST_TABLE,
                "**Codes**\n\n| A | B |\n| --- | --- |\n| 1 more | 2 |",
            ),
            (
                ".. csv-table::\n\n   a,b\n   1,2\n",
                "| a | b |\n| --- | --- |\n| 1 | 2 |",
            ),
        ):
            self.assertEqual(self.lines(text), expected)

    def test_literal_blocks(self):
        code = "```\na = 1\n\n  b\n```"
        for text, expected in (
            ("Run::\n\n   a = 1\n\n     b\n\nend", f"Run:\n\n{code}\n\nend"),
            ("Run ::\n\n   a = 1\n\n     b\n", f"Run :\n\n{code}"),
            ("::\n\n   a = 1\n\n     b\n", code),
            ("Nothing::\n\nend", "Nothing:\n\nend"),
        ):
            self.assertEqual(self.lines(text), expected)

    def test_tables(self):
        expected = "| a | b c |\n| --- | --- |\n| 1 | 2 more |"
        simple = "==  =====\na   b c\n==  =====\n1   2\n    more\n==  =====\n\nend"
        self.assertEqual(self.lines(simple), f"{expected}\n\nend")
        grid = (
            "+---+-----+\n| a | b c |\n+===+=====+\n| 1 | 2   |\n|   | more|\n"
            "+---+-----+\nend"
        )
        self.assertEqual(self.lines(grid), f"{expected}\n\nend")
        self.assertIn("| a |", self.lines("+---+\n| a |\n+---+"))
        self.assertEqual(self.lines("==  ==\nno end\n"), "no end")

    def test_lists(self):
        text = "- one\n- two\n\n#. first\n#. second\n"
        self.assertEqual(self.lines(text), "- one\n- two\n\n1. first\n1. second")

    def test_a_table_that_breaks_off(self):
        self.addCleanup(csv.field_size_limit, csv.field_size_limit(10))
        text = ".. csv-table::\n\n   a,aaaaaaaaaaaaaaaaaaa\n"
        self.assertEqual(self.lines(text).strip(), "a,aaaaaaaaaaaaaaaaaaa")

    def test_a_heading_ends_a_paragraph(self):
        self.assertEqual(self.lines("text\nPart\n====\nend"), "text\n\n# Part\n\nend")

    def test_nesting_has_an_end(self):
        text = ""
        for depth in range(60):
            text += "   " * depth + ".. note::\n\n"
        self.assertTrue(self.lines(text + "   " * 60 + "deep"))


class TestPdf(ExtractCase):
    """Files that the library itself writes."""

    def pdf(self, *texts, password=None, title=None):
        import pypdf
        from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

        writer = pypdf.PdfWriter()
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        for text in texts:
            page = writer.add_blank_page(300, 300)
            if not text:
                continue
            stream = DecodedStreamObject()
            stream.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
            page[NameObject("/Contents")] = writer._add_object(stream)
            fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
            page[NameObject("/Resources")] = DictionaryObject(
                {NameObject("/Font"): fonts}
            )
        if title:
            writer.add_metadata(
                {"/Title": title, "/ModDate": "D:20250301103000+01'00'"}
            )
        if password is not None:
            writer.encrypt(password, algorithm="RC4-128")
        file = io.BytesIO()
        writer.write(file)
        return file.getvalue()

    def test_pages(self):
        found = read(self.pdf("Hello", "", "World", title="Both"))
        self.assertEqual(found.text, "## Page 1\n\nHello\n\n## Page 3\n\nWorld")
        self.assertEqual((found.title, found.meta["pages"]), ("Both", 3))
        self.assertEqual(found.date, datetime(2025, 3, 1, 9, 30))

    def test_no_text(self):
        self.refused("scanned", self.pdf("", ""))
        self.refused("broken", b"%PDF-1.7\n%%EOF")
        self.refused("broken", self.pdf("Hello")[:200])

    def test_locked(self):
        self.refused("encrypted", self.pdf("Hello", password="secret"))
        self.assertIn("Hello", read(self.pdf("Hello", password="")).text)

    def test_limits(self):
        found = read(self.pdf("One", "Two", "Three"), pages=2)
        self.assertNotIn("Three", found.text)
        self.assertTrue(found.meta["truncated"])
        self.refused("scanned", self.pdf("One"), seconds=-1)


class TestWord(ExtractCase):
    def docx(self, fill):
        import docx

        document = docx.Document()
        fill(document)
        file = io.BytesIO()
        document.save(file)
        return file.getvalue()

    def test_headings_lists_tables(self):
        def fill(document):
            document.core_properties.title = "Handbook"
            document.core_properties.modified = datetime(2025, 3, 1)
            document.add_heading("Handbook", 0)
            document.add_heading("Leave", 1)
            document.add_paragraph("Ask early.")
            document.add_paragraph("")
            document.add_paragraph("first", style="List Bullet")
            document.add_paragraph("second", style="List Bullet")
            rows = document.add_table(2, 2).rows
            for number, row in enumerate(rows):
                row.cells[0].text, row.cells[1].text = str(number), "x|y"

        found = read(self.docx(fill))
        self.assertEqual(
            found.text,
            "# Handbook\n\n# Leave\n\nAsk early.\n\n- first\n- second\n\n"
            "| 0 | x\\|y |\n| --- | --- |\n| 1 | x\\|y |",
        )
        self.assertEqual(found.title, "Handbook")
        self.assertEqual(found.date, datetime(2025, 3, 1))

    def test_bombs(self):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("word/document.xml", b"0" * 5_000_000)
        self.assertLess(len(file.getvalue()), 10_000)
        self.refused("too_large", file.getvalue(), DOCX, size=100_000)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(5_001):
                archive.writestr(f"word/{number}", b"")
        self.refused("too_large", file.getvalue(), DOCX)

    def test_entity_bomb(self):
        whole = self.docx(lambda document: document.add_paragraph("words"))
        file = io.BytesIO()
        bomb = "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
        with (
            zipfile.ZipFile(io.BytesIO(whole)) as archive,
            zipfile.ZipFile(file, "w") as other,
        ):
            for name in archive.namelist():
                data = archive.read(name)
                if name == "word/document.xml":
                    text = data.decode().replace("words", "words &a;")
                    head, xml, rest = text.partition("?>")
                    data = f"{head}{xml}{bomb}{rest}".encode()
                other.writestr(name, data)
        self.assertNotIn("root:", read(file.getvalue()).text)

    def test_damaged(self):
        self.refused("broken", b"PK\x03\x04word/ and nothing else")


class TestSmall(BaseCase):
    def test_fences_are_longer_than_those_inside(self):
        self.assertEqual(fence("```\nx\n```"), "````\n```\nx\n```\n````")

    @given(st.text())
    def test_clean_again_changes_nothing(self, text):
        self.assertEqual(clean(clean(text)), clean(text))
        clean(text).encode()

    def test_moments_and_lines(self):
        self.assertEqual(moment("2025-03-01"), datetime(2025, 3, 1))
        self.assertEqual(line(None), "")
