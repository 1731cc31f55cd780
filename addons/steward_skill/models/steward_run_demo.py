from odoo import api, models

from ..demo.lessons import Lessons


class StewardRun(models.Model):
    """What demonstration databases are told of."""

    _inherit = "steward.run"

    @api.model
    def _tell_demo_learning(self):
        Lessons(self.env).tell()
