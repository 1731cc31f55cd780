from odoo import fields, models


class StewardApprovalDelegation(models.TransientModel):
    """Somebody else who shall decide."""

    _name = "steward.approval.delegation"
    _description = "Ask Somebody Else"

    approval_id = fields.Many2one("steward.approval", required=True, readonly=True)
    question = fields.Text(related="approval_id.question")
    user_id = fields.Many2one(
        "res.users",
        "Who shall decide",
        required=True,
        domain=lambda self: [
            ("all_group_ids", "in", self.env.ref("steward.group_reviewer").ids),
            ("id", "!=", self.env.uid),
        ],
    )
    note = fields.Text(help="What they should know.")

    def action_delegate(self) -> None:
        """Ask them instead."""
        approvals = self.env["steward.approval"]
        approvals._check_may_decide()
        for wizard in self:
            wizard.approval_id._delegate(wizard.user_id, wizard.note or "")
