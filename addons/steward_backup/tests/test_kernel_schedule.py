from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.schedule import GRACE, LENGTHS, Rule, missed_since

NAMES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"),
    *("Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"),
]
at = datetime.fromisoformat
zones = st.sampled_from(NAMES).map(ZoneInfo)
moments = st.datetimes(at("2009-01-01"), at("2035-01-01")).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
rules = st.builds(
    Rule,
    st.sampled_from(sorted(LENGTHS)),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 6),
)


class TestSchedule(BaseCase):
    @given(rules, moments, zones)
    def test_next_is_later_and_near(self, rule, after, zone):
        due = rule.next_run(after, zone)
        self.assertGreater(due, after)
        # Apia left out a whole day; clocks change by an hour
        slack = timedelta(hours=26)
        self.assertLessEqual(due - after, LENGTHS[rule.every] + slack)

    @given(rules, moments, zones)
    def test_no_moment_between(self, rule, after, zone):
        """From anywhere before the next run, the next run is the same."""
        due = rule.next_run(after, zone)
        middle = after + (due - after) / 2
        self.assertEqual(rule.next_run(middle, zone), due)
        self.assertGreater(rule.next_run(due, zone), due)

    @given(rules, moments, zones)
    def test_clocks_show_what_was_planned(self, rule, after, zone):
        local = rule.next_run(after, zone).astimezone(zone)
        if rule.every == "hourly":
            self.assertEqual(local.minute, rule.minute)
            return
        shown = (local.hour, local.minute)
        if shown != (rule.hour, rule.minute):
            wanted = local.replace(hour=rule.hour, minute=rule.minute)
            # only when the wanted time does not exist on that day
            back = wanted.astimezone(UTC).astimezone(zone)
            self.assertNotEqual((back.hour, back.minute), (rule.hour, rule.minute))

    @given(rules, moments, zones)
    def test_last_due(self, rule, now, zone):
        due = rule.last_due(now, zone)
        self.assertLessEqual(due, now)
        self.assertGreater(rule.next_run(due, zone), now)

    @given(rules, moments, zones)
    def test_what_was_tried_is_not_missed(self, rule, now, zone):
        long_ago = now - timedelta(days=30)
        due = missed_since(rule, zone, now, long_ago, None)
        self.assertIsNotNone(due)
        self.assertGreaterEqual(now - due, GRACE)
        self.assertIsNone(missed_since(rule, zone, now, long_ago, due))
        self.assertIsNone(missed_since(rule, zone, now, now, None))

    def test_no_schedule(self):
        for wrong in (
            {"every": "never"},
            {"every": "daily", "hour": 24},
            {"every": "daily", "minute": -1},
            {"every": "weekly", "weekday": 7},
        ):
            with self.subTest(**wrong), self.assertRaises(ValueError):
                Rule(**wrong)
