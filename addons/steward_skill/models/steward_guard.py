from odoo import api, fields, models


class StewardGuard(models.AbstractModel):
    _inherit = "steward.guard"

    @api.model
    def _get_rights(self):
        return [*super()._get_rights(), self._check_guardrails]

    @api.model
    def _check_guardrails(self, attempt):
        """What failed before, and would fail again, is not begun."""
        self.env["steward.guardrail"]._check(attempt)


class StewardApproval(models.Model):
    _inherit = "steward.approval"

    guardrail_id = fields.Many2one(
        "steward.guardrail", "Asked by guardrail", readonly=True, ondelete="set null"
    )

    @api.model
    def _for_attempt(self, attempt, move, asked=True):
        asks = self.env["steward.guardrail"]._prepare(attempt)
        approval = super()._for_attempt(attempt, move, asked)
        if asks and not approval:
            self.env["steward.guard"]._check_rights(attempt)
            rule = self.env["steward.approval.rule"]
            approval = self._ask_for(
                attempt.run, move, attempt.tool, rule, move.arguments
            )
            approval._write_own({"guardrail_id": asks.id})
            approval.message_post(body=asks.approved_version_id.guardrail_id.text)
        return approval
