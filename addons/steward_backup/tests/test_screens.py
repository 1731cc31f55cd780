from odoo.addons.steward.tests.runner_common import FakeRunner
from odoo.tests import HttpCase, tagged

from .common import backup_result


@tagged("post_install", "-at_install")
class TestScreens(HttpCase):
    def test_tour(self):
        """Back up now, then restore a good one in three clicks."""
        self.env["steward.runner"].search([]).unlink()
        self.env["steward.operation"].search([])._write_own(
            {"state": "cancelled", "applied": True}
        )
        runner = FakeRunner(self.env)
        runner.enrol()
        plan = self.env.ref("steward_backup.plan_default")
        plan.active = True
        plan._run("before the tour")
        runner.do(backup_result())
        self.start_tour(
            "/odoo/steward-backups", "steward_backup", login="admin", timeout=180
        )
        verbs = self.env["steward.operation"].search([("state", "=", "queued")])
        self.assertCountEqual(verbs.mapped("verb"), ["backup", "restore"])
