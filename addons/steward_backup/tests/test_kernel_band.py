from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.band import NEEDED, usual

sizes = st.floats(1, 1e12)


class TestBand(BaseCase):
    @given(st.lists(sizes, min_size=NEEDED, max_size=30), st.floats(0, 1))
    def test_the_middle_is_usual(self, history, share):
        band = usual(history, share)
        self.assertEqual(band.side(band.middle), "")
        self.assertLessEqual(band.low, band.middle)
        self.assertLessEqual(band.middle, band.high)

    @given(sizes, st.integers(NEEDED, 30), sizes)
    def test_one_outlier_moves_nothing(self, size, count, outlier):
        band = usual([*[size] * count, outlier], share=0.3)
        self.assertEqual(band.middle, size)
        self.assertEqual(band.side(size * 0.5), "low")
        self.assertEqual(band.side(size * 1.5), "high")

    @given(st.lists(sizes, max_size=NEEDED - 1))
    def test_too_little_is_known(self, history):
        self.assertIsNone(usual(history, 0.3))

    def test_floor(self):
        self.assertEqual(usual([1] * 9, share=1, floor=60).side(50), "")
        self.assertEqual(usual([1] * 9, share=1, floor=60).side(62), "high")
