from random import Random

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.windows import Window
from . import kernel_common  # noqa: F401

times = st.lists(st.integers(0, 300), max_size=40).map(sorted)


class TestWindow(BaseCase):
    @given(times, st.integers(1, 6))
    def test_total_covers_the_time_it_says(self, moments, buckets):
        """At least all of the last w - width seconds, at most the last w."""
        window = Window(10, 6, 1)
        for moment in moments:
            window = window.add(moment, 1)
        now = moments[-1] if moments else 0
        (total,) = window.total(now, seconds=10 * buckets)
        surely = sum(moment > now - 10 * (buckets - 1) for moment in moments)
        perhaps = sum(moment > now - 10 * buckets for moment in moments)
        self.assertTrue(surely <= total <= perhaps, (surely, total, perhaps))

    @given(times, st.randoms(use_true_random=False))
    def test_workers_counting_apart_count_the_same(self, moments, rng):
        together = Window(10, 6, 1)
        apart = [together, together, together]
        for moment in moments:
            together = together.add(moment, 1)
            worker = rng.randrange(3)
            apart[worker] = apart[worker].add(moment, 1)
        now = moments[-1] if moments else 0
        merged = Window(10, 6, 1)
        for window in apart:
            merged = merged.merge(window, now)
        self.assertEqual(merged.total(now), together.total(now))

    @given(times, st.floats(-1e6, 1e6))
    def test_another_clock_counts_the_same(self, moments, shift):
        theirs = Window(10, 6, 1)
        for moment in moments:
            theirs = theirs.add(moment, 1)
        now = moments[-1] if moments else 0
        ours = Window(10, 6, 1).merge(theirs, now + shift, shift)
        surely = sum(moment > now - 45 for moment in moments)
        total = ours.total(now + shift)[0]
        self.assertTrue(surely <= total <= theirs.total(now)[0], (surely, total))

    @given(st.lists(st.integers(-4000, 4000), max_size=40))
    def test_a_clock_at_random_never_holds_what_was_counted(self, moments):
        window = Window(10, 6, 1)
        for moment in moments:
            window = window.add(moment, 1)
        if moments:
            self.assertGreaterEqual(window.total(moments[-1])[0], 1)
            self.assertEqual(window.total(moments[-1] + 60), (0,))

    def test_a_clock_that_steps_back_loses_nothing(self):
        window = Window(10, 6, 2).add(7200, 3, 1).add(3600, 1, 1)
        self.assertEqual(window.total(3600), (4, 2))
        self.assertEqual(window.total(3659), (4, 2))
        self.assertEqual(window.total(3660), (0, 0))

    def test_another_clock_lands_in_the_nearest_bucket(self):
        theirs = Window(10, 6, 1).add(9, 1)
        ours = Window(10, 6, 1).merge(theirs, now=16, shift=7)
        self.assertEqual(ours.total(60), (1,))  # 44 s later
        self.assertEqual(ours.total(76), (0,))

    def test_rows_do_not_pile_up(self):
        window = Window(10, 6, 1)
        for moment in range(0, 100_000, 7):
            window = window.add(moment, 1)
        self.assertEqual(len(window.rows), 6)

    def test_other_widths(self):
        fine = Window(5, 12, 1)
        for moment in range(1000, 1060):
            fine = fine.add(moment, 1)
        self.assertEqual(Window(10, 6, 1).merge(fine, 1059).total(1059), (60,))

    def test_a_wrong_number_of_columns_is_an_error(self):
        with self.assertRaises(ValueError):
            Window(10, 6, 2).add(0, 1)

    @given(times)
    def test_json(self, moments):
        rng = Random(5)
        window = Window(10, 6, 2)
        for moment in moments:
            window = window.add(moment, 1, rng.random())
        self.assertEqual(Window.from_json(window.to_json()), window)

    def test_no_window(self):
        good = Window(10, 6, 1).add(0, 1).to_json()
        self.assertEqual(Window.from_json(good).total(0), (1,))
        for bad in (
            None,
            [],
            {},
            {**good, "width": 0},
            {**good, "width": float("nan")},
            {**good, "size": -1},
            {**good, "columns": True},
            {**good, "rows": []},
            {**good, "rows": {"0": [1, 2]}},
            {**good, "rows": {"0": ["1"]}},
            {**good, "rows": {"zero": [1]}},
            {**good, "rows": {"0": 1}},
        ):
            with self.subTest(bad), self.assertRaises(ValueError):
                Window.from_json(bad)
