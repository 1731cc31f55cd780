import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import minilm, safetensors, static_table
from ..kernel.static_table import StaticTable
from ..kernel.wordpiece import WordPiece
from .embedding_common import PIECES, tiny_weights

FREQUENT = ["the", "invoice", "payments", "sale", "beef"]


def distilled(seed=7):
    encoder, told = minilm.Encoder(tiny_weights(seed)), []
    table = static_table.distil(
        lambda ids: minilm.embed(encoder, ids), WordPiece(PIECES), FREQUENT, told.append
    )
    return table, told


class TestStaticTable(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.table, cls.told = distilled()

    def setUp(self):
        super().setUp()
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory()), "t")

    def cosine(self, one, other):
        a, b = self.table.embed([one, other])
        return float(a @ b)

    def test_what_it_holds(self):
        """Pieces with a letter or digit, frequent words that are in several pieces."""
        names = set(self.table.numbers)
        self.assertLessEqual({"[UNK]", "sale", "##s", "payments", "beef"}, names)
        self.assertFalse({"[PAD]", "[CLS]", "!"} & names)
        self.assertEqual(self.told[-1], 1.0)

    @given(st.lists(st.text(max_size=60), max_size=5))
    def test_any_text_has_a_direction(self, texts):
        found = self.table.embed(texts)
        self.assertEqual(found.shape, (len(texts), self.table.dimensions))
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)

    def test_words(self):
        self.assertAlmostEqual(self.cosine("Sale!", "sale"), 1, 5)
        self.assertAlmostEqual(self.cosine("sale order", "order sale"), 1, 5)
        # a word that the model sees in two pieces has a row of its own
        self.assertEqual(len(self.table._rows_of("payments")), 1)
        # one that the list does not know is made of its pieces
        rows = [self.table.numbers[name] for name in ("invoice", "##s")]
        self.assertEqual(self.table._rows_of("invoices"), rows)
        self.assertEqual(self.table._rows_of("!?"), [0])
        self.assertEqual(self.table._rows_of("猫"), [0])

    def test_frequent_words_count_less(self):
        self.assertGreater(self.cosine("the goat", "goat"), 0.99)
        self.assertLess(self.cosine("late goat", "goat"), 0.99)

    def test_the_same_each_time(self):
        again, _told = distilled()
        np.testing.assert_array_equal(again.rows, self.table.rows)
        other, _told = distilled(seed=8)
        self.assertFalse(np.array_equal(other.rows, self.table.rows))

    def test_the_same_on_another_machine(self):
        """Other libraries round otherwise: axes may neither flip nor turn."""
        encoder = minilm.Encoder(tiny_weights())
        draw = np.random.default_rng(3)

        def embed(ids):
            found = minilm.embed(encoder, ids)
            return found + draw.normal(0, 1e-6, found.shape).astype(np.float32)

        other = static_table.distil(embed, WordPiece(PIECES), FREQUENT, lambda _: None)
        here, there = (t.embed(PIECES[4:]) for t in (self.table, other))
        self.assertGreater(float((here * there).sum(1).min()), 0.99)

    def test_there_and_back(self):
        self.table.save(self.path)
        found = StaticTable.load(self.path)
        texts = ["late payments of a customer", "goat", ""]
        np.testing.assert_array_equal(found.embed(texts), self.table.embed(texts))

    def test_a_file_that_is_none(self):
        safetensors.write(self.path, {"rows": np.zeros(3, np.int8)})
        with self.assertRaises(safetensors.Malformed):
            StaticTable.load(self.path)

    def test_memory_is_bounded(self):
        self.patch(static_table, "MAX_KNOWN", 10)
        table = StaticTable(
            list(self.table.numbers), self.table.rows, self.table.scales
        )
        for number in range(50):
            table.embed([f"word{number}"])
            self.assertLessEqual(len(table._known), 10)
