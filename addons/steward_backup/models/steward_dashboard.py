from odoo import api, fields, models
from odoo.addons.steward.kernel import health
from odoo.addons.steward.kernel.units import human_bytes
from odoo.addons.steward.models.steward_dashboard import TOP
from odoo.tools import format_datetime

BACKUPS, DRILLS = "steward_backup.action_backups", "steward_backup.action_drills"
PLANS, ALARMS = "steward_backup.action_plans", "steward_backup.action_alarms"
STORAGES = "steward_backup.action_storages"


class StewardDashboard(models.AbstractModel):
    _inherit = "steward.dashboard"

    @api.model
    def _get_cards(self):
        return {
            **super()._get_cards(),
            "backups": self._card_backups,
            "backup_alarms": self._card_backup_alarms,
            "backup_size": self._card_backup_size,
        }

    @api.model
    def _get_health_titles(self):
        return super()._get_health_titles() | {"backup": self.env._("Backups")}

    def _card_backups(self, _period):
        """The last good one, the next, the last drill, and where they are."""
        return {
            "parts": [
                self._part_last_backup(),
                self._part_next_backup(),
                self._part_last_drill(),
                *self._part_storages(),
            ]
        }

    def _part_last_backup(self):
        last = self.env["steward.backup"].search([("is_good", "=", True)], limit=1)
        levels = dict(last._fields["level"]._description_selection(self.env))
        if not last:
            return {
                "name": "last",
                "title": self.env._("Last good backup"),
                "status": health.DEGRADED,
                "reason": self.env._("There is none yet."),
                "action": self._drill(BACKUPS),
            }
        return {
            "name": "last",
            "title": self.env._("Last good backup"),
            "status": health.OK,
            "value": self.env._("%(age)s ago", age=last.age),
            "reason": f"{levels.get(last.level, '')}, {human_bytes(last.bytes)}",
            "action": self._drill(BACKUPS, res_id=last.id),
        }

    def _part_next_backup(self):
        plan = self.env["steward.backup.plan"].search(
            [("next_run", "!=", False)], order="next_run", limit=1
        )
        return {
            "name": "next",
            "title": self.env._("Next backup"),
            "status": None if plan else health.DEGRADED,
            "value": format_datetime(self.env, plan.next_run, dt_format="short")
            if plan
            else None,
            "reason": plan.name or self.env._("None is planned."),
            "action": self._drill(PLANS),
        }

    def _part_last_drill(self):
        last = self.env["steward.drill"].search([("ended_at", "!=", False)], limit=1)
        outcomes = dict(last._fields["outcome"]._description_selection(self.env))
        if not last:
            return {
                "name": "drill",
                "title": self.env._("Restore drill"),
                "status": health.UNKNOWN,
                "reason": self.env._("None was made yet: no backup is proven."),
                "action": self._drill(DRILLS),
            }
        return {
            "name": "drill",
            "title": self.env._("Restore drill"),
            "status": health.OK if last.outcome == "passed" else health.FAILED,
            "value": outcomes[last.outcome],
            "reason": self.env._(
                "%(age)s ago",
                age=self.env["steward.backup"]._ago(
                    fields.Datetime.now() - last.ended_at
                ),
            ),
            "action": self._drill(DRILLS, res_id=last.id),
        }

    def _part_storages(self):
        for storage in self.env["steward.storage"].search([], limit=TOP):
            # sudo: steward.storage - how much is free in it, not where it is
            free, total = self.env["steward.backup.alarm"]._room(storage.sudo())
            yield {
                "name": f"storage {storage.id}",
                "title": storage.name,
                "status": total and health.disk_status(int(free), int(total)),
                "value": human_bytes(storage.used_bytes),
                "reason": self.env._("%(free)s are free", free=human_bytes(free))
                if total
                else self.env._("How much is free is not known."),
                "action": self._drill(STORAGES, res_id=storage.id),
            }

    def _card_backup_alarms(self, _period):
        """What somebody should do something about, the worst first."""
        alarms = self.env["steward.backup.alarm"]
        domain = [("is_open", "=", True)]
        found = alarms.search(domain, order="severity DESC, since DESC", limit=TOP)
        total = alarms.search_count(domain) if len(found) == TOP else len(found)
        words = dict(alarms._fields["severity"]._description_selection(self.env))
        return {
            "rows": [
                {
                    "id": alarm.id,
                    "sentence": alarm.sentence,
                    "severity": {
                        "status": alarm.severity,
                        "word": words[alarm.severity],
                    },
                    "since": alarm.since,
                    "action": self._drill(ALARMS, res_id=alarm.id),
                }
                for alarm in found
            ],
            "total": total,
            "action": self._drill(ALARMS, domain),
        }

    def _card_backup_size(self, period):
        """How large the good backups of each step were, on average, in MB."""
        found = self.env["steward.backup"].search(
            [
                ("state", "=", "done"),
                ("moment", ">=", period.start),
                ("moment", "<", period.end),
            ],
            limit=5000,
        )
        sizes = {}
        for backup in found:
            step = (
                period.start
                + (backup.moment - period.start) // period.step * period.step
            )
            sizes.setdefault(step, []).append(backup.bytes)
        means = {step: sum(of) / len(of) / 1e6 for step, of in sizes.items()}
        return {
            "labels": period.edges(),
            "series": [
                {"name": self.env._("Size"), "values": period.fill(means)},
            ],
            "action": self._drill(BACKUPS),
        }
