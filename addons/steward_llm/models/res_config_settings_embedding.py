from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .steward_embedding import MAX_ROWS


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_embedding_max_rows = fields.Integer(
        string="Vectors kept",
        default=MAX_ROWS,
        config_parameter="steward.embedding.max_rows",
    )

    @api.constrains("steward_embedding_max_rows")
    def _check_steward_embedding_max_rows(self):
        if any(settings.steward_embedding_max_rows < 1 for settings in self):
            raise ValidationError(self.env._("Keep at least one vector."))
