import time

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import reading

signs = st.sampled_from(
    [
        *"#*_`>|-[]()!<&\"' \n",
        "a",
        "é",
        "漢",
        "http://x.y/z",
        "```",
        "1. ",
        "javascript:",
    ]
)
texts = st.lists(signs, max_size=120).map("".join) | st.text(max_size=120)


def everything(blocks):
    for block in blocks:
        yield from block.spans
        for row in block.rows:
            for cell in row:
                yield from cell


class TestBlocks(BaseCase):
    @given(texts)
    def test_any_text_becomes_blocks_in_order(self, text):
        blocks = reading.blocks(text)
        last = 0
        for block in blocks:
            self.assertTrue(last <= block.start <= block.end <= len(text), block)
            last = block.end
        for span in everything(blocks):
            self.assertTrue(not span.href or reading.is_web(span.href), span)

    @given(st.lists(st.sampled_from(["word", "two words", "Ärger", "x<b>y"])))
    def test_plain_paragraphs_come_through(self, parts):
        blocks = reading.blocks("\n\n".join(parts))
        shown = ["".join(span.text for span in block.spans) for block in blocks]
        self.assertEqual(shown, parts)

    def test_what_would_be_a_script_is_text(self):
        text = '<script>alert(1)</script> <img src=x onerror="alert(2)">'
        [block] = reading.blocks(text)
        self.assertEqual([span.text for span in block.spans], [text])

    def test_code_is_left_alone(self):
        [code] = reading.blocks("~~~\n**a** [b](http://c.d)\n\n# e")
        self.assertEqual(code.spans[0].text, "**a** [b](http://c.d)\n\n# e")

    def test_a_paragraph_goes_on(self):
        blocks = reading.blocks("a\n**b**\n> c\n> d\ne\n- f\n  g\n\n---\nh")
        kinds = [block.kind for block in blocks]
        self.assertEqual(kinds, ["text", "quote", "point", "rule", "text"])
        words = ["".join(span.text for span in block.spans) for block in blocks]
        self.assertEqual(words, ["a b", "c d e", "f g", "", "h"])

    def test_links_without_words(self):
        [span] = reading.spans("[](https://a.b)")
        self.assertEqual(span, ("https://a.b", "", "https://a.b"))
        self.assertEqual(reading.spans("![](x.png)[](y)"), [])

    def test_hostile_lines_take_no_time(self):
        began = time.process_time()
        for sign in ("[", "`", "**", "![](", "| - ", "#", "> ", "_a", "- ", "~~~\n"):
            reading.blocks(sign * (200_000 // len(sign)))
        self.assertLess(time.process_time() - began, 20)


class TestLocate(BaseCase):
    @given(st.lists(st.sampled_from(["ab", "cd", "ef", "gh"]), min_size=1), st.data())
    def test_any_row_of_words_is_found(self, words, data):
        first = data.draw(st.integers(0, len(words) - 1))
        last = data.draw(st.integers(first, len(words) - 1))
        place = reading.locate(", ".join(words), " ".join(words[first : last + 1]))
        self.assertIsNotNone(place)
        found = ", ".join(words)[slice(*place)].split(", ")
        self.assertEqual(found, words[first : last + 1])

    def test_of_a_long_one_without_end_the_beginning_is_found(self):
        words = " ".join(f"w{number}" for number in range(40))
        place = reading.locate(words, words[:100] + " changed " * 20)
        self.assertEqual(place[0], 0)

    def test_a_beginning_that_is_not_there(self):
        words = " ".join(f"w{number}" for number in range(40))
        self.assertIsNone(reading.locate(words, "changed " * 20 + words))

    @given(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(1, 500))
    def test_the_window_holds_the_place(self, size, at, most):
        at = min(at, size - 1)
        part = reading.window(size, (at, at + 1), most)
        self.assertTrue(0 <= part.start <= at < part.stop <= size)
        self.assertLessEqual(part.stop - part.start, most)


class TestPlain(BaseCase):
    def test_all_that_a_screen_gets(self):
        found = reading.blocks("## Steps\n\n- one\n\n| a | b |\n|---|---|\n| c | d |\n")
        told = [block.plain() for block in found]
        self.assertTrue(any("level" in one for one in told))
        self.assertTrue(any("rows" in one for one in told))
        self.assertEqual(told[0]["kind"], found[0].kind)
