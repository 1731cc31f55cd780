import contextlib
import json
import os
import socket
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel import reference as module
from ..kernel.reference import (
    FILE_LIMIT,
    Invalid,
    NotFound,
    Reference,
    ReferenceProblem,
    Refused,
    Sealed,
    Unavailable,
    parse,
    parse_vault_response,
    resolve_env,
    resolve_file,
    vault_url,
)
from . import kernel_common  # noqa: F401

# Built from parts, so that secret scanners see nothing in this file.
RAW = [
    "sk-" + "a1B2" * 10,
    "ghp_" + "a1B2" * 10,
    "AKIA" + "ABCD2345" * 2,
    "0a1b2c3d" * 5,
    "aB3" * 12 + "==",
    "hvs." + "CAES" + "a-1_" * 6,
    "-----BEGIN PRIVATE" + " KEY-----\nMIIE\n",
    "eyJ" + "hbGci" * 4 + ".eyJ" + "zdWIi" * 4 + ".c2ln",
    "x" * 2000,
]


class TestParse(BaseCase):
    def test_references(self):
        for text, expected in {
            "env:OPENAI_API_KEY": Reference("env", "OPENAI_API_KEY"),
            " ENV:_x1 ": Reference("env", "_x1"),
            "file:openai": Reference("file", "openai"),
            "file:/run/secrets/OpenAI-Prod-Key-2024": Reference(
                "file", "/run/secrets/OpenAI-Prod-Key-2024"
            ),
            "file:..data/key": Reference("file", "..data/key"),
            "vault:secret/app/x#api_key": Reference("vault", "secret/app/x", "api_key"),
            "vault:/kv/my app#a.b-c": Reference("vault", "kv/my app", "a.b-c"),
        }.items():
            with self.subTest(text=text):
                self.assertEqual(parse(text), expected)
                self.assertEqual(parse(str(expected)), expected)

    def test_invalid(self):
        for text in (
            *(
                "",
                " ",
                "env",
                "env:",
                "env:1A",
                "env:A B",
                "env:A-B",
                "env:" + "A" * 129,
            ),
            *("file:", "file:/", "file:a/", "file:../a", "file:a/../b", "file:/a/.."),
            *("vault:", "vault:a#b", "vault:a/b", "vault:a/b#", "vault:a/../b#c"),
            *("vault:a//b#c", "vault:a/./b#c", "vault:a/b#c d", "vault:#c", "https:x"),
            *("hunter2", "openai", "http://x/", "vault:a/b#é"),
        ):
            with self.subTest(text=text), self.assertRaises(Invalid) as caught:
                parse(text)
            self.assertEqual(caught.exception.code, "invalid")
            self.assertTrue(str(caught.exception).endswith("."))

    def test_a_pasted_secret_is_refused_and_not_shown(self):
        for raw in RAW:
            for text in (
                raw,
                f" {raw}",
                f"env:{raw}",
                f"file:{raw}",
                f"vault:a/{raw}#k",
            ):
                with self.subTest(text=text), self.assertRaises(Invalid) as caught:
                    parse(text)
                self.assertIn("the secret itself", str(caught.exception))
                self.assertNotIn(raw[:12], str(caught.exception))
        with self.assertRaises(Invalid) as caught:
            parse(f"vault:secret/x#{RAW[0]}")
        self.assertIn("the secret itself", str(caught.exception))

    @given(
        st.text()
        | st.sampled_from(["env:", "file:", "vault:a/b#"]).flatmap(
            lambda start: st.text().map(lambda rest: start + rest)
        )
    )
    def test_any_text(self, text):
        try:
            reference = parse(text)
        except Invalid as problem:
            if len(text) > 20:
                self.assertNotIn(text, str(problem))
        else:
            self.assertEqual(parse(str(reference)), reference)

    def test_codes(self):
        codes = {problem.code for problem in ReferenceProblem.__subclasses__()}
        self.assertEqual(
            codes, {"not_found", "refused", "sealed", "unavailable", "invalid"}
        )


class TestEnv(BaseCase):
    def test_env(self):
        reference = parse("env:KEY")
        self.assertEqual(resolve_env(reference, {"KEY": " a "}), " a ")
        self.assertRaises(NotFound, resolve_env, reference, {"OTHER": "a"})
        for empty in ("", " \n"):
            self.assertRaises(Invalid, resolve_env, reference, {"KEY": empty})


class TestFile(BaseCase):
    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name).resolve()
        self.allowed = self.root / "allowed"
        self.allowed.mkdir()
        self.outside = self.write(self.root / "outside", "not for you")

    # no model: so
    # pylint: disable-next=method-required-super
    def write(self, path, content):
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    def resolve(self, target, *folders):
        return resolve_file(
            Reference("file", str(target)),
            [str(one) for one in folders or [self.allowed]],
        )

    def test_value(self):
        path = self.write(self.allowed / "key", "hünter2\r\n")
        self.assertEqual(self.resolve(path).value, "hünter2")
        self.assertEqual(
            self.resolve("key", self.root / "no", self.allowed).value, "hünter2"
        )
        self.assertEqual(self.resolve(path).warning, "")
        self.assertNotIn("nter2", repr(self.resolve(path)))
        path.chmod(0o604)
        self.assertIn("Every user", self.resolve(path).warning)
        self.write(path, b"\xef\xbb\xbf a\nb \n")
        self.assertEqual(self.resolve(path).value, " a\nb ")
        self.write(path, "x" * FILE_LIMIT)
        self.assertEqual(len(self.resolve(path).value), FILE_LIMIT)

    def test_links(self):
        path = self.write(self.allowed / "key", "hunter2")
        (self.allowed / "inside").symlink_to(path)
        (self.allowed / "leak").symlink_to(self.outside)
        (self.allowed / "folder").symlink_to(self.root)
        (self.allowed / "loop").symlink_to(self.allowed / "loop")
        (self.root / "link").symlink_to(self.allowed)
        self.assertEqual(self.resolve("inside").value, "hunter2")
        self.assertEqual(self.resolve("key", self.root / "link").value, "hunter2")
        for name in ("leak", "folder/outside", "loop"):
            with self.subTest(name=name):
                self.assertRaises(Refused, self.resolve, name)

    def test_outside(self):
        sibling = self.root / "allowed-not"
        sibling.mkdir()
        for target in (
            self.outside,
            self.root / "no such file",  # no word on whether it exists
            self.allowed / ".." / "outside",
            "../outside",
            self.write(sibling / "key", "x"),
        ):
            with self.subTest(target=target):
                self.assertRaises(Refused, self.resolve, target)
        with self.assertRaises(Refused) as caught:
            resolve_file(Reference("file", "key"), [])
        self.assertIn("No folder", str(caught.exception))

    def test_missing(self):
        self.write(self.allowed / "key", "hunter2")
        for name in ("nothing", "no/thing", "key/below"):
            self.assertRaises(NotFound, self.resolve, name)
        self.assertRaises(NotFound, self.resolve, self.allowed / "nothing")

    def test_no_regular_file(self):
        (self.allowed / "folder").mkdir()
        os.mkfifo(self.allowed / "pipe")
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(str(self.allowed / "socket"))
        for name in ("folder", "pipe", "socket", "."):
            with self.subTest(name=name):
                self.assertRaises(Refused, self.resolve, name)

    def test_bad_content(self):
        for content in ("", "\n", " \n", "a\0b", b"\xff\xfe", "x" * (FILE_LIMIT + 1)):
            self.write(self.allowed / "key", content)
            with (
                self.subTest(content=content[:5]),
                self.assertRaises(Invalid) as caught,
            ):
                self.resolve("key")
            self.assertIsNone(caught.exception.__cause__)

    def test_not_allowed_to_read(self):
        self.write(self.allowed / "key", "x")

        def denied(*_args):
            raise PermissionError(13, "denied")

        self.patch(module.os, "open", denied)
        self.assertRaises(Refused, self.resolve, "key")

    def swap_while_opening(self, before, after):
        """Change the path between the checks before, at and after opening."""
        real_open = os.open

        def opens(path, *args):
            before()
            handle = real_open(path, *args)
            after()
            return handle

        self.patch(module.os, "open", opens)

    def test_swapped_before_opening(self):
        path = self.write(self.allowed / "key", "x")

        def to_outside():
            path.unlink()
            path.symlink_to(self.outside)

        self.swap_while_opening(to_outside, lambda: None)
        self.assertRaises(Refused, self.resolve, "key")

    def test_swapped_and_swapped_back(self):
        path = self.write(self.allowed / "key", "x")

        def to_outside():
            path.rename(self.allowed / "kept")
            path.symlink_to(self.outside)

        def back():
            path.unlink()
            (self.allowed / "kept").rename(path)

        self.swap_while_opening(to_outside, back)
        with self.assertRaises(Refused) as caught:
            self.resolve("key")
        self.assertIn("changed", str(caught.exception))

    def test_removed_after_opening(self):
        path = self.write(self.allowed / "key", "x")
        self.swap_while_opening(lambda: None, path.unlink)
        self.assertRaises(Refused, self.resolve, "key")

    def test_no_handle_is_left_open(self):
        self.write(self.allowed / "key", "")
        kept = (self.allowed / "key").open()
        self.addCleanup(kept.close)
        self.assertEqual(self.handles(), [str(self.allowed / "key")])
        for _attempt in range(5):
            self.assertRaises(Invalid, self.resolve, "key")
            self.assertRaises(Refused, self.resolve, ".")
        self.assertEqual(self.handles(), [str(self.allowed / "key")])

    def handles(self):
        """What of ours is open; other threads open and close what is theirs."""
        found = []
        for handle in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(str(handle.readlink()))
        return [path for path in found if path.startswith(str(self.root))]


def answer(data=None, **metadata):
    return json.dumps({"data": {"data": data, "metadata": metadata}})


class TestVault(BaseCase):
    def check(self, problem, words, status, body, kind="application/json", key="key"):
        with self.subTest(words=words), self.assertRaises(ReferenceProblem) as caught:
            parse_vault_response(status, kind, body, key)
        self.assertIs(type(caught.exception), problem)
        self.assertIn(words, str(caught.exception))
        self.assertNotIn("hunter2", str(caught.exception))

    def test_value(self):
        body = answer(
            {"key": " hunter2 ", "other": 1}, deletion_time="", destroyed=False
        )
        kind = "application/json; charset=utf-8"
        self.assertEqual(parse_vault_response(200, kind, body, "key"), " hunter2 ")
        self.assertEqual(
            parse_vault_response(200, kind, body.encode(), "key"), " hunter2 "
        )

    def test_problems(self):
        errors = '{"errors": ["hunter2"]}'
        for problem, words, status in (
            (Invalid, "mount and path", 400),
            (Refused, "policy", 403),
            (NotFound, "at this path", 404),
            (Unavailable, "behind", 412),
            (Unavailable, "standby", 429),
            (Unavailable, "standby", 472),
            (Unavailable, "standby", 473),
            (Unavailable, "initialized", 501),
            (Sealed, "sealed", 503),
            (Unavailable, "unexpected", 500),
            (Unavailable, "unexpected", 307),
            (Unavailable, "unexpected", 204),
        ):
            self.check(problem, words, status, errors)

    def test_not_vault(self):
        page = "<html>hunter2</html>"
        for status in (200, 404):
            self.check(Unavailable, "not JSON", status, page, "text/html")
            self.check(Unavailable, "not JSON", status, page)
            self.check(Unavailable, "not JSON", status, b"\xff\xfe\xff")
            self.check(Unavailable, "not JSON", status, "[" * 100_000)
        for status in (403, 503):
            self.check(Unavailable, "other than Vault", status, page, "text/html")

    def test_versions_that_are_gone(self):
        gone = answer(None, deletion_time="2025-11-21T08:00:00Z", destroyed=False)
        for status in (200, 404):
            self.check(NotFound, "deleted", status, gone)
            self.check(NotFound, "destroyed", status, answer(None, destroyed=True))

    def test_wrong_shapes(self):
        for words, body in (
            ("no data", "{}"),
            ("no data", "[1]"),
            ("no data", '{"data": "hunter2"}'),
            ("version 2", '{"data": {"key": "hunter2"}}'),
            ("version 2", answer(["hunter2"])),
            ("holds no text", answer({"key": 5})),
            ("holds no text", answer({"key": None})),
            ("is empty", answer({"key": " "})),
            ("too large", answer({"key": "x" * 2**20})),
        ):
            self.check(Invalid, words, 200, body)
        self.check(NotFound, "no key", 200, answer({"other": "hunter2"}))

    @given(st.integers(100, 599), st.binary() | st.text())
    def test_any_answer(self, status, body):
        for kind in ("application/json", "text/html", ""):
            with self.assertRaises(ReferenceProblem):
                parse_vault_response(status, kind, body, "key")

    def test_url(self):
        reference = parse("vault:secret/a?b/c#key")
        for address, expected in {
            "http://v": "http://v/v1/secret/data/a%3Fb/c",
            " https://v:8200/base/ ": "https://v:8200/base/v1/secret/data/a%3Fb/c",
            "https://[::1]:8200": "https://[::1]:8200/v1/secret/data/a%3Fb/c",
        }.items():
            self.assertEqual(vault_url(address, reference), expected)
        for address in (
            *("", "v:8200", "ftp://v", "https://", "https://u:p@v", "https://v?x=1"),
            *(
                "https://v#x",
                "https://v:x",
                "https://v/../x",
                "https://[v",
                "http://v\n/x",
            ),
        ):
            with self.subTest(address=address):
                self.assertRaises(Invalid, vault_url, address, reference)
        for target in ("secret", "secret/../sys", "secret//x", "secret/./x", "/x"):
            with self.subTest(target=target):
                self.assertRaises(
                    Invalid, vault_url, "https://v", Reference("vault", target, "k")
                )

    @given(st.text(min_size=1))
    def test_url_stays_below_its_mount(self, path):
        try:
            reference = parse(f"vault:secret/{path}#key")
        except Invalid:
            return
        url = vault_url("https://vault", reference)
        self.assertTrue(url.startswith("https://vault/v1/secret/data/"))
        self.assertNotIn("..", url.split("/"))
        self.assertRegex(url, r"^[\w./~%:\-]+$")
