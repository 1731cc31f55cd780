"""A kit for what people have to approve."""

from .common import AgentCase

MAKE = """
  - tool: create_record
    arguments: {model: res.partner, values: {name: "{{ name }}"}}
    save: made
  - stop: "{{ made.name }}"
"""


class ApprovalCase(AgentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rules = cls.env["steward.approval.rule"]
        cls.approvals = cls.env["steward.approval"]
        cls.maker = cls.env.ref("steward_agent.tool_create_record")
        cls.rules.search([]).active = False

    def rule(self, **values):
        return self.rules.create({"agents": "all", "tool_id": self.maker.id, **values})

    def maker_agent(self, steps=MAKE, inputs="{name: {type: text}}", **values):
        return self.agent(steps, inputs, **values)

    def asked(self, run):
        """What waits for a decision in a run."""
        return self.approvals.search(
            [("run_id", "=", run.id), ("state", "=", "pending")]
        )

    def decide(self, run, decision="approve", reason=""):
        approval = self.asked(run)
        approval.ensure_one()
        approvals = self.approvals.with_user(self.reviewer)
        approvals.decide(approval.id, decision, reason)
        return approval

    def partners_named(self, *names):
        return self.partners.search([("name", "in", names)])
