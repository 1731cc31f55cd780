from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.period import LENGTHS, LONGEST, MOST_STEPS, Period
from . import kernel_common  # noqa: F401

at = datetime.fromisoformat
NOW = at("2026-03-04 10:20:30")
moments = st.datetimes(at("2000-01-01"), at("2100-01-01"))
offsets = st.integers(-12 * 4, 14 * 4).map(lambda n: timedelta(minutes=15 * n))
lengths = st.timedeltas(timedelta(milliseconds=1), LONGEST)


class TestPeriod(BaseCase):
    @given(moments, lengths, offsets)
    def test_any_interval(self, start, length, offset):
        end = start + length
        period = Period.parse(f"{start.isoformat()}/{end.isoformat()}", end, offset)
        edges = period.edges()
        self.assertEqual(edges[0], period.start)
        self.assertLess(edges[-1], period.end)
        self.assertGreaterEqual(edges[-1] + period.step, period.end)
        self.assertLessEqual(len(edges), max(MOST_STEPS, 53) + 1)
        self.assertTrue(start - period.step < period.start <= start)
        self.assertEqual(period.end, end)
        self.assertEqual(period.before.end, period.start)

    @given(st.sampled_from(sorted(LENGTHS)), moments)
    def test_named_covers_its_length(self, name, now):
        period = Period.parse(name, now)
        self.assertGreaterEqual(period.end - period.start, LENGTHS[name])
        self.assertEqual(
            period.before.end - period.before.start, period.end - period.start
        )

    @given(st.text())
    def test_anything_else_is_refused(self, text):
        with self.assertRaises(ValueError):
            Period.parse(f"x{text}", NOW)

    def test_refused(self):
        for text in (
            "",
            "year",
            "/",
            "2026-01-01",
            "2026-01-01/",
            "2026-01-01/2026-01-01",
            "2020-01-01/2026-01-01",
            "2026-05-01/2026-06-01",
            "1969-01-01/2026-01-01",
            "9999-12-31T23:59:59-12:00/2026-01-01",
        ):
            with self.subTest(text=text), self.assertRaises(ValueError):
                Period.parse(text, NOW)

    def test_other_time_zones_are_understood(self):
        period = Period.parse("2026-03-01T02:00+02:00/2026-03-02T00:00Z", NOW)
        self.assertEqual(period.start, at("2026-03-01"))
        self.assertEqual(period.step, timedelta(hours=1))

    def test_values_outside_are_not_shown(self):
        period = Period.parse("2026-03-01/2026-03-02", NOW)
        self.assertEqual(set(period.fill({NOW: 1})), {None})
