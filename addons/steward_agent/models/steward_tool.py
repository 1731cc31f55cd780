from odoo import fields, models


class StewardTool(models.Model):
    """A public method of a model that agents may call, as their own user."""

    _name = "steward.tool"
    _inherit = ["steward"]
    _description = "Tool"
    _order = "name"

    name = fields.Char(required=True, help="How agents call it: find_records.")
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    model = fields.Char(help="The technical name of the model with the method.")
    method = fields.Char()
    risk = fields.Selection(
        [
            ("read", "Reads"),
            ("write", "Writes"),
            ("destructive", "Destroys"),
            ("external", "Leaves the database"),
        ],
        required=True,
        default="write",
    )
