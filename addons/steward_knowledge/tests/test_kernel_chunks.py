import re

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import chunks

LINES = st.sampled_from(
    [
        "# Orders",
        "## States of an order #",
        "###### Deep",
        "####### no heading",
        "```python",
        "```",
        "~~~",
        "| a | b |",
        "|---|---|",
        "",
        "   ",
        "An order has lines. It is confirmed by a button.",
        "word " * 80,
        "x" * 700,
        "東京都は日本の首都です。" * 30,
        "- an item",
        "\x00",
        "a\rb",
    ]
)
TEXTS = st.lists(LINES, max_size=40).map("\n".join) | st.text(max_size=500)


def bare(text):
    return re.sub(r"\s", "", text)


@tagged("post_install", "-at_install")
class TestChunks(BaseCase):
    @given(TEXTS)
    def test_nothing_is_lost_and_caps_hold(self, text):
        found = chunks.cut(text, few=20, good=40, most=60)
        self.assertEqual(found, chunks.cut(text, few=20, good=40, most=60))
        reached, between = 0, ""
        for passage in found:
            self.assertGreaterEqual(passage.start, reached)
            between += text[reached : passage.start]
            cut = text[passage.start : passage.end]
            self.assertTrue(cut.strip())
            self.assertLessEqual(chunks.size(cut), 60)
            reached = passage.end
        between += text[reached:]
        for line in between.splitlines():
            # what is left out are headings, which are in a path
            title = chunks._HEADING.match(line)
            self.assertTrue(not line.strip() or title, repr(line))

    @given(TEXTS)
    def test_headings_are_in_a_path(self, text):
        told = {title for passage in chunks.cut(text) for title in passage.headings}
        shown = " ".join(text[p.start : p.end] for p in chunks.cut(text))
        for block in chunks._blocks(text):
            if block.kind == "heading":
                title = chunks._HEADING.match(
                    text[block.start : block.end].rstrip("\n")
                )
                self.assertTrue(title[2] in told or bare(title[2]) in bare(shown))

    def test_code_and_tables_are_not_cut(self):
        code = "```\n" + "call(one, two)\n" * 20 + "```"
        table = "\n".join(["| a | b |", "|---|---|"] + ["| one | two |"] * 20)
        prose = "Some words about it. " * 20
        text = f"# Code\n{prose}\n\n{code}\n\n{prose}\n\n{table}\n\n{prose}"
        cut = [text[p.start : p.end] for p in chunks.cut(text)]
        for whole in (code, table):
            self.assertTrue(any(whole in passage for passage in cut), cut)

    def test_code_that_is_too_large_is_cut_between_lines(self):
        code = "```\n" + "call(one, two, three)\n" * 200 + "```"
        cut = [code[p.start : p.end] for p in chunks.cut(code)]
        self.assertGreater(len(cut), 3)
        for passage in cut[1:-1]:
            self.assertTrue(passage.startswith("call("))
            self.assertTrue(passage.endswith(")"))

    def test_a_line_of_a_megabyte(self):
        for text in ("word " * 200_000, "x" * 1_000_000, "語" * 300_000):
            found = chunks.cut(text)
            self.assertEqual(
                len(bare(text)),
                sum(len(bare(text[p.start : p.end])) for p in found),
            )
            most = max(chunks.size(text[p.start : p.end]) for p in found)
            self.assertLessEqual(most, chunks.MOST)

    def test_small_sections_join_their_neighbour(self):
        text = "# A\nOne.\n## B\nTwo.\n## C\nThree."
        found = chunks.cut(text)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0].headings, ("A",))
        self.assertEqual(text[found[0].start : found[0].end], text[4:])

    def test_a_fence_that_nobody_closed(self):
        text = "```\n# no heading\ncode"
        self.assertEqual(chunks.cut(text), [chunks.Passage(0, len(text))])

    def test_nothing(self):
        for text in ("", "  \n\t\n"):
            self.assertEqual(chunks.cut(text), [])
        self.assertEqual(
            chunks.cut("# Alone"), [chunks.Passage(0, 7, ("Alone",))], "only a heading"
        )
