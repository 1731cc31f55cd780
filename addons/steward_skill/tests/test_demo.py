import json
from unittest import SkipTest

from odoo import Command
from odoo.tests import new_test_user, tagged

from ..demo import lessons
from .learning_common import LearningCase


@tagged("post_install", "-at_install")
class TestDemo(LearningCase):
    """What demonstration databases are told, in one that has no demo data."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.env.ref("steward_skill.demo_playbook_requests", False):
            raise SkipTest("This database was told already.")
        cls.partners.create([{"name": f"C{n}", "is_company": True} for n in range(5)])
        for name, record in (
            ("steward.demo_reviewer", cls.rita()),
            ("steward_skill.demo_agent_requests", cls.doer("schedule_activity")),
            ("steward_agent.demo_agent_partners", cls.doer("find_records")),
        ):
            if not cls.env.ref(name, raise_if_not_found=False):
                module, name = name.split(".")
                cls.env["ir.model.data"].create(
                    {
                        "module": module,
                        "name": name,
                        "model": record._name,
                        "res_id": record.id,
                    }
                )

    @classmethod
    def rita(cls):
        return new_test_user(cls.env, "rita-demo", "steward.group_reviewer")

    @classmethod
    def doer(cls, tool):
        playbook = cls.env["steward.playbook"].create(
            {
                "name": tool,
                "code": tool.replace("_", "-"),
                "text": f"name: {tool}\nsteps:\n  - stop: Done",
            }
        )
        return cls.env["steward.agent"].create(
            {
                "name": tool,
                "code": tool.replace("_", "-"),
                "user_id": cls.robot.id,
                "playbook_id": playbook.id,
                "tool_ids": [
                    Command.set(cls.env.ref(f"steward_agent.tool_{tool}").ids)
                ],
            }
        )

    def test_two_weeks(self):
        before = self.guardrails.search([])
        skills = self.env["steward.skill"].search([])
        self.env["steward.run"]._tell_demo_learning()
        made = self.guardrails.search([]) - before
        self.assertEqual(set(made.mapped("state")), {"approved", "review"})
        in_force = made.filtered("approved_version_id")
        self.assertTrue(in_force.test_passed)
        self.assertEqual(json.loads(in_force.definition)["change"], {"drop": ["user"]})
        self.assertEqual(
            sorted(in_force.hit_ids.mapped("outcome")),
            ["false_alarm", "prevented", "prevented", "prevented", "unclear"],
        )
        self.assertTrue(
            all(
                hit.at > in_force.approved_version_id.approved_at
                for hit in in_force.hit_ids
            )
        )
        waiting = made - in_force
        self.assertTrue(waiting.test_passed)
        self.assertEqual(
            json.loads(waiting.definition)["change"], {"set": {"limit": 1000}}
        )
        self.assertEqual(waiting.failure_id.times, 2)
        proposed = self.env["steward.skill"].search([]) - skills
        self.assertEqual((proposed.state, proposed.origin), ("review", "harvested"))

    def test_the_form_offers_one_who_is_gone(self):
        users = self.env["res.users"].with_context(active_test=False)
        self.assertFalse(users.search([("login", "=", lessons.GONE)]))
