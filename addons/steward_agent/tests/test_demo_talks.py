from odoo.tests import new_test_user, tagged

from ..demo.talks import Talks
from .common import AgentCase


@tagged("post_install", "-at_install")
class TestDemoTalks(AgentCase):
    """What demonstration databases show is what real runs look like."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("operator", "reviewer"):
            user = new_test_user(cls.env, f"demo_{name}", f"steward.group_{name}")
            if not cls.env.ref(f"steward.demo_{name}", raise_if_not_found=False):
                cls.env["ir.model.data"].create(
                    {
                        "module": "steward",
                        "name": f"demo_{name}",
                        "model": "res.users",
                        "res_id": user.id,
                    }
                )
        cls.partners.create([{"name": f"Firm {n}", "is_company": True} for n in "ABC"])
        known = cls.env["steward.run"].search([])
        Talks(cls.env).tell()
        cls.runs = cls.env["steward.run"].search([]) - known

    def transcript(self, run):
        return self.env["steward.run"].with_user(self.operator).transcript(run.trace_id)

    def of(self, name):
        agent = self.env.ref(f"steward_agent.agent_{name}")
        return self.runs.filtered(lambda run: run.agent_id == agent).sorted("id")

    def test_each_ready_made_agent_did_something(self):
        agents = self.env["steward.agent"].search([("kind", "=", "chat")])
        self.assertLessEqual(self.runs.agent_id, agents)
        self.assertEqual(len(self.runs.agent_id), 4)
        self.assertEqual(set(self.runs.mapped("state")), {"completed"})
        self.assertTrue(all(run.cost > 0 and run.tokens_in for run in self.runs))
        self.assertTrue(all(run.prompt_version_id for run in self.runs))

    def test_a_conversation_of_two_turns(self):
        first, second = self.of("guide")
        self.assertEqual(first.session, second.session)
        told = self.transcript(second)
        self.assertEqual(told["before"], [first.trace_id])
        self.assertEqual(
            [line["by"] for line in told["lines"]],
            ["person", "agent", "tool", "agent"],
        )
        self.assertEqual(told["lines"][2]["status"], "ok")
        self.assertTrue(told["lines"][-1]["sources"])
        [source] = self.transcript(first)["lines"][-1]["sources"]
        self.assertEqual(source["title"], "Quotations and orders")
        self.assertTrue(second.can_continue)

    def test_a_change_that_was_approved(self):
        run = self.of("partner_tidier")
        lines = self.transcript(run)["lines"]
        approvals = [line["approval"] for line in lines if "approval" in line]
        self.assertEqual([one["state"] for one in approvals], ["approved"])
        [told] = run.approval_ids.with_user(self.reviewer)._told()
        self.assertEqual(told["changes"][0]["label"], "Name")
