from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from odoo.addons.steward.kernel.forecast import forecast
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.budget import PERIODS, STEP, THRESHOLDS, Account, bounds, history, money

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"),
    # midnight is skipped, or comes twice, there
    *("America/Asuncion", "America/Havana", "Asia/Beirut", "Africa/Cairo"),
    *("Pacific/Apia", "Asia/Kathmandu", "Pacific/Kiritimati"),  # a lost day
)
amounts = st.decimals(0, 40, places=9).map(money)


class Ledger(RuleBasedStateMachine):
    """Calls that reserve, settle, die and come back late, in any order."""

    def __init__(self):
        super().__init__()
        self.account = Account(Decimal(100))
        self.held = []  # what running calls put aside
        self.expired = []  # calls whose lease ended: they may still settle
        self.settled = Decimal(0)
        self.honest = True  # as long as no call spent more than it had reserved

    @rule(amount=amounts)
    def reserve(self, amount):
        if self.account.fits(amount):
            self.account = self.account.reserve(amount)
            self.held.append(amount)
        else:
            assert amount > self.account.left

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def settle(self, data):
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        actual = data.draw(st.decimals(0, held, places=9).map(money))
        self.account = self.account.settle(held, actual)
        self.settled += actual

    @precondition(lambda self: self.held)
    @rule(extra=amounts)
    def settle_more(self, extra):
        held = self.held.pop()
        self.account = self.account.settle(held, held + extra)
        self.settled += held + extra
        self.honest &= not extra

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def expire(self, data):
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.account = self.account.release(held)
        self.expired.append(held)

    @precondition(lambda self: self.expired)
    @rule(actual=amounts)
    def settle_late(self, actual):
        self.expired.pop()
        self.account = self.account.spend(actual)
        self.settled += actual
        self.honest &= not actual

    @invariant()
    def nothing_is_lost_or_counted_twice(self):
        assert self.account.spent == self.settled
        assert self.account.reserved == sum(self.held, Decimal(0))

    @invariant()
    def never_overspent_by_reservations(self):
        if self.honest:
            assert self.account.spent + self.account.reserved <= self.account.limit
            assert self.account.left >= 0


class TestLedger(Ledger.TestCase, BaseCase):
    """Hypothesis' own runner of the machine above."""


class TestAccount(BaseCase):
    @given(st.lists(amounts, max_size=30))
    def test_thresholds_only_rise(self, costs):
        """Spending never takes a threshold back: nobody is told twice."""
        account, told = Account(Decimal(100)), 0
        for cost in costs:
            account = account.spend(cost)
            self.assertGreaterEqual(account.reached, told)
            told = account.reached
            self.assertEqual(told in THRESHOLDS, account.percentage >= 50)

    @given(amounts, amounts)
    def test_reservations_tell_nobody(self, spent, reserved):
        account = Account(Decimal(100), spent)
        self.assertEqual(account.reserve(reserved).reached, account.reached)

    def test_unknown_amount_needs_something_left(self):
        full = Account(Decimal(1)).reserve(Decimal(1))
        self.assertFalse(full.fits(None))
        self.assertTrue(full.fits(Decimal(0)))
        self.assertTrue(Account(Decimal(1)).fits(None))

    @given(st.lists(amounts, max_size=200))
    def test_exact(self, costs):
        account = Account(Decimal(1))
        for cost in costs:
            account = account.reserve(cost).settle(cost, cost)
        self.assertEqual(account.spent, sum(costs, Decimal(0)))
        self.assertEqual(account.reserved, 0)


class TestMoney(BaseCase):
    def test_what_is_no_money(self):
        for value in (-1, "-0.1", "abc", "", "inf", "nan", 0.5, True, None, [], 10**10):
            with self.subTest(value=value), self.assertRaises(ValueError):
                money(value)

    @given(amounts)
    def test_settled_form(self, amount):
        self.assertEqual(money(amount), amount)
        self.assertEqual(money(str(amount)), amount)
        self.assertEqual(amount % STEP, 0)


class TestBounds(BaseCase):
    moments = st.datetimes(
        datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        datetime(2037, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC),
    )

    @given(moments, st.sampled_from(PERIODS), st.sampled_from(ZONES))
    def test_periods_tile_the_time(self, at, period, name):
        """Each moment is in one period, and the periods leave no gap."""
        zone = ZoneInfo(name)
        start, end = bounds(at, period, zone)
        self.assertTrue(start <= at < end)
        self.assertEqual(bounds(start, period, zone), (start, end))
        self.assertEqual(bounds(end, period, zone)[0], end)
        before = bounds(start - timedelta(microseconds=1), period, zone)
        self.assertEqual(before[1], start)

    @given(moments, st.sampled_from(ZONES))
    def test_weeks_begin_on_monday(self, at, name):
        start, end = bounds(at, "week", ZoneInfo(name))
        self.assertEqual(start.astimezone(ZoneInfo(name)).weekday(), 0)
        # clocks may move twice in a week (or skip a day), by hours
        self.assertLessEqual(abs(end - start - timedelta(days=7)), timedelta(days=1))

    def test_months(self):
        berlin = ZoneInfo("Europe/Berlin")
        at = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)  # already March there
        start, end = bounds(at, "month", berlin)
        self.assertEqual(start, datetime(2026, 2, 28, 23, tzinfo=UTC))
        self.assertEqual(end, datetime(2026, 3, 31, 22, tzinfo=UTC))
        at = datetime(2026, 12, 31, 12, tzinfo=UTC)
        self.assertEqual(bounds(at, "month", UTC)[1], datetime(2027, 1, 1, tzinfo=UTC))

    def test_midnight_that_is_skipped(self):
        cairo = ZoneInfo("Africa/Cairo")  # 2026-04-24 begins at 01:00 there
        at = datetime(2026, 4, 24, 12, tzinfo=UTC)
        start, end = bounds(at, "day", cairo)
        self.assertEqual(start.astimezone(cairo).hour, 1)
        self.assertEqual(end - start, timedelta(hours=23))

    def test_no_period(self):
        with self.assertRaises(ValueError):
            bounds(datetime(2026, 1, 1, tzinfo=UTC), "year", UTC)


class TestHistory(BaseCase):
    def test_forecast_understands_it(self):
        today = date(2026, 11, 21)
        spent = {today - timedelta(days=ago): Decimal(10) for ago in range(1, 60)}
        costs, elapsed, so_far = history(
            {**spent, today: Decimal(4)}, today.replace(day=1), today
        )
        self.assertEqual((len(costs), elapsed, so_far), (59, 20, 4.0))
        told = forecast(costs, elapsed, 30, so_far)
        self.assertAlmostEqual(told.total, 300)

    def test_young(self):
        today = date(2026, 11, 21)
        costs, elapsed, so_far = history({today: Decimal(4)}, today, today)
        self.assertEqual((costs, elapsed, so_far), ([], 0, 4.0))
        self.assertIsNone(forecast(costs, elapsed, 1, so_far).total)
