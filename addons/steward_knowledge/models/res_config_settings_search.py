from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .steward_document_search import FRESH, HALF_LIFE
from .steward_search_log import KEEP


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_search_freshness = fields.Float(
        string="New documents count more by",
        config_parameter="steward.search.freshness",
        default=FRESH,
        help="0.1: a document of today counts a tenth more than an old one that fits as"
        " well.",
    )
    steward_search_half_life = fields.Float(
        string="Days until half of it is gone",
        config_parameter="steward.search.half_life",
        default=HALF_LIFE,
    )
    steward_search_keep_days = fields.Integer(
        string="Days that searches are kept",
        config_parameter="steward.search.keep_days",
        default=KEEP,
        help="For the quality report; then they are deleted.",
    )

    @api.constrains(
        "steward_search_freshness",
        "steward_search_half_life",
        "steward_search_keep_days",
    )
    def _check_steward_search(self):
        for settings in self:
            if not 0 <= settings.steward_search_freshness <= 10:
                raise ValidationError(
                    self.env._("What new documents count more is between 0 and 10.")
                )
            if (
                settings.steward_search_half_life <= 0
                or settings.steward_search_keep_days < 1
            ):
                raise ValidationError(self.env._("There must be at least one day."))

    def set_values(self):
        done = super().set_values()
        if not self.steward_search_freshness:
            # Odoo would take it for no setting, and the default would come back
            self.env["ir.config_parameter"].set_param("steward.search.freshness", "0.0")
        return done
