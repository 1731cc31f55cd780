from odoo import api, models

from ..demo.talks import Talks
from ..demo.week import Week


class StewardRun(models.Model):
    """What demonstration databases are told of."""

    _inherit = "steward.run"

    @api.model
    def _tell_demo_week(self):
        Week(self.env).tell()

    @api.model
    def _tell_demo_talks(self):
        Talks(self.env).tell()
