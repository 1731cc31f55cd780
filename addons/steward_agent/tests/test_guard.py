from datetime import timedelta
from decimal import Decimal

from odoo import fields
from odoo.addons.steward_llm.exceptions import BudgetExhausted
from odoo.tests import tagged

from .common import AgentCase

COUNT = """
  - {tool: count_records, arguments: {model: res.partner}}
"""


@tagged("post_install", "-at_install")
class TestGuard(AgentCase):
    """What keeps an agent from going on, beside its rights; see test_execution."""

    def budget(self, agent, action):
        return self.env["steward.budget"].create(
            {
                "name": f"Of {agent.name}",
                "scope": "agent",
                "agent_id": agent.id,
                "currency_id": self.env.ref("base.USD").id,
                "limit_amount": 1,
                "action": action,
            }
        )

    def spend(self, agent, amount):
        subject = {"company": agent.company_id.id, "agent": agent.id}
        self.env["steward.budget"]._charge([(subject, Decimal(amount), None)])
        self.env.invalidate_all()

    def test_a_used_up_budget_lets_nothing_begin(self):
        agent, other = self.agent(COUNT), self.agent(COUNT)
        self.budget(agent, "block")
        self.spend(agent, "0.5")
        self.start(agent)
        self.spend(agent, "0.6")
        with self.assertRaises(BudgetExhausted):
            self.start(agent)
        self.start(other)  # whose budget it is not

    def test_a_budget_that_only_tells(self):
        agent = self.agent(COUNT)
        self.budget(agent, "alert")
        self.spend(agent, "2")
        self.assertEqual(self.run_agent(agent).state, "completed")

    def test_runs_pause_when_their_budget_is_used_up(self):
        agent, other = self.agent(COUNT), self.agent(COUNT)
        mine, others = self.start(agent), self.start(other)
        self.budget(agent, "pause")
        self.spend(agent, "2")
        self.assertEqual((mine.state, others.state), ("paused", "queued"))
        self.assertIn("budget", mine.reason)

    def test_a_rate_limit_of_the_agent(self):
        agent = self.agent(COUNT + COUNT)
        self.env["steward.rate.limit"].create(
            {
                "name": f"agent/{agent.code}",
                "company_id": agent.company_id.id,
                "rate": 1,
                "per": 3600,
                "burst": 1,
            }
        )
        run = self.run_agent(agent)
        self.assertEqual(run.state, "waiting")  # an hour later it may go on
        self.assertGreater(run.wakes_at, fields.Datetime.now() + timedelta(minutes=50))
        self.assertEqual(self.steps_of(run).mapped("status"), ["ok", "error"])
        self.assertIn("RATE-LIMITED", self.steps_of(run)[1].error_type)

    def test_a_tool_whose_circuit_is_open(self):
        agent = self.agent(COUNT)
        self.env["steward.circuit"].create(
            {
                "name": f"agent/{agent.code}/count_records",
                "company_id": agent.company_id.id,
                "mode": "forced_open",
            }
        )
        with self.time_stands_still():
            run = self.run_agent(agent)
        self.assertEqual((run.state, run.category), ("waiting", "external"))
        self.assertIn("CIRCUIT-OPEN", self.steps_of(run).error_type)
