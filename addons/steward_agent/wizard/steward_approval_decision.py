from odoo import api, fields, models


class StewardApprovalDecision(models.TransientModel):
    """A decision with its reason, or among more than yes and no."""

    _name = "steward.approval.decision"
    _description = "Decide"

    approval_id = fields.Many2one("steward.approval", required=True, readonly=True)
    question = fields.Text(related="approval_id.question")
    decision = fields.Selection("_selection_decision", required=True)
    reason = fields.Text(help="The run's trace keeps it.")

    @api.model
    def _selection_decision(self):
        approval = self.env["steward.approval"].browse(
            self.env.context.get("default_approval_id")
        )
        return approval._decisions() if approval else []

    def action_decide(self) -> None:
        """Decide, and let the run go on."""
        for wizard in self:
            self.env["steward.approval"].decide(
                wizard.approval_id.id, wizard.decision, wizard.reason or ""
            )
