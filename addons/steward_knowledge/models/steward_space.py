from odoo import fields, models

STATES = [
    ("building", "Being built"),
    ("ready", "Ready"),
    ("active", "In use"),
]


class StewardSpace(models.Model):
    """One embedder's vectors of all passages, with an index of their own."""

    _name = "steward.space"
    _inherit = "steward"
    _description = "Embedding Space"
    _order = "id"

    name = fields.Char(required=True)
    model_id = fields.Many2one(
        "steward.model", required=True, index=True, ondelete="restrict"
    )
    dimensions = fields.Integer(required=True)
    quantization = fields.Selection(
        [("half", "Half precision"), ("binary", "Binary, rescored")],
        required=True,
        default="half",
    )
    state = fields.Selection(STATES, required=True, default="building", index=True)
