from odoo import Command, api, models
from odoo.exceptions import AccessError

READY_MADE = ("guide", "explainer", "partner_tidier", "system_reviewer")


class StewardAgent(models.Model):
    """The agents that come along, for companies other than the first."""

    _inherit = "steward.agent"

    @api.model
    def add_ready_made(self) -> dict:
        """Give the current company the agents that come along, as they are now.

        They work with the same prompts and tools, ask by the same rules, and have the
        rights of the same account, in this company.

        :return: ``{"added": [codes]}``; those that it has already stay as they are
        """
        if not (self.env.su or self.env.user.has_group("steward.group_administrator")):
            raise AccessError(self.env._("Only Administrators make agents."))
        company = self.env.company
        # sudo: steward.agent - the first company's, which one may not see
        everywhere = self.sudo().with_context(active_test=False)
        known = everywhere.search([("company_id", "=", company.id)]).mapped("code")
        added = self.browse()
        for name in READY_MADE:
            agent = everywhere.env.ref(f"steward_agent.agent_{name}", False)
            if agent and agent.active and agent.code not in known:
                added += agent._copied_to(company)
        return {"added": added.mapped("code")}

    def action_add_ready_made(self) -> dict:
        """Add those that this company lacks, and show all agents."""
        self.env["steward.agent"].add_ready_made()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_agents"
        )
        return {**action, "target": "main"}

    def _copied_to(self, company):
        """This agent for another company, with the rules by which it asks."""
        self.user_id.company_ids = [Command.link(company.id)]
        made = self.copy(
            {
                "name": self.name,
                "code": self.code,
                "company_id": company.id,
                "model_id": self.model_id.id if not self.model_id.company_id else False,
            }
        )
        rules = self.env["steward.approval.rule"].search([("agent_id", "=", self.id)])
        for rule in rules:
            rule.copy({"agent_id": made.id, "company_id": company.id})
        return made
