"""A kit for what stands on agents: people, tools, playbooks."""

from odoo.addons.steward.tests.common import StewardCase
from odoo.tests import new_test_user


class AgentCase(StewardCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env.company
        cls.other_company = cls.env["res.company"].create({"name": "Other"})
        cls.employee = new_test_user(
            cls.env, "a_worker", groups="base.group_user,base.group_partner_manager"
        )
        cls.admin = new_test_user(
            cls.env, "a_admin", groups="steward.group_administrator"
        )
        cls.operator = new_test_user(
            cls.env, "a_operator", groups="steward.group_operator"
        )
        cls.viewer = new_test_user(cls.env, "a_viewer", groups="steward.group_viewer")

    def as_user(self, record, user=None):
        """A record for the executor: another user, no superuser, one company."""
        return record.with_user(user or self.employee).with_context(
            allowed_company_ids=self.company.ids
        )

    def tool(self, name):
        return self.env.ref(f"steward_agent.tool_{name}")

    def agent(self, **values):
        return self.env["steward.agent"].create(
            {
                "name": "Test agent",
                "code": "test-agent",
                "user_id": self.employee.id,
                "playbook_id": self.env.ref(
                    "steward_agent.playbook_partner_quality"
                ).id,
                **values,
            }
        )
