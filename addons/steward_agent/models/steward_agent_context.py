from odoo import api, models
from odoo.exceptions import AccessError


class StewardAgent(models.Model):
    """What is known about a task, told before an agent begins."""

    _inherit = "steward.agent"

    @api.model
    def context(
        self, task: str, agent: str | None = None, token_budget: int = 2000
    ) -> dict:
        """Tell what is known about a task: skills, guardrails, passages, memory.

        Nobody is told what he may not read, and nothing of it is an instruction:
        passages come from documents, which anybody may have written.

        :param task: what is to be done, in words
        :param agent: the code of the agent that is to do it
        :param token_budget: how long the context may be
        :return: ``{"skills", "guardrails", "passages", "memory": [...], "text",
            "tokens", "left_out", "degraded", "reason"?}``; numbers in brackets in the
            text are those of the entries
        """
        user = self.env.user
        if not (
            self.env.su
            or user.has_group("steward.group_viewer")
            or user.has_group("steward.group_agent")
        ):
            raise AccessError(self.env._("Only Agents and Viewers ask for a context."))
        context = self.env["steward.context"]
        if agent:
            # sudo: steward.agent - an Agent's account does not see the list
            found = self.sudo()._by_code(agent)
            found.with_env(self.env)._check_may_run()
            context = context.with_company(found.company_id)
        return context._assemble(task, token_budget)
