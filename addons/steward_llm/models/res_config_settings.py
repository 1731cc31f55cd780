from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_embedding_model_id = fields.Many2one(
        related="company_id.steward_embedding_model_id",
        readonly=False,
        domain="[('can_embedding', '=', True),"
        " ('company_id', 'in', [company_id, False])]",
    )
