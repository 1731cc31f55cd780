"""A kit for what is learnt: agents that fail and succeed, and people who decide."""

import json

from odoo.addons.steward_agent.tests.common import AgentCase
from odoo.tests import new_test_user

# what it is told to write, it writes: a field that is none makes it fail
WRITE = """
  - tool: create_record
    arguments: {model: res.partner, values: "{{ values }}"}
    save: made
  - stop: "{{ made.name }}"
"""
FAX = {"name": "Ann", "fax": "7"}


class LearningCase(AgentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guardrails = cls.env["steward.guardrail"]
        cls.failures = cls.env["steward.failure"]
        cls.hits = cls.env["steward.guardrail.hit"]
        cls.author = new_test_user(cls.env, "author", "steward.group_operator")
        cls.env["steward.approval.rule"].search([]).active = False

    def writer(self, **values):
        return self.agent(WRITE, "{values: {type: object}}", **values)

    def wrote(self, agent, *names):
        """Runs that were fine."""
        return [
            self.run_agent(agent, values={"name": name, "city": "Ghent"})
            for name in names
        ]

    def failure_of(self, run):
        self.env.cr.postcommit.run()
        self.env.invalidate_all()
        return self.failures.search([("fingerprint", "=", run.fingerprint)])

    def guardrail(self, action="block", **values):
        definition = values.pop("definition", {"tool": "create_record"})
        return self.guardrails.create(
            {
                "name": "Test",
                "action": action,
                "definition": json.dumps(definition),
                "text": "Do not do this.",
                **values,
            }
        )

    def in_force(self, action="block", **values):
        """A guardrail that somebody has approved, whatever its test says."""
        guardrail = self.guardrail(action, **values)
        guardrail._write_own(
            {"state": "approved", "approved_version_id": guardrail.version_id.id}
        )
        return guardrail
