import doctest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import comparison
from ..kernel.comparison import MAX_LINES, difference, pairs

KEYS = st.lists(st.sampled_from("abc"), max_size=8)
TEXTS = st.lists(st.sampled_from(["a", "b", "", "a b"]), max_size=8).map("\n".join)


@tagged("post_install", "-at_install")
class TestComparison(BaseCase):
    def test_doctests(self):
        self.assertFalse(doctest.testmod(comparison).failed)

    @given(KEYS, KEYS)
    def test_each_is_there_once_and_in_order(self, left, right):
        found = pairs(left, right)
        for side, keys in ((0, left), (1, right)):
            places = [pair[side] for pair in found if pair[side] is not None]
            self.assertEqual(places, list(range(len(keys))))
        for a, b in found:
            if a is not None and b is not None:
                self.assertEqual(left[a], right[b])

    @given(TEXTS, TEXTS)
    def test_both_texts_can_be_read_from_it(self, left, right):
        found = difference(left, right)
        for text, other in ((left, "new"), (right, "gone")):
            lines = [line for kind, line in found if kind != other]
            self.assertEqual(lines, text.splitlines())

    def test_not_for_ever(self):
        self.assertEqual(len(difference("a\n" * 9999, "a\n" * 9999)), MAX_LINES)
