from odoo import api, fields, models

from ..kernel.prompt import PRODUCTION


class StewardPromptLabelling(models.TransientModel):
    """A label that moves to a version, with what changes by that."""

    _name = "steward.prompt.labelling"
    _description = "Move a Label"

    version_id = fields.Many2one(
        "steward.prompt.version", "Version", required=True, readonly=True
    )
    name = fields.Char("Label", required=True, default="candidate")
    note = fields.Char("Why")
    before_id = fields.Many2one(
        "steward.prompt.version", "Bears it now", compute="_compute_before_id"
    )
    diff = fields.Html("What changes", compute="_compute_before_id", sanitize=False)
    is_production = fields.Boolean(compute="_compute_before_id")

    @api.depends("version_id", "name")
    def _compute_before_id(self):
        for wizard in self:
            version = wizard.version_id
            before = version.prompt_id._label(wizard.name).version_id
            wizard.before_id = before
            wizard.is_production = wizard.name == PRODUCTION
            wizard.diff = (
                before
                and before != version
                and version.with_context(compared_to=before.number).diff
            )

    def action_move(self) -> None:
        """Move the label."""
        for wizard in self:
            wizard.version_id._bear(wizard.name, wizard.note or "")
