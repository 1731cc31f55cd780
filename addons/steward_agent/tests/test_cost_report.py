from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .chat_common import ChatCase


@tagged("post_install", "-at_install")
class TestCostReport(ChatCase):
    def setUp(self):
        super().setUp()
        self.one = self.chat_agent()
        self.answers()
        self.good = self.ask(self.one)
        self.bad = self.ask(self.one)
        self.lost = self.ask(self.one)
        costs = ((self.good, 1.0), (self.bad, 2.0), (self.lost, 3.0))
        for run, cost in costs:  # of one day, also at midnight
            run._write_own({"cost": cost, "started_at": self.good.started_at})
        self.lost._write_own({"state": "failed"})
        runs = self.env["steward.run"].with_user(self.reviewer)
        runs.feedback(self.good.trace_id, "approved")
        runs.feedback(self.bad.trace_id, "rejected")
        self.env.flush_all()
        self.report = self.env["steward.cost.report"].with_user(self.viewer)

    def told(self, *aggregates, by=()):
        domain = [("agent_id", "=", self.one.id)]
        return self.report._read_group(domain, by, aggregates)

    def test_what_came_to_nothing_is_paid_for(self):
        [told] = self.told(
            "cost:sum", "cost_per_completed:avg", "cost_per_approved:avg"
        )
        self.assertEqual([float(amount) for amount in told], [6.0, 6.0, 6.0])
        runs = self.env["steward.run"].with_user(self.reviewer)
        runs.feedback(self.bad.trace_id, "approved")
        [(each,)] = self.told("cost_per_approved:avg")
        self.assertEqual(each, 3.0)

    def test_nothing_came_of_it(self):
        [told] = self.report._read_group(
            [("run_id", "=", self.lost.id)], [], ["cost_per_completed:avg", "runs:sum"]
        )
        self.assertFalse(told[0], "no run was completed: it has no cost")
        self.assertEqual(told[1], 1)

    def test_what_nobody_knows_the_price_of(self):
        """It was not free: neither a cost of zero, nor a cheap outcome."""
        self.bad._write_own({"cost": 0.0, "unpriced_count": 2, "verdict": False})
        self.env.flush_all()
        [told] = self.report._read_group(
            [("run_id", "=", self.bad.id)],
            [],
            ["cost:sum", "cost_per_completed:avg", "unpriced:sum"],
        )
        self.assertEqual(told, (False, False, 2))
        [(cost, each)] = self.told("cost:sum", "cost_per_completed:avg")
        self.assertEqual((cost, each), (4.0, 4.0))  # by one run, not by two

    def test_by_everything(self):
        for by in (
            "agent_name",
            "model",
            "prompt_version",
            "company_id",
            "started_at:day",
        ):
            with self.subTest(by=by):
                [(_key, each)] = self.told("cost_per_completed:avg", by=[by])
                self.assertEqual(each, 6.0)
        outcomes = dict(self.told("cost:sum", by=["outcome"]))
        self.assertEqual(outcomes, {"approved": 1.0, "rejected": 2.0, "failed": 3.0})

    def test_who_may_not(self):
        employee = new_test_user(self.env, "emp", "base.group_user")
        for user in (employee, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.report.with_user(user).search_count([])
        company = self.env["res.company"].create({"name": "Other"})
        other = new_test_user(
            self.env,
            "other",
            "steward.group_viewer",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        self.assertFalse(self.report.with_user(other).search_count([]))
