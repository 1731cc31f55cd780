from odoo import api, fields, models


class StewardEmbeddingDay(models.Model):
    """How often the cache knew a model's vector, each day."""

    _name = "steward.embedding.day"
    _inherit = "steward"
    _description = "Embedding Cache: Day"
    _log_access = False
    _order = "day desc, model_id"
    _rec_name = "day"
    _steward_own_fields = ("model_id", "day", "hits", "misses")

    model_id = fields.Many2one(
        "steward.model", required=True, readonly=True, ondelete="cascade"
    )
    day = fields.Date(required=True, readonly=True)
    hits = fields.Integer("Found", readonly=True, help="Vectors known before.")
    misses = fields.Integer("Computed", readonly=True, help="Vectors not yet known.")
    rate = fields.Float(
        "Hit rate", compute="_compute_rate", help="Share of vectors known before."
    )

    _day_uniq = models.UniqueIndex("(model_id, day)")

    @api.depends("hits", "misses")
    def _compute_rate(self):
        for day in self:
            total = day.hits + day.misses
            day.rate = day.hits / total if total else 0
