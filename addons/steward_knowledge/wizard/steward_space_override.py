from odoo import api, fields, models


class StewardSpaceOverride(models.TransientModel):
    """Search otherwise although the test questions say that it finds worse."""

    _name = "steward.space.override"
    _description = "Change in Spite of the Test Questions"

    space_id = fields.Many2one("steward.space", required=True, ondelete="cascade")
    use_it = fields.Boolean("Use this space", default=True)
    weight_lexical = fields.Float("Weight of words")
    weight_vector = fields.Float("Weight of meaning")
    reason = fields.Char(required=True, help="Kept beside the space, with your name.")

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        space = self.env["steward.space"].browse(self.env.context.get("active_id"))
        return values | {
            "space_id": space.id,
            "weight_lexical": space.weight_lexical,
            "weight_vector": space.weight_vector,
        }

    def action_change(self) -> dict:
        """Change it all the same. Administrators only.

        :return: an action that closes the window
        """
        self.ensure_one()
        space = self.space_id.with_context(steward_reason=self.reason)
        space.write(
            {
                "weight_lexical": self.weight_lexical,
                "weight_vector": self.weight_vector,
            }
        )
        if self.use_it and space.state != "active":
            space.action_activate()
        return {"type": "ir.actions.act_window_close"}
