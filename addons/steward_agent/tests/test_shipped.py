from datetime import timedelta
from pathlib import Path

from odoo import Command, fields
from odoo.tests import new_test_user, tagged

from .common import AgentCase


@tagged("post_install", "-at_install")
class TestShipped(AgentCase):
    """The playbooks that come along do what they promise, on the real executor."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clerk = new_test_user(
            cls.env, "clerk", "steward.group_viewer,base.group_partner_manager"
        )

    def shipped(self, name, **inputs):
        playbook = self.env.ref(f"steward_agent.playbook_{name}")
        agent = self.env["steward.agent"].create(
            {
                "name": name,
                "code": f"test-{name.replace('_', '-')}",
                "user_id": self.clerk.id,
                "playbook_id": playbook.id,
                "tool_ids": [Command.set(self.env["steward.tool"].search([]).ids)],
            }
        )
        run = self.run_agent(agent, **inputs)
        self.assertEqual(run.state, "completed", run.error)
        return run

    def activities_of(self, record):
        return self.env["mail.activity"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id)]
        )

    def test_partner_quality(self):
        self.partners.search([("is_company", "=", True)]).write(
            {"email": "a@example.com", "country_id": self.env.ref("base.be").id}
        )
        silent = self.partners.create({"name": "Silent Ltd", "is_company": True})
        twins = self.partners.create(
            [{"name": name, "email": "twin@example.com"} for name in ("One", "Two")]
        )
        run = self.shipped("partner_quality")
        self.assertIn("1 without e-mail address, 1 without country", run.output)
        asked = self.activities_of(silent).mapped("summary")
        self.assertEqual(
            sorted(asked), ["Fill in the country", "Find out the e-mail address"]
        )
        [same] = self.activities_of(twins[0])
        self.assertEqual(same.summary, "Same person? twin@example.com")
        self.assertFalse(self.activities_of(twins[1]))

    def test_overdue_activities(self):
        self.env["mail.activity"].search([]).unlink()
        today = fields.Date.today()
        partner = self.partners.create({"name": "Promised"})
        for days in (3, 8, 40):
            partner.activity_schedule(
                "mail.mail_activity_data_todo",
                date_deadline=today - timedelta(days=days),
                summary=f"since {days} days",
                user_id=self.clerk.id,
            )
        run = self.shipped("overdue_activities")
        self.assertIn("2 overdue, 1 reminded of, 1 handed over", run.output)
        self.assertIn("since 8 days", partner.message_ids[0].body)

    def test_system_review(self):
        run = self.shipped("system_review")
        self.assertRegex(run.output, r"All is well|things to look at")
        self.assertEqual(self.steps_of(run)[0].name, "check_health")

    def test_stale_quotations_need_sales(self):
        """Without the app it cannot be switched on; its text is sound all the same."""
        playbook = self.env.ref("steward_agent.playbook_stale_quotations")
        self.assertFalse(playbook.problems)
        if "sale.order" not in self.env:
            self.assertIn("sale", playbook.missing)

    def test_the_demo_playbook_asks_first(self):
        text = Path(__file__).parents[1] / "demo" / "ask_for_tax_numbers.yaml"
        silent = self.partners.create({"name": "Silent Ltd", "is_company": True})
        agent = self.agent("\n  - stop: x\n")
        agent.playbook_id.text = text.read_text()
        run = self.run_agent(agent)
        self.assertEqual(run.waits_for, "person")
        self.assertFalse(self.activities_of(silent))
        approval = self.env["steward.approval"].search([("run_id", "=", run.id)])
        approval.with_user(self.reviewer).action_approve()
        self.work(run)
        self.assertEqual(run.state, "completed", run.error)
        self.assertTrue(self.activities_of(silent))
