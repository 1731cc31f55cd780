from odoo import api, models
from odoo.addons.steward.kernel import operation as work

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
            "discard": self.env._("Removal of an export"),
            "probe": self.env._("Test of a storage"),
        }

    def _adopt(self):
        if self.res_model or self.state != work.DONE:
            return super()._adopt()
        backups = self.env["steward.backup"]
        if self.verb == "prune":
            backups._note_removed(self)
        if self.verb in ("export", "discard"):
            return backups._find_exported(self)
        if self.verb != "backup":
            return super()._adopt()
        backup = backups._adopt(self)
        if backup:
            self._write_own({"res_model": backup._name, "res_id": backup.id})
        return backup
