from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_contact_id = fields.Many2one(
        "res.users",
        string="Steward's contact",
        config_parameter="steward.contact_id",
        help="Who is told when something needs a person and nobody else is named.",
    )
