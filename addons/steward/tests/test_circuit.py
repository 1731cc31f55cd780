from contextlib import suppress

import requests

from odoo.addons.steward.exceptions import (
    BadAnswer,
    CircuitOpen,
    Exhausted,
    Refused,
    RemoteError,
    TimedOut,
)
from odoo.exceptions import AccessError
from odoo.tests import new_test_user

from .common import StewardCase


class TestCircuit(StewardCase):
    def setUp(self):
        super().setUp()
        self.circuits = self.env["steward.circuit"]

    def call(self, error=None, name="service", company=None):
        with self.circuits._guard(name, company):
            if error:
                raise error

    def break_it(self, times=5, error=None, name="service"):
        for second in range(times):
            with self.at(2 * second), suppress(TimedOut, CircuitOpen):
                self.call(error or TimedOut("late"), name)

    def row(self, name="service"):
        return self.circuits.search([("name", "=", name)])

    def test_made_at_first_use(self):
        self.call()
        self.assertEqual(self.row().state, "closed")
        self.assertEqual(self.row().mode, "auto")

    def test_healthy_check_costs_no_query(self):
        self.call()
        with self.assertQueryCount(0):
            for _call in range(100):
                self.call()

    def test_opens_and_refuses_without_asking(self):
        self.break_it()
        self.assertEqual(self.row().state, "open")
        self.assertEqual(self.row().reason, "consecutive")
        self.assertTrue(self.row().open_until)
        with self.at(9), self.assertRaises(CircuitOpen) as caught:
            self.call()
        self.assertGreater(caught.exception.retry_after, 0)
        self.assertIn("service failed too often", str(caught.exception))
        # assertRaises makes a savepoint: three queries of its own
        with self.at(9), self.assertQueryCount(0), suppress(CircuitOpen):
            self.call()
            self.fail("it was let through")

    def test_other_errors_do_not_open(self):
        for error in (
            Refused("no"),
            Exhausted("budget"),
            RemoteError("you are wrong", status_code=400),
            ValueError("our mistake"),
        ):
            with self.subTest(error=type(error).__name__):
                name = type(error).__name__
                for second in range(8):
                    with self.at(2 * second), suppress(type(error)):
                        self.call(error, name)
                self.assertEqual(self.row(name).state, "closed")

    def test_remote_errors_open(self):
        for error in (
            RemoteError("down", status_code=503),
            BadAnswer("html"),
            requests.ConnectionError(),
            TimeoutError(),
        ):
            with self.subTest(error=type(error).__name__):
                name = type(error).__name__
                for second in range(6):
                    with self.at(2 * second), suppress(type(error), CircuitOpen):
                        self.call(error, name)
                self.assertEqual(self.row(name).state, "open")

    def test_trial_calls_close_it(self):
        self.break_it()
        self.env.cr.execute(
            "UPDATE steward_circuit SET shared = jsonb_set(shared, '{until}', '1')"
        )
        with self.at(60):
            for _trial in range(5):
                self.call()
        self.env.invalidate_all()
        self.assertEqual(self.row().state, "closed")

    def test_forced_open_and_back(self):
        self.call()
        self.row().mode = "forced_open"
        with self.at(10), self.assertRaises(CircuitOpen):
            self.call()
        self.row().mode = "forced_closed"
        with self.at(20):
            self.call()
        changes = self.row().message_ids.tracking_value_ids
        self.assertIn("mode", changes.field_id.mapped("name"))

    def test_rules_of_the_record(self):
        self.call()
        self.row().consecutive = 2
        with self.at(6):
            self.call()  # the new rules are read
        for second in (10, 12):
            with self.at(second), suppress(TimedOut):
                self.call(TimedOut("late"))
        self.assertEqual(self.row().state, "open")

    def test_companies_have_their_own(self):
        company = self.env["res.company"].create({"name": "Other"})
        for second in range(5):
            with self.at(2 * second), suppress(TimedOut):
                self.call(TimedOut("late"), company=company)
        self.call()
        states = {row.company_id: row.state for row in self.row()}
        self.assertEqual(states, {company: "open", self.env["res.company"]: "closed"})

    def test_row_deleted_meanwhile(self):
        self.call()
        self.env.cr.execute("DELETE FROM steward_circuit")
        with self.at(10):
            self.call()
            self.call()
        self.assertEqual(len(self.row()), 1)

    def test_corrupt_state_starts_anew(self):
        self.call()
        self.env.cr.execute("UPDATE steward_circuit SET shared = '{\"state\": 7}'")
        self.env["steward.circuit"]._forget_known()
        self.break_it()
        self.assertEqual(self.row().state, "open")

    def test_reset(self):
        self.break_it()
        self.row().action_reset()
        self.call()
        self.assertEqual(self.row().state, "closed")

    def test_viewer_cannot_reset(self):
        self.break_it()
        viewer = new_test_user(
            self.env, "circuit_viewer", groups="steward.group_viewer"
        )
        with self.assertRaises(AccessError):
            self.row().with_user(viewer).action_reset()

    def test_state_cannot_be_forged(self):
        self.break_it()
        operator = new_test_user(
            self.env, "circuit_operator", groups="steward.group_operator"
        )
        row = self.row().with_user(operator)
        for forged in ({"state": "closed"}, {"shared": {}}, {"opens": 0}):
            with self.subTest(forged=forged), self.assertRaises(Refused):
                row.write(forged)
        with self.assertRaises(Refused):
            row.with_context(steward_own=True).write({"state": "closed"})
        with self.assertRaises(Refused):
            self.circuits.with_context(default_state="open").create({"name": "new"})
        row.mode = "metrics_only"  # this is an operator's to say
