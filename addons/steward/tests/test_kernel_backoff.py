import os
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random
from unittest import skipUnless
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.backoff import Backoff, retry_after
from . import kernel_common  # noqa: F401

EPOCH = 1_000_000_000  # some Sunday in 2001


class TestBackoff(BaseCase):
    @given(
        st.floats(0.01, 100),
        st.floats(0.01, 1000),
        st.floats(1, 10),
        st.integers(0, 10**9),
    )
    def test_ceiling_grows_to_the_cap(self, base, cap, factor, attempt):
        backoff = Backoff(base, cap, factor)
        here, later = backoff.ceiling(attempt), backoff.ceiling(attempt + 1)
        self.assertLessEqual(here, later)
        self.assertLessEqual(later, cap)
        self.assertGreaterEqual(here, min(base, cap))

    def test_doubling(self):
        backoff = Backoff(base=30, cap=600)
        self.assertEqual(
            [backoff.ceiling(n) for n in range(7)], [30, 60, 120, 240, 480, 600, 600]
        )

    def test_jitter_fills_its_range(self):
        backoff, rng = Backoff(base=1, cap=60), Random(1)
        for attempt in (0, 3, 100):
            ceiling = backoff.ceiling(attempt)
            full = [backoff.full(attempt, rng) / ceiling for _ in range(500)]
            equal = [backoff.equal(attempt, rng) / ceiling for _ in range(500)]
            self.assertTrue(0 <= min(full) < 0.05 and 0.95 < max(full) <= 1)
            self.assertTrue(0.5 <= min(equal) < 0.55 and 0.95 < max(equal) <= 1)

    def test_the_generator_is_the_callers(self):
        backoff = Backoff(base=1, cap=60)
        for jitter in (backoff.full, backoff.equal):
            self.assertEqual(jitter(3, Random(2)), jitter(3, Random(2)))
            self.assertNotEqual(jitter(3, Random(2)), jitter(3, Random(3)))


class TestRetryAfter(BaseCase):
    def test_seconds(self):
        for value, seconds in {
            "0": 0,
            "7": 7,
            " 7 ": 7,
            "0.5": 0.5,
            "3600": 600,
            "9" * 5000: 600,
        }.items():
            with self.subTest(value[:10]):
                self.assertEqual(retry_after(value, now=EPOCH, cap=600), seconds)

    @given(st.integers(-10_000, 10_000))
    def test_date(self, ahead):
        date = format_datetime(datetime.fromtimestamp(EPOCH + ahead, UTC), usegmt=True)
        wait = retry_after(date, now=EPOCH, cap=600)
        self.assertEqual(wait, min(max(ahead, 0), 600), date)

    def test_the_three_forms_of_a_date(self):
        """All that RFC 9110 section 5.6.7 asks a recipient to accept."""
        now = datetime(1994, 11, 6, 8, 49, 7, tzinfo=UTC).timestamp()
        for value in (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ):
            with self.subTest(value):
                self.assertEqual(retry_after(value, now=now, cap=600), 30)

    @skipUnless(hasattr(time, "tzset"), "the time zone cannot be changed here")
    def test_a_date_is_gmt_wherever_we_are(self):
        self.addCleanup(time.tzset)  # after the environment is as it was
        with patch.dict(os.environ, TZ="Asia/Tokyo"):
            time.tzset()
            self.test_the_three_forms_of_a_date()

    def test_garbage(self):
        for value in (
            None,
            "",
            "soon",
            "-5",
            "1e3",
            "inf",
            "nan",
            "1_000",
            "٣",
            "5 s",
            "5, 10",
            "Fri, 31 Dec 99999 23:59:59 GMT",
            "Fri, 31 Dec 999 23:5945992359",
            "Wed, 21 Oct 2015 07:28:00 -99999999999",
        ):
            with self.subTest(value):
                self.assertIsNone(retry_after(value, now=EPOCH, cap=600))

    @given(st.text(max_size=40) | st.text("0123456789 :,-+GMTNovSun", max_size=40))
    def test_whatever_a_server_sends(self, value):
        wait = retry_after(value, now=EPOCH, cap=600)
        self.assertTrue(wait is None or 0 <= wait <= 600, wait)
