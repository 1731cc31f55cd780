import doctest
import io
import stat
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel.schema import Problems
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import composition, side_by_side
from ..kernel import skill_format as kernel
from ..kernel.skill_format import File, Folder, Unreadable

FOREIGN = """\
\ufeff---
# kept by the platform team
name: pdf-forms   # the slug
description: >-
  Fills PDF forms.
  Use when a form has to be filled in.

license: Apache-2.0
allowed-tools: Bash(git add:*) Read
metadata:
  author: example-org   # who
  version: 1.0
x-unknown: [1, {a: null}]
# the end
---

\r\n# Fill forms

```
# no heading
1. no step
```

## Steps

1. Read `FORMS.md`.
2) Fill it.
"""

words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30
).filter(str.strip)
names = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
bodies = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
lists = st.lists(words.filter(lambda w: "," not in w), max_size=4)
parts = st.fixed_dictionaries(
    {},
    optional={
        "name": names,
        "description": words,
        "title": words,
        "body": bodies,
        "tools": st.lists(names, max_size=3),
        "triggers": lists,
        "needs": st.lists(names, max_size=3),
        "category": words,
        "tags": lists,
    },
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.tuples(st.binary(), st.booleans())


class TestDocument(BaseCase):
    def test_doctests(self):
        for module in (kernel, composition, side_by_side):
            found = doctest.testmod(module, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
            self.assertGreater(found.attempted, 0)
            self.assertFalse(found.failed)

    def test_what_others_wrote(self):
        skill = kernel.parse(FOREIGN)
        self.assertEqual(skill.name, "pdf-forms")
        self.assertEqual(
            skill.description, "Fills PDF forms. Use when a form has to be filled in."
        )
        self.assertEqual(skill.title, "Fill forms")
        self.assertEqual(skill.tools, ("Bash(git add:*)", "Read"))
        self.assertEqual(skill.steps(), ["Read `FORMS.md`.", "Fill it."])
        self.assertEqual(skill.front["x-unknown"], [1, {"a": None}])

    def test_a_change_leaves_the_rest_as_written(self):
        self.assertEqual(kernel.changed(FOREIGN), FOREIGN)
        self.assertEqual(kernel.changed(FOREIGN, title="Fill forms"), FOREIGN)
        new = kernel.changed(FOREIGN, description="Other.")
        self.assertIn("description: Other.\n", new)
        for kept in ("# kept by", "# the slug", "# who", "# the end", "\ufeff---"):
            self.assertIn(kept, new)
        self.assertEqual(new.split("license:")[1], FOREIGN.split("license:")[1])
        new = kernel.changed(FOREIGN, body="Nothing.")
        self.assertEqual(new.split("---")[:2], FOREIGN.split("---")[:2])
        self.assertTrue(new.endswith("Nothing."))

    def test_keys_on_one_line(self):
        text = "---\n{name: a, description: b, license: c}\n---\n"
        skill = kernel.parse(kernel.changed(text, description="other"))
        self.assertEqual(
            skill.front, {"name": "a", "description": "other", "license": "c"}
        )
        text = "---\nname: a\ndescription: &d b\nlicense: *d\n---\n"
        skill = kernel.parse(kernel.changed(text, description="other"))
        self.assertEqual(skill.front["license"], "b")

    def test_parts_can_be_taken_away(self):
        text = kernel.written("a", "b", tools=["x"], triggers="one, two", title="T")
        text = kernel.changed(text, tools="", triggers=[], title="")
        self.assertEqual(text, "---\nname: a\ndescription: b\n---\n\n")

    @given(names, words, parts)
    def test_what_goes_in_comes_out(self, name, description, more):
        more = {"name": name, "description": description} | more
        text = kernel.changed(kernel.written("a", "b"), **more)
        skill = kernel.parse(text)
        for part, value in more.items():
            expected = kernel._same_kind(part, value)
            if part == "body":  # blank lines above belong to the front matter
                self.assertEqual(skill.body.strip(), expected.strip())
            elif part != "title" or expected:
                self.assertEqual(getattr(skill, part), expected)
        self.assertEqual(kernel.changed(text, **more), text)

    def test_what_is_no_skill(self):
        head = "---\nname: a\ndescription: b\n"
        for text, told in (
            ("", "begins with its name and description"),
            ("# A\n", "begins with its name and description"),
            (head, "begins with its name and description"),
            (f"{head}tools: [x\n---\n", "line 5"),
            (f"{head}name: b\n---\n", "'name' is given twice"),
            ("---\n- a\n---\n", "should be"),
            (
                "---\nname: A\ndescription: b\n---",
                "line 2, column 1: name: should match",
            ),
            ("---\nname: a--b\ndescription: b\n---", "should match"),
            (f"---\nname: {'a' * 65}\ndescription: b\n---", "name"),
            ("---\nname: a\ndescription: ' '\n---", "description"),
            (f"---\nname: a\ndescription: {'b' * 1025}\n---", "description"),
            (f"{head}metadata: [a]\n---\n", "metadata"),
            (f"{head}---\n\0", "line 5, column 1: there is a character"),
            (f"{head}---\n" + "x" * 5 * 2**20, "longer than 200 thousand letters"),
            (f"{head}x: !!python/object/apply:os.system [ls]\n---\n", "line 4"),
        ):
            with self.subTest(text[:60]), self.assertRaises(Problems) as caught:
                kernel.parse(text)
            self.assertIn(told, str(caught.exception))

    def test_a_change_that_makes_no_skill(self):
        for more in ({"name": "A"}, {"description": ""}, {"body": "\0"}):
            with self.subTest(more), self.assertRaises(Problems):
                kernel.changed(kernel.written("a", "b"), **more)

    def test_steps(self):
        for body, steps in (
            ("", []),
            ("text", []),
            ("1. a\n2. b\n\nmore\n\n# c\n1. d", ["a", "b"]),
            ("# Notes\n1. n\n# How to\n1. a", ["a"]),
            ("# Steps\nnone\n# Other\n1. a", ["a"]),
            ("~~~\n1. no\n```\n~~~\n1. a", ["a"]),
        ):
            with self.subTest(body):
                self.assertEqual(kernel.steps(body), steps)


class TestArchive(BaseCase):
    def archive(self, *entries, **how):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", **how) as archive:
            for name, content in entries:
                archive.writestr(name, content)
        return packed.getvalue()

    @given(
        st.dictionaries(
            names,
            st.tuples(words, bodies, st.dictionaries(paths, contents, max_size=4)),
            min_size=1,
            max_size=3,
        )
    )
    def test_round_trip(self, skills):
        folders = []
        for name in sorted(skills):
            description, body, files = skills[name]
            # a folder and a file cannot have one name
            files = {f"f{n}/{path}": c for n, (path, c) in enumerate(files.items())}
            folders.append(
                Folder(
                    name,
                    kernel.written(name, description, body),
                    tuple(File(path, *files[path]) for path in sorted(files)),
                )
            )
        packed = kernel.as_zip(folders)
        self.assertEqual(kernel.read_zip(packed), (folders, []))
        self.assertEqual(kernel.as_zip(folders), packed)

    def test_who_may_execute_is_told_by_unix_alone(self):
        entry = zipfile.ZipInfo("a/run.sh")
        entry.external_attr = 0o100755 << 16
        for system, executable in ((3, True), (0, False)):
            entry.create_system = system
            packed = self.archive(
                ("a/SKILL.md", kernel.written("a", "b")), (entry, b"")
            )
            [folder], _ignored = kernel.read_zip(packed)
            self.assertEqual(folder.files, (File("run.sh", b"", executable),))

    def test_folders_and_what_lies_about(self):
        text = kernel.written("a", "b")
        folders, ignored = kernel.read_zip(
            self.archive(
                ("README.md", "x"),
                ("__MACOSX/._a", "x"),
                ("skills/one/", ""),
                ("skills/one/SKILL.md", text),
                ("skills/one/.DS_Store", "x"),
                ("skills/one/assets/sample/SKILL.md", "a sample"),
                ("skills/one-more/SKILL.md", text),
                ("skills/other.txt", "x"),
            )
        )
        self.assertEqual(
            [(f.directory, [x.path for x in f.files]) for f in folders],
            [("skills/one", ["assets/sample/SKILL.md"]), ("skills/one-more", [])],
        )
        self.assertEqual(ignored, ["README.md", "skills/other.txt"])
        [folder] = kernel.read_zip(self.archive(("SKILL.md", text), ("x/y", "z")))[0]
        self.assertEqual(folder.directory, "")

    def test_hostile_archives(self):
        text = kernel.written("a", "b")
        link = zipfile.ZipInfo("a/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        bomb = self.archive(("a/bomb", "0" * 6 * 2**20), compression=zipfile.ZIP_BZIP2)
        many = [(f"a/{n}", "") for n in range(501)]
        large = [(f"a/{n}", bytes(4 * 2**20)) for n in range(6)]
        encrypted = bytearray(self.archive(("a/SKILL.md", text)))
        encrypted[6] |= 1
        encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
        damaged = bytearray(self.archive(("a/SKILL.md", text)))
        damaged[45] ^= 255
        unknown = bytearray(self.archive(("a/SKILL.md", text)))
        unknown[8] = unknown[unknown.index(b"PK\x01\x02") + 10] = 77
        for content, told in (
            (b"", "no zip"),
            (b"PK no", "no zip"),
            (bytes(20 * 2**20 + 1), "larger than 20 MiB"),
            (self.archive(), "no SKILL.md"),
            (self.archive(("a/skill.txt", "")), "no SKILL.md"),
            (self.archive(("../SKILL.md", text)), "leads out"),
            (self.archive(("a/../../SKILL.md", text)), "leads out"),
            (self.archive(("/etc/SKILL.md", text)), "leads out"),
            (self.archive(("C:/SKILL.md", text)), "leads out"),
            (self.archive(("a//SKILL.md", text)), "leads out"),
            (self.archive(("a" * 256, text)), "leads out"),
            (self.archive(("a\x01/SKILL.md", text)), "no name of a file"),
            (self.archive((zipfile.ZipInfo("a\\b"), text)), "no name of a file"),
            (self.archive(("a/SKILL.md", text), ("A/skill.MD", text)), "there twice"),
            (self.archive(("a/SKILL.md", text), (link, "/etc/passwd")), "is a link"),
            (self.archive(("a/SKILL.md", b"\xff")), "no text in UTF-8"),
            (self.archive(("a/SKILL.md", b"a\0")), "no text in UTF-8"),
            (self.archive(*many), "more than 500"),
            (self.archive(*large, compression=zipfile.ZIP_DEFLATED), "too large"),
            (bomb, "too large"),
            (bytes(encrypted), "encrypted"),
            (bytes(damaged), "no zip archive, or a damaged one"),
            (bytes(unknown), "no zip archive, or a damaged one"),
        ):
            with self.subTest(told), self.assertRaises(Unreadable) as caught:
                kernel.read_zip(content)
            self.assertIn(told, str(caught.exception))

    @given(st.binary(max_size=300))
    def test_any_bytes(self, content):
        for packed in (content, self.archive(("a/SKILL.md", content))):
            try:
                kernel.read_zip(packed)
            except Unreadable as error:
                self.assertTrue(str(error))

    def test_text_of_a_file(self):
        folder = Folder("", "", (File("a", b"x"),))
        self.assertEqual((folder.text_of("a"), folder.text_of("b")), ("x", ""))


class TestComposition(BaseCase):
    @given(st.dictionaries(names, st.lists(names, max_size=4), max_size=6), names)
    def test_order(self, needs, name):
        found = composition.order(name, needs)
        self.assertEqual(found[-1], name)
        self.assertEqual(len(found), len(set(found)))
        for one in found:
            self.assertLessEqual(set(needs.get(one, ())), set(found))

    def test_without_circles_needs_come_first(self):
        needs = {f"n{n}": [f"n{m}" for m in range(n)] for n in range(50)}
        self.assertEqual(composition.order("n49", needs), [f"n{n}" for n in range(50)])

    def test_a_long_way(self):
        needs = {str(n): [str(n + 1)] for n in range(5000)}
        self.assertEqual(len(composition.order("0", needs)), 5001)


class TestSideBySide(BaseCase):
    lines = st.lists(st.sampled_from("abcd"), max_size=30).map("\n".join)

    @given(lines, lines, st.integers(0, 3))
    def test_nothing_is_lost(self, left, right, context):
        rows = side_by_side.rows(left, right, context)
        self.assertEqual(bool(rows), left.splitlines() != right.splitlines())
        everything = side_by_side.rows(left, right, 1000)
        for side, text in (("left", left), ("right", right)):
            told = [getattr(row, side) for row in everything]
            if rows:
                kept = [line for line in told if line is not None]
                self.assertEqual(kept, text.splitlines())
        changes = [row for row in rows if row.kind not in ("same", "gap")]
        self.assertEqual(changes, [row for row in everything if row.kind != "same"])

    def test_gaps(self):
        left = "\n".join(map(str, range(100)))
        right = left.replace("\n50\n", "\nfifty\nmore\n").replace("\n80\n", "\n")
        kinds = [row.kind for row in side_by_side.rows(left, right, 1)]
        self.assertEqual(
            kinds,
            ["gap", "same", "changed", "added", "same"]
            + ["gap", "same", "removed", "same", "gap"],
        )
