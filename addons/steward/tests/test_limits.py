from unittest.mock import Mock, patch

import psycopg2

from odoo.addons.steward.exceptions import Occupied, RateLimited, Refused
from odoo.addons.steward.models import steward_rate_limit
from odoo.tools import mute_logger

from .common import StewardCase


class TestRateLimit(StewardCase):
    def setUp(self):
        super().setUp()
        self.limits = self.env["steward.rate.limit"]

    def limit(self, **values):
        return self.limits.create({"name": "api", "per": 60, **values})

    def test_no_limit_without_a_row(self):
        for _call in range(1000):
            self.limits._take("api")

    def test_limit_is_held(self):
        self.limit(rate=1, burst=3)
        for _call in range(3):
            self.limits._take("api")
        with self.assertRaises(RateLimited) as caught:
            self.limits._take("api")
        self.assertGreater(caught.exception.retry_after, 1)
        self.assertIn("The limit api is reached", str(caught.exception))

    def test_more_than_ever(self):
        self.limit(rate=1, burst=3)
        with self.assertRaises(RateLimited):
            self.limits._take("api", n=4)

    def test_waits_if_told(self):
        self.limit(rate=1, burst=1, per=3600)
        self.limits._take("api")
        slept = Mock(side_effect=InterruptedError)
        with patch.object(steward_rate_limit.time, "sleep", slept):
            with self.assertRaises(RateLimited):
                self.limits._take("api", wait=0)
            slept.assert_not_called()
            with self.assertRaises(InterruptedError):
                self.limits._take("api", wait=7200)
        [seconds] = slept.call_args.args
        self.assertTrue(0 < seconds <= 3600)

    def test_healthy_check_costs_no_query(self):
        self.limit(rate=60000, burst=1000)
        now = steward_rate_limit.monotonic()  # a slice is good for two seconds
        with patch.object(steward_rate_limit, "monotonic", lambda: now):
            for _call in range(20):
                self.limits._take("api")
            with self.assertQueryCount(0):
                self.limits._take("api")

    def test_changed_limit_is_obeyed(self):
        row = self.limit(rate=1, burst=1)
        self.limits._take("api")
        row.write({"burst": 5, "rate": 6000})
        self.limits._take("api", wait=30)  # at the old rate, a minute

    def test_deleted_limit_is_none(self):
        row = self.limit(rate=1, burst=1)
        self.limits._take("api")
        row.unlink()
        self.limits._take("api")
        self.limits._take("api")

    def test_row_gone_behind_our_back(self):
        self.limit(rate=1, burst=1)
        self.limits._take("api")
        self.env.cr.execute("DELETE FROM steward_rate_limit")
        with patch.object(steward_rate_limit, "monotonic", lambda: 1e9):
            self.limits._take("api")

    def test_nonsense_is_refused(self):
        for values in ({"rate": 0}, {"burst": 0}, {"per": -1}):
            with (
                self.subTest(values=values),
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.errors.CheckViolation),
                self.env.cr.savepoint(),
            ):
                self.limit(**values).flush_recordset()


class TestPool(StewardCase):
    def setUp(self):
        super().setUp()
        self.pools = self.env["steward.pool"]

    def test_places_are_bounded_and_freed(self):
        with self.pools._place("work", places=2), self.pools._place("work"):
            with self.assertRaises(Occupied), self.pools._place("work"):
                self.fail("a third place")
            self.assertEqual(self.pools.search([("name", "=", "work")]).taken, 2)
        with self.pools._place("work") as renew:
            self.assertTrue(renew())
        self.env.invalidate_all()
        self.assertEqual(self.pools.search([("name", "=", "work")]).taken, 0)

    def test_place_is_freed_after_an_error(self):
        with self.assertRaises(ZeroDivisionError), self.pools._place("work"):
            raise ZeroDivisionError
        with self.pools._place("work"):
            pass

    def test_killed_holder_frees_its_place(self):
        def long_ago(semaphore, now):
            return semaphore.acquire("lease", "a killed worker", now - 1000)

        self.assertTrue(self.pools._turn("work", None, long_ago))
        with self.pools._place("work"):
            pass

    def test_taken_cannot_be_forged(self):
        with self.pools._place("work"):
            row = self.pools.search([("name", "=", "work")])
            with self.assertRaises(Refused):
                row.write({"taken": 0})
            with self.assertRaises(Refused):
                self.pools.create({"name": "other", "taken": 5})
