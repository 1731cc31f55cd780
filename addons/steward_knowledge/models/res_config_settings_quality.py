from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .steward_search_case import WORSE_MOST


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_search_worse_most = fields.Float(
        string="Worse at most",
        default=WORSE_MOST,
        digits=(4, 3),
        config_parameter="steward.search.worse_most",
    )

    @api.constrains("steward_search_worse_most")
    def _check_steward_search_worse_most(self):
        if any(not 0 <= one.steward_search_worse_most <= 1 for one in self):
            raise ValidationError(self.env._("Quality is between 0 and 1."))
