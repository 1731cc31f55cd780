from odoo import api, models
from odoo.addons.steward.kernel.context import Item

from ..kernel.procedure import overlap, words

MOST = 10  # guardrails that an agent is told of


class StewardContext(models.AbstractModel):
    """What failed before, told before an agent begins."""

    _inherit = "steward.context"

    @api.model
    def _get_providers(self):
        return {**super()._get_providers(), "guardrails": self._guardrails}

    @api.model
    def _guardrails(self, task, _tokens):
        """Those in force for who is at work, the nearest to the task first."""
        guards, told = self.env["steward.guardrail"]._in_force()
        agent = self.env["steward.run"]._at_work().agent_id
        tools = set(agent._allowed_tools().mapped("name")) if agent else None
        about = words(task)
        found = [
            (overlap(about, words(told[guard.id].text)), guard)
            for guard in guards
            if guard.company in (None, self.env.company.id)
            and (not agent or not guard.agents or agent.code in guard.agents)
            and (tools is None or "*" in guard.tool or guard.tool in tools)
        ]
        found.sort(key=lambda one: (-one[0], one[1].id))
        for score, guard in found[:MOST]:
            rule = told[guard.id]
            yield Item(rule.text, rule.name, "", score, {"guardrail_id": guard.id})
