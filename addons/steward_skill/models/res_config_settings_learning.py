from odoo import fields, models

from .steward_guardrail import SHARE


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_guardrail_share = fields.Float(
        "Good runs that a guardrail may disturb (%)",
        default=SHARE,
        config_parameter="steward.guardrail_share",
    )
