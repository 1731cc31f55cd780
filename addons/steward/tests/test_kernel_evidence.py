import io
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel import evidence
from . import kernel_common  # noqa: F401

NOW = datetime.fromisoformat("2026-03-04 10:05")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
names = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.txt", fullmatch=True)
packs = st.dictionaries(names, st.binary(max_size=200), max_size=6)


def edited(data, path, content):
    """The zip with one file made anew, added, or left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        kept = {name: old.read(name) for name in old.namelist()}
        root = min(kept, key=len).rpartition("/")[0]
        kept[f"{root}/{path}"] = content
        for name, bytes_ in kept.items():
            if bytes_ is not None:
                new.writestr(name, bytes_)
    return out.getvalue()


class TestEvidenceKernel(BaseCase):
    @given(packs)
    def test_what_is_packed_is_found_unchanged(self, files):
        data = evidence.pack(files, "Title", NOW, "scope")
        self.assertEqual(evidence.problems(data), [])
        found = {entry.path for entry in evidence.contents(data)}
        self.assertEqual(found, {*files, evidence.SUMMARY})
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                self.assertTrue(name.startswith("evidence/20260304-1005/scope/"))

    @given(packs, st.binary(max_size=50))
    def test_any_change_shows(self, files, content):
        data = evidence.pack({**files, "log": b"as it was"}, "T", NOW, "s")
        root = {"log": content, "more": content, "gone": None}
        if content != b"as it was":
            self.assertEqual(
                evidence.problems(edited(data, "log", root["log"])),
                ["log was changed."],
            )
        self.assertEqual(
            evidence.problems(edited(data, "more", content)), ["more was added."]
        )
        self.assertEqual(
            evidence.problems(edited(data, "log", None)), ["log is missing."]
        )

    def test_no_way_out(self):
        for path in ("", "/etc/passwd", "a/../b", "a//b", "a\\b", "a\nb", "SUMMARY.md"):
            with self.subTest(path=path), self.assertRaises(ValueError):
                evidence.pack({path: b""}, "T", NOW, "s")

    def test_summary_of_nothing(self):
        text = evidence.summary("T", NOW, {})
        self.assertIn("**not judged**", text)
        self.assertNotIn("| check |", text)

    def test_scope_names_a_folder(self):
        for scope, name in (("Drill: ../x", "drill-..-x"), ("…", "pack")):
            self.assertTrue(evidence.folder(NOW, scope).endswith(f"/{name}"))


class TestGit(BaseCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.git = self.root / ".git"
        self.inner = self.root / "addons" / "steward"
        self.inner.mkdir(parents=True)

    def put(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def test_branch(self):
        self.put(self.git / "HEAD", "ref: refs/heads/main\n")
        self.put(self.git / "packed-refs", f"# pack\n{COMMIT} refs/heads/main\n")
        packed = {"branch": "main", "commit": COMMIT}
        self.assertEqual(evidence.git_state(self.inner), packed)
        newer = COMMIT[::-1]
        self.put(self.git / "refs" / "heads" / "main", f"{newer}\n")
        self.assertEqual(evidence.git_state(self.inner)["commit"], newer)

    def test_detached_and_new(self):
        self.put(self.git / "HEAD", f"{COMMIT}\n")
        self.assertEqual(evidence.git_state(self.inner), {"commit": COMMIT})
        self.put(self.git / "HEAD", "ref: refs/heads/main\n")
        self.assertIsNone(evidence.git_state(self.inner), "nothing is committed yet")

    def test_worktree(self):
        store = self.root / "store"
        self.put(store / "worktrees" / "w" / "HEAD", "ref: refs/heads/w\n")
        self.put(store / "worktrees" / "w" / "commondir", "../..\n")
        self.put(store / "refs" / "heads" / "w", f"{COMMIT}\n")
        self.put(self.git, f"gitdir: {store}/worktrees/w\n")
        self.assertEqual(
            evidence.git_state(self.inner), {"branch": "w", "commit": COMMIT}
        )

    def test_broken(self):
        self.put(self.git, "gitdir: /no/such/folder\n")
        self.assertIsNone(evidence.git_state(self.inner))

    def test_none(self):
        self.assertIsNone(evidence.git_state(Path("/")))
