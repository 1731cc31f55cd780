"""Reference values: scipy 1.17.1 (stats.chi2.sf, chisquare, fisher_exact,
binomtest.proportion_ci, false_discovery_control), computed once and written down here.
"""

import math
import random
import statistics as stdlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.statistics import (
    Estimate,
    Guardrail,
    Interval,
    Moments,
    Pairs,
    benjamini_hochberg,
    canary_verdict,
    chi_square_survival,
    cuped,
    difference,
    fisher_exact,
    holm,
    sample_ratio,
    sequential_interval,
    sequential_lower_bound,
    sequential_p_value,
    wilson,
)
from . import kernel_common  # noqa: F401

numbers = st.floats(-1e6, 1e6)
values = st.lists(numbers, max_size=30)
pairs = st.lists(st.tuples(numbers, numbers), max_size=30)
p_values = st.lists(st.floats(0.0, 1.0), max_size=12)
estimates = st.builds(
    Estimate, st.floats(-9, 9), st.floats(1e-3, 9), st.integers(2, 10**6)
)
alphas = st.floats(0.001, 0.2)
horizons = st.integers(50, 5000)


def binary(events: int, units: int) -> Estimate | None:
    return Moments.of_binary(events, units).estimate()


class TestMoments(BaseCase):
    def assert_near(self, found: Moments, expected: Moments):
        self.assertEqual(found.count, expected.count)
        self.assertAlmostEqual(found.mean, expected.mean, delta=1e-7)
        scale = 1e-9 * max(1.0, expected.squares, 1e12)
        self.assertAlmostEqual(found.squares, expected.squares, delta=scale)

    @given(values)
    def test_is_what_the_textbook_says(self, sample):
        moments = Moments.of(sample)
        self.assertEqual(moments.count, len(sample))
        if len(sample) < 2:
            self.assertIsNone(moments.variance)
            self.assertIsNone(moments.estimate())
        else:
            variance = stdlib.variance(sample)
            self.assertAlmostEqual(moments.mean, stdlib.fmean(sample), delta=1e-7)
            self.assertAlmostEqual(
                moments.variance, variance, delta=1e-3 + 1e-9 * variance
            )

    @given(values, values)
    def test_merging_equals_adding_all(self, left, right):
        merged = Moments.of(left).merge(Moments.of(right))
        self.assert_near(merged, Moments.of(left + right))

    @given(values, values, values)
    def test_merge_is_associative_and_commutative(self, a, b, c):
        of = Moments.of
        one = of(a).merge(of(b)).merge(of(c))
        self.assert_near(of(b).merge(of(c)).merge(of(a)), one)

    def test_is_stable_far_from_zero(self):
        # the sum of squares minus the square of sums answers 0 or less here
        moments = Moments.of([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16])
        self.assertEqual(moments.variance, 30.0)

    @given(st.integers(0, 20), st.integers(0, 20))
    def test_of_binary(self, ones, zeros):
        self.assert_near(
            Moments.of_binary(ones, ones + zeros), Moments.of([1] * ones + [0] * zeros)
        )

    def test_refuses_what_is_no_number_or_count(self):
        moments = Moments.of([1.0])
        for bad in (math.nan, math.inf):
            with self.assertRaisesRegex(ValueError, "finite"):
                moments.add(bad)
        self.assertEqual(moments, Moments.of([1.0]))
        for events, units in ((-1, 5), (6, 5)):
            with self.assertRaisesRegex(ValueError, "events in"):
                Moments.of_binary(events, units)

    def test_error_of_the_mean(self):
        estimate = Moments.of([1, 2, 3, 4]).estimate()
        self.assertEqual((estimate.value, estimate.units), (2.5, 4))
        self.assertAlmostEqual(estimate.error, stdlib.stdev([1, 2, 3, 4]) / 2)


class TestPairs(BaseCase):
    @given(pairs, pairs)
    def test_merging_equals_adding_all(self, left, right):
        merged, whole = Pairs.of(left).merge(Pairs.of(right)), Pairs.of(left + right)
        self.assertAlmostEqual(merged.products, whole.products, delta=1e3)
        self.assertAlmostEqual(merged.x.squares, whole.x.squares, delta=1e3)
        self.assertAlmostEqual(merged.y.mean, whole.y.mean, delta=1e-6)

    @given(pairs.filter(lambda sample: len(sample) > 1))
    def test_products_are_the_covariance(self, sample):
        covariance = stdlib.covariance(*zip(*sample, strict=True))
        self.assertAlmostEqual(
            Pairs.of(sample).products / (len(sample) - 1), covariance, delta=1e3
        )

    def test_ratio_by_hand(self):
        # R = 6/9; var(y - R x) = var(-1/3, 2/3, -1/3) = 1/3; / n / mean(x)^2
        ratio = Pairs.of([(2, 1), (2, 2), (5, 3)]).ratio()
        self.assertAlmostEqual(ratio.value, 2 / 3)
        self.assertAlmostEqual(ratio.error, math.sqrt(1 / 3 / 3 / 9))
        self.assertEqual(ratio.units, 3)

    def test_ratio_error_is_the_spread_of_repeated_ratios(self):
        rng = random.Random(3)

        def ratio() -> Estimate:
            sample = []
            for _ in range(200):
                calls, quality = rng.randint(1, 9), rng.random()
                sample.append(
                    (calls, sum(rng.random() < quality for _ in range(calls)))
                )
            return Pairs.of(sample).ratio()

        ratios = [ratio() for _ in range(150)]
        spread = stdlib.stdev(one.value for one in ratios)
        told = stdlib.fmean(one.error for one in ratios)
        self.assertAlmostEqual(told / spread, 1.0, delta=0.15)
        # counting each call as a unit of its own would claim less than that
        calls = 200 * 5
        self.assertGreater(told, 1.3 * math.sqrt(0.25 / calls))

    def test_ratio_of_negative_numbers_has_a_positive_error(self):
        self.assertGreater(Pairs.of([(-1, 1), (-2, 3)]).ratio().error, 0.0)

    def test_ratio_unknown(self):
        for sample in ([], [(1, 1)], [(0, 1), (0, 2)], [(-1, 1), (1, 2)]):
            self.assertIsNone(Pairs.of(sample).ratio())

    def test_ratio_of_a_constant_has_no_error(self):
        self.assertEqual(Pairs.of([(0.1, 0.3)] * 7).ratio().error, 0.0)

    def test_cuped_finds_a_small_effect_in_much_noise(self):
        rng = random.Random(5)

        def arm(effect: float) -> Pairs:
            before = [rng.gauss(100, 20) for _ in range(300)]
            return Pairs.of((x, 0.8 * x + rng.gauss(effect, 5)) for x in before)

        treatment, control = arm(3.0), arm(0.0)
        plain = difference(treatment.y.estimate(), control.y.estimate())
        freed = difference(*cuped(treatment, control))
        # the correlation is 0.8 * 20 / 16.8 = 0.95, so the error falls to 0.3 of it
        self.assertAlmostEqual(freed.error / plain.error, 0.3, delta=0.05)
        self.assertAlmostEqual(freed.value, 3.0, delta=3 * freed.error)
        self.assertGreater(sequential_interval(freed).low, 0.0)
        self.assertLess(sequential_interval(plain).low, 0.0)

    def test_cuped_without_a_past_changes_nothing(self):
        treatment, control = Pairs.of([(0, 1), (0, 4)]), Pairs.of([(0, 2), (0, 2.5)])
        for freed, arm in zip(
            cuped(treatment, control), (treatment, control), strict=True
        ):
            self.assertEqual(freed, arm.y.estimate())
        self.assertEqual(cuped(Pairs.of(), Pairs.of()), (None, None))

    def test_cuped_keeps_the_level(self):
        # what one arm is corrected down, the other is corrected up
        treatment = Pairs.of([(1, 2), (3, 5), (9, 9)])
        control = Pairs.of([(5, 4), (7, 9), (8, 8)])
        left, right = cuped(treatment, control)
        plain = treatment.y.mean + control.y.mean
        self.assertAlmostEqual(left.value + right.value, plain)
        self.assertNotAlmostEqual(left.value, treatment.y.mean)

    def test_cuped_slope_is_taken_within_the_arms(self):
        # the arms differ in x and in y by 10, within them there is no relation
        cross = [(0, 0), (0, 1), (1, 0), (1, 1)]
        treatment = Pairs.of((x + 10, y + 10) for x, y in cross)
        freed, control = cuped(treatment, Pairs.of(cross))
        self.assertAlmostEqual(freed.value - control.value, 10.0)


class TestDifference(BaseCase):
    def test_by_hand(self):
        found = difference(Estimate(5.0, 0.3, 100), Estimate(4.0, 0.4, 300))
        self.assertEqual((found.value, found.units), (1.0, 300.0))
        self.assertAlmostEqual(found.error, 0.5)

    def test_margin(self):
        found = difference(Estimate(5.0, 0.3, 100), Estimate(4.0, 0.4, 300), 0.25)
        self.assertAlmostEqual(found.value, 0.0)
        self.assertAlmostEqual(found.error, math.hypot(0.3, 0.5))

    def test_too_little_is_unknown(self):
        enough, few = Estimate(1.0, 0.1, 30), Estimate(1.0, 0.1, 29)
        self.assertIsNotNone(difference(enough, enough))
        for arms in ((few, enough), (enough, few), (None, enough), (enough, None)):
            self.assertIsNone(difference(*arms))
        self.assertIsNone(sequential_interval(None))
        self.assertIsNone(sequential_p_value(None))

    def test_no_spread_is_unknown(self):
        # 40 successes in each arm do not prove that both are perfect
        same = difference(binary(0, 40), binary(0, 40))
        self.assertIsNone(sequential_interval(same))
        self.assertIsNone(sequential_p_value(same))


class TestSequential(BaseCase):
    def test_formula(self):
        # written out as in the paper, with N = 300 and N* = 500
        r2 = (-2 * math.log(0.05) + math.log(-2 * math.log(0.05) + 1)) / 500
        radius = (
            0.1
            * math.sqrt(300)
            * math.sqrt(
                2
                * (300 * r2 + 1)
                / (300**2 * r2)
                * math.log(math.sqrt(300 * r2 + 1) / 0.05)
            )
        )
        low, high = sequential_interval(Estimate(1.0, 0.1, 300))
        self.assertAlmostEqual(low, 1.0 - radius)
        self.assertAlmostEqual(high, 1.0 + radius)
        r2 = (-2 * math.log(0.1) + math.log(-2 * math.log(0.1) + 1)) / 500
        radius = (
            0.1
            * math.sqrt(300)
            * math.sqrt(
                2
                * (300 * r2 + 1)
                / (300**2 * r2)
                * math.log(1 + math.sqrt(300 * r2 + 1) / 0.1)
            )
        )
        bound = sequential_lower_bound(Estimate(1.0, 0.1, 300))
        self.assertAlmostEqual(bound, 1.0 - radius)

    @given(estimates, alphas, horizons)
    def test_p_value_agrees_with_the_interval(self, estimate, alpha, horizon):
        low, high = sequential_interval(estimate, alpha, horizon)
        p_value = sequential_p_value(estimate, alpha, horizon)
        self.assertTrue(0.0 <= p_value <= 1.0)
        if abs(math.log(max(p_value, 1e-300) / alpha)) > 1e-9:
            self.assertEqual(p_value < alpha, low > 0 or high < 0)

    @given(estimates, alphas, horizons)
    def test_is_wider_than_a_single_look(self, estimate, alpha, horizon):
        low, high = sequential_interval(estimate, alpha, horizon)
        z = stdlib.NormalDist().inv_cdf(1 - alpha / 2)
        self.assertGreater((high - low) / 2, z * estimate.error)
        bound = sequential_lower_bound(estimate, alpha, horizon)
        self.assertGreater(estimate.value - bound, estimate.error)

    @given(estimates)
    def test_one_side_is_closer_than_two(self, estimate):
        low, _ = sequential_interval(estimate)
        self.assertTrue(low < sequential_lower_bound(estimate) < estimate.value)

    @given(estimates, alphas, horizons)
    def test_less_alpha_is_wider(self, estimate, alpha, horizon):
        low, high = sequential_interval(estimate, alpha, horizon)
        lower, higher = sequential_interval(estimate, alpha / 2, horizon)
        self.assertTrue(lower < low < high < higher)

    def test_horizon_is_where_it_is_tightest(self):
        def width(units: int, horizon: int) -> float:
            low, high = sequential_interval(
                Estimate(0.0, 1 / math.sqrt(units), units), 0.05, horizon
            )
            return high - low

        for units in (100, 500, 3000):
            at = width(units, units)
            self.assertLess(at, width(units, units // 3))
            self.assertLess(at, width(units, units * 3))

    def test_refuses_senseless_settings(self):
        for alpha, horizon in ((0, 500), (1, 500), (0.05, 0), (math.nan, 500)):
            with self.assertRaisesRegex(ValueError, "alpha"):
                sequential_interval(Estimate(0.0, 1.0, 100), alpha, horizon)

    def alarms(self, rng: random.Random, looks: Callable) -> tuple[int, int, int]:
        """How many of 400 harmless experiments look harmful, by each rule."""
        interval = bound = plain = 0
        for _ in range(400):
            crossed = [False] * 3
            a = b = 0
            for units in range(20, 1001, 20):
                a += sum(rng.random() < 0.9 for _ in range(20))
                b += sum(rng.random() < 0.9 for _ in range(20))
                crossed = looks(a, b, units, crossed)
            interval += crossed[0]
            bound += crossed[1]
            plain += crossed[2]
        return interval, bound, plain

    def test_looking_again_and_again_raises_no_false_alarm(self):
        def looks(a: int, b: int, units: int, crossed: list[bool]) -> list[bool]:
            change = difference(binary(a, units), binary(b, units))
            low, high = sequential_interval(change) or Interval(-1, 1)
            z = change.value / change.error if change and change.error else 0.0
            return [
                crossed[0] or not low <= 0 <= high,
                crossed[1] or bool(change and sequential_lower_bound(change) > 0),
                crossed[2] or abs(z) > 1.96,
            ]

        interval, bound, plain = self.alarms(random.Random(11), looks)
        self.assertLess(interval / 400, 0.04)
        self.assertLess(bound / 400, 0.04)
        # and the simulation can tell: the plain z-test fails it
        self.assertGreater(plain / 400, 0.2)


class TestCanary(BaseCase):
    def detection(self, rng: random.Random, success: float, share: float) -> int:
        """Canary runs until harm shows, the control succeeding at 95 %."""
        canary = control = failures = control_failures = 0
        while True:
            for _ in range(round((1 - share) / share)):
                control += 1
                control_failures += rng.random() >= 0.95
            canary += 1
            failures += rng.random() >= success
            rail = Guardrail(
                binary(failures, canary), binary(control_failures, control)
            )
            if canary_verdict({"error": rail}).verdict == "harm":
                return canary

    def test_detects_in_the_number_of_runs_that_the_design_promises(self):
        rng = random.Random(7)
        for success, share, promised in ((0.70, 0.1, 36), (0.85, 0.1, 99)):
            runs = [self.detection(rng, success, share) for _ in range(40)]
            mean = stdlib.fmean(runs)
            self.assertTrue(promised * 0.7 < mean < promised * 1.4, (success, mean))

    def test_no_data_is_never_clear(self):
        good = Guardrail(binary(2, 100), binary(2, 100))
        none = Guardrail(None, binary(2, 100))
        few = Guardrail(binary(0, 29), binary(2, 100))
        self.assertEqual(canary_verdict({}).verdict, "unknown")
        self.assertEqual(canary_verdict({"a": good}).verdict, "clear")
        for rail in (none, few, Guardrail(binary(2, 100), None)):
            verdict = canary_verdict({"a": good, "b": rail})
            self.assertEqual(verdict, ("unknown", {"a": "clear", "b": "unknown"}))

    def test_harm_in_one_suffices(self):
        bad = Guardrail(binary(50, 100), binary(2, 100))
        verdict = canary_verdict({"a": bad, "b": Guardrail(None, None)})
        self.assertEqual(verdict, ("harm", {"a": "harm", "b": "unknown"}))

    def test_minimum_may_be_set(self):
        rail = Guardrail(binary(20, 40), binary(2, 100))
        self.assertEqual(canary_verdict({"a": rail}).verdict, "harm")
        self.assertEqual(canary_verdict({"a": rail}, minimum=50).verdict, "unknown")

    def test_alpha_is_split(self):
        rail = Guardrail(binary(16, 100), binary(3, 100))
        alone = canary_verdict({"a": rail}, alpha=0.19)
        self.assertEqual(alone.verdict, "harm")
        rails = dict.fromkeys("abcdefghij", rail)
        self.assertEqual(canary_verdict(rails, alpha=0.19).verdict, "clear")
        alone = canary_verdict({"a": rail}, alpha=0.019)
        self.assertEqual(alone.verdict, "clear")

    def test_margin_and_direction(self):
        slow = Guardrail(Estimate(1.2, 0.01, 100), Estimate(1.0, 0.01, 100))
        for rail, expected in (
            (slow, "harm"),
            (slow._replace(margin=0.1), "harm"),
            (slow._replace(margin=0.25), "clear"),
            (slow._replace(better="higher"), "clear"),
            (Guardrail(*reversed(slow[:2])), "clear"),
            (Guardrail(*reversed(slow[:2]), better="higher"), "harm"),
            # 1.0 is below 90 % of 1.2 = 1.08, not below 80 % of it
            (Guardrail(*reversed(slow[:2]), 0.1, "higher"), "harm"),
            (Guardrail(*reversed(slow[:2]), 0.2, "higher"), "clear"),
        ):
            with self.subTest(rail):
                self.assertEqual(canary_verdict({"a": rail}).verdict, expected)

    def test_constants_are_compared_without_rounding_noise(self):
        def constant(value: float) -> Estimate:
            return Estimate(value, 0.0, 100)

        # 0.33 - 1.1 * 0.3 is 5.6e-17 or so
        for rail, expected in (
            (Guardrail(constant(0.33), constant(0.3), 0.1), "clear"),
            (Guardrail(constant(1.1 * 3), constant(3.0), 0.1), "clear"),
            (Guardrail(constant(0.3 + 1e-16), constant(0.1 + 0.2), 0.0), "clear"),
            (Guardrail(constant(0.1 + 0.2), constant(0.3)), "clear"),
            (Guardrail(constant(0.34), constant(0.3), 0.1), "harm"),
            (Guardrail(binary(100, 100), binary(0, 100)), "harm"),
            (Guardrail(binary(0, 100), binary(0, 100)), "clear"),
        ):
            with self.subTest(rail):
                self.assertEqual(canary_verdict({"a": rail}).verdict, expected)


class TestSampleRatio(BaseCase):
    def test_reference(self):
        for units, weights, p_value in (
            ([5200, 4800], [1, 1], 6.334248366623984e-05),
            ([520, 480], [1, 1], 0.20590321073206466),
            ([100, 130, 95], [1, 1, 1], 0.03660053915427093),
            ([880, 120], [9, 1], 0.03501498101966245),
            ([12, 4], [0.5, 0.5], 0.04550026389635857),
            ([550, 450], [1, 1], 0.001565402258002549),
        ):
            found = sample_ratio(units, weights)
            self.assertAlmostEqual(found.p_value, p_value, places=12)
            expected = "mismatch" if p_value < 0.001 else "ok"
            self.assertEqual(found.verdict, expected)

    def test_too_little_is_unknown(self):
        for units, weights in (
            ([8, 7], [1, 1]),
            ([0, 0], [1, 1]),
            ([500], [1]),
            ([], []),
            ([790, 9], [99, 1]),
        ):
            self.assertEqual(sample_ratio(units, weights), ("unknown", None))
        self.assertEqual(sample_ratio([8, 8], [1, 1]).verdict, "ok")

    def test_an_empty_arm_is_a_mismatch_once_it_should_have_units(self):
        self.assertEqual(sample_ratio([40, 0], [1, 1]).verdict, "mismatch")

    def test_threshold(self):
        self.assertEqual(sample_ratio([12, 4], [1, 1], 0.05).verdict, "mismatch")

    def test_refuses_senseless_weights(self):
        for weights in ([1, 0], [1, -1], [1, math.nan], [1, math.inf]):
            with self.assertRaisesRegex(ValueError, "positive"):
                sample_ratio([50, 50], weights)
        with self.assertRaises(ValueError):
            sample_ratio([50, 50], [1, 1, 1])


class TestChiSquare(BaseCase):
    def test_reference(self):
        for statistic, degrees, expected in (
            (0.5, 1, 0.47950012218695337),
            (3.841459, 1, 0.04999999465319563),
            (10.83, 1, 0.0009986863791802592),
            (2.0, 2, 0.36787944117144245),
            (0.1, 3, 0.9918374237318764),
            (20.0, 3, 0.00016974243555282632),
            (99.0, 100, 0.5094721987983741),
            (150.0, 100, 0.0009039320423540184),
            (1000.0, 3, 1.7994208765314067e-216),
            (16.0, 1, 6.334248366623988e-05),
            (5.0, 7, 0.6599632296942824),
            (1e-10, 1, 0.9999920211543921),
            (300, 300, 0.4891417702506403),
        ):
            with self.subTest((statistic, degrees)):
                found = chi_square_survival(statistic, degrees)
                self.assertLess(abs(found / expected - 1), 1e-11)

    @given(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(1, 200))
    def test_falls_from_one_to_zero(self, x, more, degrees):
        left = chi_square_survival(x, degrees)
        right = chi_square_survival(x + more, degrees)
        self.assertTrue(0 <= right <= left + 1e-12 <= 1 + 2e-12, (left, right))

    def test_ends(self):
        self.assertEqual(chi_square_survival(0, 4), 1.0)
        self.assertEqual(chi_square_survival(math.inf, 4), 0.0)
        for statistic, degrees in ((-1, 1), (math.nan, 1), (1, 0)):
            with self.assertRaisesRegex(ValueError, "degrees"):
                chi_square_survival(statistic, degrees)


class TestManyTests(BaseCase):
    def test_reference(self):
        sample = [0.01, 0.04, 0.03, 0.5, 0.005, 0.04]
        for found, expected in zip(
            benjamini_hochberg(sample),
            [0.03, 0.048, 0.048, 0.5, 0.03, 0.048],
            strict=True,
        ):
            self.assertAlmostEqual(found, expected)
        # by hand: sorted .005 .01 .03 .04 .04 .5, times 6 5 4 3 2 1, running maximum
        for found, expected in zip(
            holm(sample), [0.05, 0.12, 0.12, 0.5, 0.03, 0.12], strict=True
        ):
            self.assertAlmostEqual(found, expected)

    @given(p_values)
    def test_adjusting_keeps_the_order_and_never_lowers(self, sample):
        many, few = holm(sample), benjamini_hochberg(sample)
        order = sorted(range(len(sample)), key=sample.__getitem__)
        for adjusted in (many, few):
            inorder = [adjusted[i] for i in order]
            self.assertEqual(inorder, sorted(inorder))
        for p_value, strict, mild in zip(sample, many, few, strict=True):
            self.assertTrue(p_value <= mild * (1 + 1e-12))
            self.assertTrue(mild <= strict * (1 + 1e-12) <= 1 + 1e-9)

    def test_a_single_one_stays(self):
        self.assertEqual((holm([0.2]), benjamini_hochberg([0.2])), ([0.2], [0.2]))
        self.assertEqual((holm([]), benjamini_hochberg([])), ([], []))

    def test_refuses_what_is_no_p_value(self):
        for adjust in (holm, benjamini_hochberg):
            for bad in (-0.1, 1.1, math.nan):
                with self.assertRaisesRegex(ValueError, "p-values"):
                    adjust([0.5, bad])


class TestFisher(BaseCase):
    def test_reference(self):
        for *table, expected in (
            (8, 2, 1, 5, 0.034965034965034975),
            (0, 10, 5, 5, 0.032507739938080496),
            (3, 3, 3, 3, 1.0),
            (10, 0, 0, 10, 1.082508822446903e-05),
            (100, 900, 150, 850, 0.0008950875386906894),
            (1, 0, 0, 1, 1.0),
            (2, 7, 8, 2, 0.02301413756522116),
            (0, 0, 3, 4, 1.0),
            (1500, 18500, 1700, 18300, 0.0002438562594911049),
            (5, 0, 1, 4, 0.047619047619047616),
        ):
            with self.subTest(table):
                self.assertLess(abs(fisher_exact(*table) / expected - 1), 1e-8)

    @given(*[st.integers(0, 40)] * 4)
    def test_does_not_depend_on_how_the_table_is_turned(self, a, b, c, d):
        p_value = fisher_exact(a, b, c, d)
        self.assertTrue(0 < p_value <= 1)
        for turned in ((c, d, a, b), (b, a, d, c), (a, c, b, d)):
            self.assertAlmostEqual(fisher_exact(*turned), p_value)

    def test_refuses_negative_counts(self):
        with self.assertRaisesRegex(ValueError, "not negative"):
            fisher_exact(1, 2, 3, -1)


class TestWilson(BaseCase):
    def test_reference(self):
        for events, units, confidence, low, high in (
            (0, 10, 0.95, 0.0, 0.27753279986288926),
            (10, 10, 0.95, 0.7224672001371109, 1.0),
            (5, 10, 0.95, 0.236593090512564, 0.7634069094874361),
            (50, 1000, 0.99, 0.035025075722532446, 0.0709069726905337),
            (1, 3, 0.9, 0.07826572633372841, 0.7464661317187758),
        ):
            found = wilson(events, units, confidence)
            self.assertAlmostEqual(found.low, low, places=12)
            self.assertAlmostEqual(found.high, high, places=12)

    @given(st.integers(0, 500), st.integers(0, 500))
    def test_holds_the_share_within_zero_and_one(self, events, others):
        if not events + others:
            self.assertIsNone(wilson(0, 0))
            return
        low, high = wilson(events, events + others)
        self.assertTrue(0 <= low <= events / (events + others) <= high <= 1)
        self.assertLess(low, high)

    def test_refuses_more_events_than_units(self):
        with self.assertRaisesRegex(ValueError, "events in"):
            wilson(3, 2)
