from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid
from odoo.exceptions import AccessError


class StewardFailure(models.Model):
    _inherit = "steward.failure"

    guardrail_ids = fields.Many2many(
        "steward.guardrail", string="Guardrails", compute="_compute_guardrail_ids"
    )

    @api.depends("fingerprint", "company_id")
    def _compute_guardrail_ids(self):
        guardrails = self.env["steward.guardrail"]
        found = guardrails.search([("fingerprint", "in", self.mapped("fingerprint"))])
        for failure in self:
            failure.guardrail_ids = found.filtered(
                lambda one, failure=failure: (
                    one.fingerprint == failure.fingerprint
                    and one.company_id in (failure.company_id, guardrails.company_id)
                )
            )

    def action_propose_guardrail(self) -> dict:
        """Find out why it fails, and propose what keeps it from happening again.

        :return: the form of the proposal
        """
        self.ensure_one()
        self.check_access("read")
        user = self.env.user
        if user.has_group("steward.group_agent") or not (
            user.has_group("steward.group_operator")
            or user.has_group("steward.group_reviewer")
        ):
            raise AccessError(
                self.env._("Only Operators and Reviewers ask for a guardrail.")
            )
        made = self.env["steward.guardrail"]._propose_for(self)
        if not made:
            raise Invalid(
                self.env._(
                    "Nothing that code could check tells these calls from those that"
                    " worked, or there is a guardrail already."
                )
            )
        return made.with_env(self.env)._get_records_action()
