import doctest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel.redactor import Redactor
from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import stream
from ..kernel.stream import EVERY, LONGEST, WINDOW, Stream

SECRET = "zebra" + "quartz" + "9"
REDACTOR = Redactor()
REDACTOR.learn(SECRET)
WORDS = st.sampled_from(
    ["a ", "word ", SECRET, "\n\n", "password: hunter2 ", "4111 1111 ", "x" * 60 + " "]
)


def shown(pieces):
    """What a screen shows after these."""
    text = ""
    for piece in pieces:
        text = piece.text if piece.whole else text + piece.text
    return text


@tagged("post_install", "-at_install")
class TestStream(BaseCase):
    def test_doctests(self):
        self.assertFalse(doctest.testmod(stream).failed)

    @given(st.lists(WORDS, max_size=60), st.integers(1, 7))
    def test_all_of_it_and_no_secret(self, words, size):
        text = "".join(words)
        made = Stream(REDACTOR.redact)
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        told = [made.feed(part, float(at)) for at, part in enumerate(parts)]
        pieces = [piece for piece in told if piece]
        for number in range(len(pieces) + 1):
            self.assertNotIn(SECRET, shown(pieces[:number]))
            self.assertNotIn("hunter2", shown(pieces[:number]))
        pieces.append(made.close())
        self.assertEqual([piece.seq for piece in pieces], list(range(len(pieces))))
        if len(text) < WINDOW:
            self.assertEqual(shown(pieces), REDACTOR.redact(text))

    def test_not_too_often(self):
        made = Stream(str)
        told = [made.feed("word ", n * EVERY / 5) for n in range(50)]
        self.assertLessEqual(sum(1 for piece in told if piece), 11)
        self.assertTrue(told[0])

    def test_a_key_of_many_lines_is_held_back(self):
        made = Stream(REDACTOR.redact)
        begin = "-----BEGIN " + "PRIVATE KEY-----"
        pieces = [made.feed(f"Here: {begin}\nMIIabc\n", 0.0)]
        pieces.append(made.feed("MIIdef\n-----END " + "PRIVATE KEY-----\nso ", 1.0))
        pieces.append(made.feed("there ", 2.0))
        self.assertFalse(any("MII" in piece.text for piece in pieces if piece))
        self.assertIn("so", shown([piece for piece in pieces if piece]))

    def test_a_long_text_stays_quick(self):
        looked = [0]

        def redact(text):
            looked[0] += len(text)
            return text

        made = Stream(redact)
        paragraph = "word " * 40 + "\n\n"
        for number in range(200):
            made.feed(paragraph, float(number))
        self.assertLess(looked[0] / 200, 4 * WINDOW)
        self.assertEqual(made.close().text, paragraph * 200)

    def test_no_end_of_a_text(self):
        made = Stream(str)
        for number in range(5):
            made.feed("x " * LONGEST, float(number))
        self.assertLessEqual(len(made.close().text), LONGEST)
