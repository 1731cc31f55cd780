from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .steward_chat_answer import MAX_DAYS, MAX_MB


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_chat_cache_mb = fields.Integer(
        string="Room for known answers (MB)",
        default=MAX_MB,
        config_parameter="steward.chat.cache_mb",
    )
    steward_chat_cache_days = fields.Integer(
        string="Answers are known for (days)",
        default=MAX_DAYS,
        config_parameter="steward.chat.cache_days",
    )

    @api.constrains("steward_chat_cache_mb", "steward_chat_cache_days")
    def _check_steward_chat_cache(self):
        for settings in self:
            if (
                min(settings.steward_chat_cache_mb, settings.steward_chat_cache_days)
                < 1
            ):
                raise ValidationError(
                    self.env._("Answers are kept for a day and in one MB at least.")
                )
