from odoo import api, models

from ..kernel.verbs import VERBS


class StewardOperation(models.Model):
    _inherit = "steward.operation"

    @api.model
    def _get_verbs(self):
        return super()._get_verbs() | VERBS

    @api.model
    def _get_verb_titles(self):
        return super()._get_verb_titles() | {
            "backup": self.env._("Backup"),
            "verify": self.env._("Verification"),
            "restore": self.env._("Restore"),
            "drill": self.env._("Restore drill"),
            "prune": self.env._("Removal of old backups"),
            "export": self.env._("Export"),
            "probe": self.env._("Test of a storage"),
        }
