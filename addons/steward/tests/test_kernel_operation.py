from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel import operation
from . import kernel_common  # noqa: F401

NOW = datetime.fromisoformat("2026-03-04 10:00")
moments = st.none() | st.timedeltas(timedelta(days=-2), timedelta(days=2)).map(
    lambda span: NOW + span
)


class TestOperationKernel(BaseCase):
    @given(moments, moments, st.floats(0, 100))
    def test_what_remains_is_never_negative(self, began, eta, progress):
        left = operation.remaining(began, eta, progress, NOW)
        self.assertTrue(left is None or left >= 0)

    @given(moments, moments)
    def test_work_of_a_living_runner_is_not_lost(self, lease, seen):
        if operation.is_lost(lease, seen, NOW):
            self.assertTrue(operation.is_silent(seen, NOW))

    @given(st.timezones(), st.integers(-7200, 7200))
    def test_skew_in_any_time_zone(self, zone, seconds):
        clock = (NOW + timedelta(seconds=seconds)).isoformat()
        self.assertEqual(operation.clock_skew(clock + "+00:00", NOW), seconds)
