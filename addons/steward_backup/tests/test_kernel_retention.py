from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.retention import FAILED_RUN, REASONS, Backup, Policy, decide

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York")]
counts = st.integers(0, 12)
policies = st.builds(
    Policy,
    daily=counts,
    weekly=counts,
    monthly=counts,
    within=st.integers(0, 60).map(lambda days: timedelta(days=days)),
    minimum=st.integers(1, 5),
)
ages = st.lists(
    st.tuples(st.integers(0, 400 * 24), st.booleans(), st.booleans()), max_size=40
)
series = ages.map(
    lambda found: [
        Backup(number, NOW - timedelta(hours=hours), good, protected)
        for number, (hours, good, protected) in enumerate(found)
    ]
)
zones = st.sampled_from(ZONES)


def kept(backups, policy, zone, **more):
    return {v.key for v in decide(backups, policy, NOW, zone, **more) if v.keep}


class TestRetention(BaseCase):
    @given(series, policies, zones)
    def test_the_newest_good_one_stays(self, backups, policy, zone):
        good = [backup for backup in backups if backup.good]
        if good:
            newest = max(backup.at for backup in good)
            stays = kept(backups, policy, zone)
            self.assertTrue(any(b.key in stays for b in good if b.at == newest))
            self.assertGreaterEqual(
                sum(b.key in stays for b in good), min(policy.minimum, len(good))
            )

    @given(series, policies, zones, st.data())
    def test_a_more_generous_policy_removes_no_more(self, backups, policy, zone, data):
        name = data.draw(st.sampled_from(["daily", "weekly", "monthly", "minimum"]))
        wider = replace(policy, **{name: getattr(policy, name) + data.draw(counts)})
        longer = replace(wider, within=wider.within + timedelta(days=3))
        before = kept(backups, policy, zone)
        self.assertLessEqual(before, kept(backups, wider, zone))
        self.assertLessEqual(before, kept(backups, longer, zone))

    @given(series, policies, zones)
    def test_once_more_removes_nothing_more(self, backups, policy, zone):
        stays = kept(backups, policy, zone)
        left = [backup for backup in backups if backup.key in stays]
        self.assertEqual(kept(left, policy, zone), stays)

    @given(series, policies, zones)
    def test_nothing_goes_after_a_failed_run(self, backups, policy, zone):
        every = {backup.key for backup in backups}
        self.assertEqual(kept(backups, policy, zone, last_run_failed=True), every)
        failed = Backup("failed", NOW + timedelta(minutes=1), good=False)
        self.assertEqual(kept([*backups, failed], policy, zone), every | {"failed"})

    @given(series, policies, zones)
    def test_each_verdict_has_its_reasons(self, backups, policy, zone):
        verdicts = decide(backups, policy, NOW, zone)
        self.assertEqual(len(verdicts), len(backups))
        protected = {backup.key for backup in backups if backup.protected}
        for verdict in verdicts:
            self.assertEqual(verdict.keep, bool(verdict.reasons))
            self.assertLessEqual(set(verdict.reasons), set(REASONS))
            if verdict.key in protected:
                self.assertTrue(verdict.keep)

    def test_a_year_of_nights(self):
        """7/4/3 of a year: 7 days, 4 weeks, 3 months, some of them the same."""
        nights = [Backup(n, NOW - timedelta(days=n)) for n in range(365)]
        stays = kept(nights, Policy(daily=7, weekly=4, monthly=3), ZONES[0])
        # a Saturday; the Sundays before it, and the ends of the months before
        self.assertEqual(stays, {*range(7), 13, 20, 21, 52})

    def test_days_are_those_of_the_zone(self):
        backups = [
            Backup("before midnight", datetime(2026, 7, 1, 21, tzinfo=UTC)),
            Backup("after midnight", datetime(2026, 7, 1, 23, tzinfo=UTC)),
        ]
        policy = Policy(daily=2)
        self.assertEqual(len(kept(backups, policy, ZONES[0])), 1)
        self.assertEqual(len(kept(backups, policy, ZONES[1])), 2)

    def test_a_doubtful_one_is_better_than_none(self):
        doubtful = Backup("doubtful", NOW - timedelta(days=9), good=False)
        good = Backup("good", NOW)
        self.assertEqual(kept([doubtful, good], Policy(), ZONES[0]), {"good"})
        stays = kept([doubtful, good], Policy(minimum=2), ZONES[0])
        self.assertEqual(stays, {"good", "doubtful"})
        [verdict] = decide([doubtful], Policy(), NOW, ZONES[0])
        self.assertIn(FAILED_RUN, verdict.reasons)

    def test_a_policy_keeps_something(self):
        for wrong in ({"minimum": 0}, {"daily": -1}, {"within": timedelta(days=-1)}):
            with self.subTest(**wrong), self.assertRaises(ValueError):
                Policy(**wrong)
