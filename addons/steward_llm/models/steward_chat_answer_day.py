from odoo import api, fields, models

from ..fields import Amount


class StewardChatAnswerDay(models.Model):
    """How often a company's answers of a model were known, and what that saved."""

    _name = "steward.chat.answer.day"
    _inherit = "steward"
    _description = "Answer Cache: Day"
    _log_access = False
    _order = "day desc, model_id"
    _rec_name = "day"
    _steward_own_fields = (
        *("company_id", "model_id", "day", "hits", "misses", "tokens", "saved"),
    )

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="cascade"
    )
    model_id = fields.Many2one(
        "steward.model", required=True, readonly=True, ondelete="cascade"
    )
    day = fields.Date(required=True, readonly=True)
    hits = fields.Integer("Known", readonly=True, help="Answers known before.")
    misses = fields.Integer("Asked", readonly=True, help="Answers not yet known.")
    tokens = fields.Integer("Tokens saved", readonly=True)
    saved = Amount(string="Saved (USD)", readonly=True)
    rate = fields.Float(
        "Hit rate", compute="_compute_rate", help="Share of answers known before."
    )

    _day_uniq = models.UniqueIndex("(company_id, model_id, day)")

    @api.depends("hits", "misses")
    def _compute_rate(self):
        for day in self:
            total = day.hits + day.misses
            day.rate = day.hits / total if total else 0
