from odoo import fields, models


class StewardChunk(models.Model):
    """A passage of a document: what is embedded, found and cited."""

    _name = "steward.chunk"
    _inherit = "steward"
    _description = "Passage"
    _order = "document_id, sequence, id"
    _rec_name = "path"
    _log_access = False

    document_id = fields.Many2one(
        "steward.document", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="document_id.company_id")
    sequence = fields.Integer(required=True)
    path = fields.Char(help="The title and the headings above it.")
    text = fields.Text(required=True)
