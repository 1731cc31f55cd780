import math

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.hash_embedding import DIMENSIONS, embed


def cosine(one, other):
    return sum(a * b for a, b in zip(embed(one), embed(other), strict=True))


class TestHashEmbedding(BaseCase):
    @given(st.text(max_size=100))
    def test_any_text(self, text):
        vector = embed(text)
        self.assertEqual(len(vector), DIMENSIONS)
        self.assertIn(round(math.hypot(*vector), 6), (0.0, 1.0))

    @given(st.lists(st.sampled_from(["tax", "Sale", "order", "lead"]), min_size=1))
    def test_order_and_case_do_not_matter(self, words):
        self.assertAlmostEqual(
            cosine(" ".join(words), " ".join(reversed(words)).upper()), 1
        )

    def test_near_and_far(self):
        self.assertGreater(cosine("unpaid invoices", "the unpaid invoice"), 0.6)
        self.assertGreater(cosine("quotation", "qoutation"), 0.15)  # a slip
        self.assertLess(abs(cosine("unpaid invoices", "holiday request")), 0.15)
        self.assertAlmostEqual(cosine("to be", "be to"), 1)  # nothing but stop words

    def test_for_ever(self):
        """Vectors are stored: other code must not make others of the same text."""
        vector = embed("Overdue invoices")
        told = {n: round(x, 4) for n, x in enumerate(vector) if abs(x) > 0.3}
        self.assertEqual(told, TOLD)


TOLD = {281: 0.5248, 291: -0.4011}
