from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    steward_embedding_model_id = fields.Many2one(
        "steward.model",
        string="Embedding model",
        domain="[('can_embedding', '=', True), ('company_id', 'in', [id, False])]",
        ondelete="set null",
        help="Makes texts comparable by meaning. Empty: the first one there is.",
    )
