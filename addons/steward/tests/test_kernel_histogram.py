import json
import math

from hypothesis import example, given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.histogram import HIGHEST, MAX_BUCKETS, RESOLUTION, Histogram
from . import kernel_common  # noqa: F401

latencies = st.floats(0.0, HIGHEST)
samples = st.lists(latencies | st.floats(0.001, 100.0), max_size=60)
histograms = samples.map(Histogram)


def added(*parts: Histogram) -> Histogram:
    total = Histogram()
    for part in parts:
        total.merge(part)
    return total


def percentile_disc(values: list[float], q: float) -> float:
    """The definition itself, as PostgreSQL computes it."""
    return sorted(values)[max(1, math.ceil(q * len(values))) - 1]


class TestHistogram(BaseCase):
    @given(samples.filter(bool), st.floats(0.0, 1.0))
    @example([1.0, 1.02, 1.0404], 1.0)  # on the edges of buckets
    @example([HIGHEST, HIGHEST], 0.5)
    def test_quantile_is_within_one_percent(self, values, q):
        true = percentile_disc(values, q)
        told = Histogram(values).quantile(q)
        self.assertLessEqual(abs(told - true), max(0.01 * true, RESOLUTION))

    def test_each_bucket_is_within_one_percent_at_its_edges(self):
        for index in range(1, MAX_BUCKETS - 1):
            edge = 1e-9 * 1.02**index
            for value in (edge * (1 - 1e-12), edge, edge * (1 + 1e-12)):
                # in company on both sides, so that min and max do not help
                told = Histogram([0, value, HIGHEST]).quantile(0.5)
                self.assertLessEqual(abs(told - value), 0.01 * value, value)

    @given(samples)
    def test_count_sum_min_max(self, values):
        histogram = Histogram(values)
        self.assertEqual(histogram.count, len(values))
        self.assertEqual(histogram.min, min(values, default=None))
        self.assertEqual(histogram.max, max(values, default=None))
        self.assertAlmostEqual(
            histogram.sum, math.fsum(values), delta=1e-6 + 1e-12 * math.fsum(values)
        )

    @given(histograms, histograms, histograms)
    def test_merge_is_exactly_associative_and_commutative(self, a, b, c):
        self.assertEqual(added(a, b), added(b, a))
        self.assertEqual(added(added(a, b), c), added(a, added(b, c)))
        self.assertEqual(added(a, Histogram()), a)

    def test_sum_does_not_depend_on_the_order(self):
        # as floats 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ
        parts = [Histogram([value]) for value in (0.1, 0.2, 0.3)]
        self.assertEqual(added(*parts).dumps(), added(*reversed(parts)).dumps())

    @given(samples, samples)
    def test_merge_equals_counting_all_in_one(self, left, right):
        merged = Histogram(left).merge(Histogram(right))
        self.assertEqual(merged, Histogram(left + right))

    def test_merge_with_itself_doubles(self):
        histogram = Histogram([1, 2])
        histogram.merge(histogram)
        self.assertEqual(histogram, Histogram([1, 2, 1, 2]))

    @given(histograms)
    def test_round_trips(self, histogram):
        stored = json.loads(json.dumps(histogram.to_dict()))
        self.assertEqual(Histogram.from_dict(stored), histogram)
        self.assertEqual(Histogram.loads(histogram.dumps()), histogram)

    @given(histograms)
    def test_a_stored_one_goes_on_counting(self, histogram):
        again = Histogram.loads(histogram.dumps())
        again.add(5.0)
        histogram.add(5.0)
        self.assertEqual(again, histogram)

    def test_empty_knows_nothing(self):
        empty = Histogram()
        self.assertIsNone(empty.quantile(0.5))
        self.assertIsNone(empty.mean)
        self.assertIsNone(empty.min)
        self.assertEqual((empty.count, empty.sum), (0, 0.0))

    def test_zero_is_a_value(self):
        zeros = Histogram([0, -0.0, 0.0])
        self.assertEqual(zeros.quantile(0.95), 0.0)
        self.assertEqual(zeros.count, 3)
        self.assertEqual(Histogram([0, 0, 8]).quantile(0.5), 0.0)

    def test_a_single_value_is_told_exactly(self):
        self.assertEqual(Histogram([0.123]).quantile(0.99), 0.123)

    def test_refuses_what_is_no_latency_and_stays_as_it_was(self):
        histogram = Histogram([1.0])
        for bad in (-1e-300, -1, math.nan, math.inf, -math.inf, HIGHEST * 1.1, 10**400):
            with self.assertRaisesRegex(ValueError, "from 0 to"):
                histogram.add(bad)
        self.assertEqual(histogram, Histogram([1.0]))

    def test_refuses_a_share_that_is_none(self):
        for bad in (-0.1, 1.1, 95, math.nan):
            with self.assertRaisesRegex(ValueError, "from 0 to 1"):
                Histogram([1.0]).quantile(bad)

    def test_number_of_buckets_is_bounded(self):
        everything = Histogram(10 ** (k / 200 - 12) for k in range(200 * 24 + 1))
        self.assertLessEqual(len(everything.to_dict()["buckets"]), MAX_BUCKETS)
        self.assertEqual(Histogram.loads(everything.dumps()), everything)

    def test_refuses_a_damaged_row(self):
        good = Histogram([1.0, 2.0]).to_dict()
        for change, text in (
            ({"version": 2}, "version is 2"),
            ({"count": 3}, "hold 2 values, not 3"),
            ({"count": "2"}, "'2' is no count"),
            ({"billionths": -1}, "-1 is no count"),
            ({"billionths": 1.5}, "1.5 is no count"),
            ({"min": 3.0}, "min 3.0, max 2.0"),
            ({"min": None}, "NoneType"),
            ({"max": math.nan}, "max nan"),
            ({"buckets": {"x": 2}}, "'x'"),
            ({"buckets": {"-1": 2}}, "bucket '-1'"),
            ({"buckets": {"1": 2, "2": 0}}, "0 values in bucket '2'"),
            ({"buckets": {str(MAX_BUCKETS): 2}}, f"bucket '{MAX_BUCKETS}'"),
            ({"buckets": {"1": True}}, "True is no count"),
            ({"buckets": [2]}, "items"),
        ):
            with (
                self.subTest(change),
                self.assertRaisesRegex(ValueError, f"not a histogram: .*{text}"),
            ):
                Histogram.from_dict(good | change)
        with self.assertRaisesRegex(ValueError, "'billionths' is missing"):
            Histogram.from_dict({k: v for k, v in good.items() if k != "billionths"})

    def test_refuses_a_damaged_string(self):
        for text in ("", "null", "[1,0,null]", "[1,0,0,0,5]", "[1,0,0,0,-5,1]", "{}"):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "not a histog"):
                Histogram.loads(text)

    def test_equality_and_identity(self):
        self.assertNotEqual(Histogram([1]), Histogram([2]))
        self.assertNotEqual(Histogram([1]), [1])
        with self.assertRaises(TypeError):
            hash(Histogram())
        self.assertEqual(repr(Histogram()), "<Histogram of 0: None … None>")
