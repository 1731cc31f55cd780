"""A kit for the tests of every addon that stands on this one."""

from unittest.mock import patch

from odoo.addons.steward.models import steward_circuit, steward_rate_limit
from odoo.tests import HttpCase, TransactionCase


class PatientHttpCase(HttpCase):
    """Gives a page more than 12 seconds and a tour more than 60."""

    def url_open(self, url, data=None, files=None, timeout=120, **more):
        return super().url_open(url, data, files, timeout, **more)

    def start_tour(self, url_path, tour_name, timeout=600, **more):
        return super().start_tour(url_path, tour_name, timeout=timeout, **more)


class StewardCase(TransactionCase):
    """Worker processes remember rows; a test's rows are gone after the test.

    The clock by which workers tell each other of failures stands still: how slow the
    machine is opens no circuit. `at` sets it.

    Nobody is told by mail that a record was given to them: rendering that took a
    tenth of the time of all tests, and it is Odoo's own.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        silent = {"mail_auto_subscribe_no_notify": True}
        cls.env = cls.env(context={**cls.env.context, **silent})

    def setUp(self):
        super().setUp()
        self._forget_rows()
        self.addCleanup(self._forget_rows)
        self._began = steward_circuit.monotonic()
        self.enterContext(self.at(0))

    def _forget_rows(self):
        for model in ("steward.circuit", "steward.rate.limit", "steward.pool"):
            self.env[model]._forget_known()
        steward_rate_limit._MISSING.clear()

    def at(self, seconds):
        """Set the clock to so many seconds of the test, for a ``with`` block."""
        now = self._began + seconds
        return patch.object(steward_circuit, "monotonic", lambda: now)
