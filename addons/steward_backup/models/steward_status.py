from odoo import api, models
from odoo.addons.steward.kernel import health


class StewardStatus(models.AbstractModel):
    _inherit = "steward.status"

    @api.model
    def _get_first_steps(self):
        backups = self.env["steward.backup"]
        return super()._get_first_steps() | {
            "backup": lambda: backups.search_count([("is_good", "=", True)], limit=1),
        }

    @api.model
    def _get_health_parts(self):
        return {**super()._get_health_parts(), "backup": self._health_backup}

    @api.model
    def _health_backup(self):
        """Alarms, and that silence is no success."""
        if self._is_neutralized():
            return health.OK, self.env._("A neutralized copy makes no backups.")
        counts = dict(
            self.env["steward.backup.alarm"]._read_group(
                [("is_open", "=", True)], ["severity"], ["__count"]
            )
        )
        facts = {"alarms": sum(counts.values())}
        if counts.get(health.FAILED):
            reason = self.env._("Backups need somebody to act.")
            return health.FAILED, reason, facts
        if counts:
            reason = self.env._("Somebody should look at the backups.")
            return health.DEGRADED, reason, facts
        if not self.env["steward.backup"].search_count(
            [("is_good", "=", True)], limit=1
        ):
            reason = self.env._("There is no backup yet that could be restored.")
            return health.DEGRADED, reason, facts
        if not self.env["steward.backup.plan"].search_count([], limit=1):
            reason = self.env._("No plan makes backups.")
            return health.DEGRADED, reason, facts
        return health.OK, self.env._("Backups are made and proven as planned."), facts
