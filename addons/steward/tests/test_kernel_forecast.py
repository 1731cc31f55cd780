import itertools
import math
import random
from statistics import fmean

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.forecast import HISTORY_DAYS, Forecast, forecast
from . import kernel_common  # noqa: F401

WEEK = [100.0, 120.0, 90.0, 110.0, 80.0, 20.0, 0.0]
costs = st.none() | st.floats(0, 1e6)
histories = st.lists(costs, max_size=80)


def synthetic_month(rng: random.Random, before: int) -> tuple[list[float], int]:
    """Daily costs with a weekday pattern, drift, noise and now and then a spike."""
    start = before + rng.randrange(7)
    level, series = math.log(rng.uniform(20, 200)), []
    for day in range(start + 30):
        level += rng.gauss(0.0015, 0.02)
        cost = math.exp(level) * rng.lognormvariate(0, 0.2)
        cost *= 0.3 if day % 7 >= 5 else 1.0
        series.append(cost * (rng.uniform(3, 6) if rng.random() < 0.02 else 1.0))
    return series, start


class TestForecast(BaseCase):
    def test_a_steady_week_is_foretold_exactly(self):
        for elapsed in range(31):
            history = WEEK * 8 + list(itertools.islice(itertools.cycle(WEEK), elapsed))
            told = forecast(history, elapsed, 30)
            month = sum(itertools.islice(itertools.cycle(WEEK), 30))
            self.assertAlmostEqual(told.total, month)
            self.assertAlmostEqual(told.likely[0], month)
            self.assertAlmostEqual(told.likely[1], month)
            self.assertAlmostEqual(told.spent, sum(history[56:]))

    def test_weekends_are_not_spread_over_the_week(self):
        # a month that starts on a Saturday looks cheap to a straight line
        told = forecast([*WEEK * 8, *WEEK[:5], 20.0, 0.0], elapsed=2, length=30)
        self.assertAlmostEqual(told.total, 20 + 4 * sum(WEEK))

    def test_beats_the_straight_line_on_synthetic_months(self):
        rng = random.Random(2026)
        ours: dict[int, list[float]] = {3: [], 10: []}
        line: dict[int, list[float]] = {3: [], 10: []}
        for _ in range(80):
            series, start = synthetic_month(rng, before=60)
            true = sum(series[start:])
            for day in (3, 10):
                told = forecast(series[: start + day], day, 30)
                ours[day].append(abs(told.total / true - 1))
                line[day].append(abs(told.spent / day * 30 / true - 1))
        self.assertLess(fmean(ours[3]), 0.6 * fmean(line[3]))
        self.assertLess(fmean(ours[10]), 0.85 * fmean(line[10]))
        self.assertLess(fmean(ours[3]), 0.14)
        self.assertLess(fmean(ours[10]), 0.10)

    def test_the_likely_range_holds_most_outcomes(self):
        rng = random.Random(99)
        held = 0
        for _ in range(40):
            series, start = synthetic_month(rng, before=120)
            low, high = forecast(series[: start + 10], 10, 30).likely
            held += low <= sum(series[start:]) <= high
        self.assertTrue(0.6 <= held / 40 <= 0.95, held)

    def test_one_runaway_day_does_not_become_the_new_normal(self):
        steady = [100.0] * 56
        runaway = [*steady[:-3], 5000.0, 100.0, 100.0]
        told = forecast(runaway, elapsed=0, length=30)
        self.assertLess(told.total, 3 * 30 * 100)
        self.assertGreater(told.likely[1], told.total)

    def test_follows_a_new_level(self):
        told = forecast([100.0] * 28 + [200.0] * 21, elapsed=0, length=10)
        self.assertAlmostEqual(told.total, 2000, delta=100)

    def test_gaps_are_no_zeros(self):
        full = forecast(WEEK * 8, elapsed=14, length=30)
        history: list[float | None] = [*WEEK * 8]
        history[-3] = history[-10] = history[24] = None
        gaps = forecast(history, elapsed=14, length=30)
        self.assertAlmostEqual(gaps.total, full.total)
        self.assertAlmostEqual(gaps.spent, full.spent - WEEK[4] * 2)
        self.assertAlmostEqual(gaps.likely[0], full.total)
        self.assertAlmostEqual(gaps.likely[1], full.total)

    def test_a_gap_yesterday_is_foretold_with_its_own_weekday(self):
        history = [*WEEK * 8, 100.0, None]
        told = forecast(history, elapsed=2, length=2)
        self.assertEqual(told.spent, 100.0)
        self.assertAlmostEqual(told.total, 220.0)

    def test_before_the_first_known_day_nothing_was_spent(self):
        told = forecast([None] * 9 + [10.0] * 10, elapsed=19, length=30)
        self.assertAlmostEqual(told.total, 210.0)
        self.assertEqual(forecast([10.0] * 10, 19, 30), told)

    def test_today_counts_once(self):
        history = [10.0] * 35
        self.assertAlmostEqual(forecast(history, 5, 30).total, 300.0)
        self.assertAlmostEqual(forecast(history, 5, 30, 4.0).total, 300.0)
        told = forecast(history, 5, 30, 25.0)
        self.assertEqual(told.spent, 75.0)
        self.assertAlmostEqual(told.total, 315.0)

    def test_today_has_its_own_weekday(self):
        # 100 was expected today, 120 tomorrow
        self.assertAlmostEqual(forecast(WEEK * 8, 0, 2, 110.0).total, 230.0)

    def test_a_weekday_seen_once_is_no_pattern(self):
        week = forecast(WEEK, 0, 7).total
        self.assertAlmostEqual(forecast(WEEK, 0, 1).total, week / 7)

    def test_the_range_holds_the_forecast_also_when_all_grew(self):
        # each past forecast was too low, so all of its ratios lie above 1
        told = forecast([1.1**day for day in range(60)], 0, 14)
        self.assertEqual(told.likely[0], told.total)
        self.assertGreater(told.likely[1], 1.5 * told.total)
        told = forecast([0.9**day for day in range(60)], 0, 14)
        self.assertEqual(told.likely[1], told.total)

    def test_too_little_is_unknown(self):
        six, gaps = [10.0] * 6, [10.0, None] * 6
        self.assertEqual(forecast([], 0, 30), Forecast(0.0, None, None))
        self.assertEqual(forecast([None] * 60, 9, 30), Forecast(0.0, None, None))
        self.assertEqual(forecast(six, 6, 30), Forecast(60.0, None, None))
        self.assertEqual(forecast(gaps, 12, 30).total, None)
        self.assertAlmostEqual(forecast([*six, 10.0], 7, 30).total, 300.0)

    def test_the_range_needs_four_weeks(self):
        self.assertIsNone(forecast([10.0] * 27, 5, 30).likely)
        self.assertIsNotNone(forecast([10.0] * 28, 5, 30).likely)
        # 28 days, one of them unknown
        self.assertIsNone(forecast([10.0] * 27 + [None], 5, 30).likely)
        self.assertIsNotNone(forecast([10.0] * 14 + [None] + [10.0] * 14, 5, 30).likely)

    def test_a_history_of_zeros_has_no_range(self):
        # zero times any factor is zero: it would look certain
        self.assertEqual(forecast([0.0] * 40, 5, 30), Forecast(0.0, 0.0, None))

    def test_a_period_that_is_over_is_certain(self):
        told = forecast([10.0] * 40, 30, 30)
        self.assertEqual(told, Forecast(300.0, 300.0, (300.0, 300.0)))

    def test_an_old_history_is_forgotten(self):
        old = [9999.0] * 100 + [10.0] * HISTORY_DAYS
        self.assertEqual(forecast(old, 5, 30), forecast([10.0] * HISTORY_DAYS, 5, 30))

    @given(histories, st.integers(0, 40), st.integers(0, 40), st.floats(0, 1e6))
    def test_what_always_holds(self, history, elapsed, ahead, spent_today):
        length = elapsed + ahead
        told = forecast(history, elapsed, length, spent_today if ahead else 0.0)
        if told.total is None:
            self.assertIsNone(told.likely)
            return
        self.assertTrue(0 <= told.spent <= told.total < math.inf)
        if told.likely:
            low, high = told.likely
            self.assertTrue(told.spent <= low <= told.total <= high < math.inf)

    @given(histories, st.integers(0, 30), st.sampled_from([0.5, 4.0]))
    def test_does_not_depend_on_the_currency(self, history, elapsed, rate):
        told = forecast(history, elapsed, 30)
        other = forecast([cost and cost * rate for cost in history], elapsed, 30)
        if told.total is None:
            self.assertIsNone(other.total)
        else:
            tolerance = 1e-6 + 1e-9 * other.total
            self.assertAlmostEqual(other.total, told.total * rate, delta=tolerance)

    def test_refuses_nonsense(self):
        for arguments in (
            ([1.0], -1, 30),
            ([1.0], 31, 30),
            ([1.0], 30, 30, 5.0),
            ([-1.0], 1, 30),
            ([math.nan], 1, 30),
            ([math.inf], 1, 30),
            ([1.0], 1, 30, math.nan),
            ([1.0], 1, 30, -1.0),
        ):
            with self.subTest(arguments), self.assertRaises(ValueError):
                forecast(*arguments)
