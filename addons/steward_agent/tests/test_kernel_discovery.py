import doctest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import discovery
from ..kernel.discovery import LEAST, rank, shared, stems

TEXTS = st.lists(st.text(max_size=30), max_size=6)


@tagged("post_install", "-at_install")
class TestDiscovery(BaseCase):
    def test_doctests(self):
        self.assertFalse(doctest.testmod(discovery).failed)

    @given(st.text(max_size=30), TEXTS, st.data())
    def test_scores(self, task, texts, data):
        near = st.lists(st.floats(-1, 1), min_size=len(texts), max_size=len(texts))
        for closeness in (None, data.draw(near)):
            found = rank(task, texts, closeness)
            scores = [score for _place, score in found]
            self.assertEqual(scores, sorted(scores, reverse=True))
            self.assertTrue(all(LEAST <= score <= 1.0000001 for score in scores))
            self.assertEqual(len({place for place, _score in found}), len(found))

    def test_meaning_counts_where_words_differ(self):
        texts = ["Chases unpaid invoices", "Tidies partner data"]
        self.assertEqual(rank("who owes us money", texts), [])
        [(place, _score)] = rank("who owes us money", texts, [0.6, 0.05])
        self.assertEqual(place, 0)

    def test_endings(self):
        self.assertEqual(
            stems("invoice invoices invoicing"), ["invoice", "invoic", "invoic"]
        )
        self.assertEqual(stems("as is"), [])
        self.assertEqual(shared("", ["a"]), [0.0])
