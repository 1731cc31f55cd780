"""A kit: plans, and outcomes as the real runner writes them."""

from datetime import timedelta
from itertools import count

from odoo.addons.steward.tests.runner_common import RunnerCase

_NUMBERS = count(1)
MB = 10**6


def backup_result(size=100 * MB, seconds=60, level="readback", **more):
    number = next(_NUMBERS)
    return {
        "backup": {
            "path": f"shop/2026-{number}",
            "manifest_sha256": f"{number:064x}",
            "bytes": size,
            "database_bytes": size * 2,
            "filestore_bytes": size,
            "filestore_files": 12,
            "duration": seconds,
            "parts": [{"path": "dump/1"}, {"path": "filestore"}],
            "odoo_version": "19.0",
            "pg_version": "18.0",
            "modules_count": 30,
            "key_id": "abcd",
            **more,
        },
        "level": level,
    }


def drill_result(ok=True, **more):
    return {
        "ok": ok,
        "rto_seconds": 42.5,
        "rpo_seconds": 3600,
        "checks": [
            {"name": "rows", "ok": True, "expected": 1000, "found": 1000},
            {"name": "login", "ok": ok, "sentence": "Odoo answered the login."},
        ],
        "evidence_files": {"boot.log": "all well", "compare.json": "{}"},
        **more,
    }


class BackupCase(RunnerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        plans = cls.env["steward.backup.plan"].with_context(active_test=False)
        plans.search([]).action_archive()
        # demonstrations and the house's own are none of a test's
        cls.env["steward.backup.alarm"].search([])._write_own({"is_open": False})
        cls.env["steward.backup"].search([])._write_own({"pruned_at": "2020-01-01"})
        cls.runner.enrol()
        cls.storage = cls.env["steward.storage"].create(
            {"name": "Attic", "path": "/srv/backups/attic"}
        )
        cls.plan = cls.env["steward.backup.plan"].create(
            {
                "name": "Nightly",
                "storage_ids": [(6, 0, cls.storage.ids)],
                "tz": "Europe/Berlin",
                "drill_on": False,
            }
        )
        # at whatever hour the tests run: it does not become due meanwhile
        soon = cls.plan.next_run + timedelta(days=1)
        cls.plan._write_own({"next_run": soon})

    def setUp(self):
        super().setUp()
        self.runner.beat()  # silent for a minute, it would count as gone

    def by(self, role, records):
        return records.with_user(self.users[role])

    def backed_up(self, days_ago=0, result=None, state="done", error=None, plan=None):
        """A backup of that day, made from asking to taking over.

        Those of days ago are of noon: a day apart from each other in any time zone.
        """
        backup = (plan or self.plan)._run("test")
        if state == "done":
            result = result or backup_result()
        self.runner.do(result if state == "done" else None, state, error)
        if days_ago:
            when = backup.moment.replace(hour=12) - timedelta(days=days_ago)
            backup._write_own({"moment": when, "ended_at": when})
        return backup

    def alarms(self, *kinds):
        """The kinds of the open alarms; of these, if any are told."""
        self.env["steward.backup.alarm"]._look()
        found = self.env["steward.backup.alarm"].search([("is_open", "=", True)])
        return sorted(
            {kind for kind in found.mapped("kind") if not kinds or kind in kinds}
        )

    def alarm(self, kind):
        return self.env["steward.backup.alarm"].search(
            [("kind", "=", kind), ("is_open", "=", True)]
        )
