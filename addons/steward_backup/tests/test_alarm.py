from datetime import timedelta
from unittest.mock import patch

from odoo import fields

from .common import MB, BackupCase, backup_result, drill_result


class TestAlarm(BackupCase):
    def setUp(self):
        super().setUp()
        # backups of one day are not removed here
        self.startPatcher(patch.object(type(self.plan), "_prune", lambda _plan: None))
        # as if it had been planned for long
        self.long_ago = fields.Datetime.now() - timedelta(days=60)
        self.plan._write_own({"due_since": self.long_ago})

    def test_all_is_well(self):
        self.backed_up()
        self.assertEqual(self.alarms(), [])

    def test_nothing_was_begun(self):
        self.assertEqual(self.alarms(), ["missed"])
        alarm = self.alarm("missed")
        self.assertIn("Nightly was to be made at", alarm.sentence)
        self.assertIn("Back up now", alarm.remedy)
        self.plan._run("by hand")
        self.assertEqual(self.alarms(), ["missed"], "it only waits")
        self.runner.do(backup_result())
        self.assertEqual(self.alarms(), [])
        self.assertTrue(alarm.ended_at)
        self.assertFalse(alarm.is_open)

    def test_a_new_plan_has_missed_nothing(self):
        self.plan.every = "hourly"
        self.assertEqual(self.alarms(), [])

    def test_by_hand_only(self):
        self.plan.every = "none"
        self.plan._write_own({"due_since": self.long_ago})
        self.assertEqual(self.alarms(), [])

    def test_failed(self):
        for state in ("failed", "lost", "cancelled"):
            self.backed_up(state=state, error="The disk is full.")
            self.assertEqual(self.alarms(), ["failed"])
        self.assertIn("The disk is full.", self.alarm("failed").sentence)
        self.backed_up()
        self.assertEqual(self.alarms(), [])

    def test_told_once(self):
        contact = self.users["viewer"]
        self.env["ir.config_parameter"].set_param("steward.contact_id", contact.id)
        self.backed_up(state="failed", error="The disk is full.")
        alarm = self.alarm("failed")
        told = alarm.message_ids.filtered("partner_ids")
        self.assertEqual(len(told), 1)
        self.assertIn(contact.partner_id, told.partner_ids)
        self.assertIn(self.users["operator"].partner_id, told.partner_ids)
        self.assertNotIn(self.users["employee"].partner_id, told.partner_ids)
        self.backed_up(state="failed", error="It is still full.")
        self.alarms()
        self.assertEqual(alarm.message_ids.filtered("partner_ids"), told)
        self.assertIn("still full", alarm.sentence)

    def test_who_is_told(self):
        """Those whom the plan names, and nobody else; they have it to do until over."""
        operator, contact = self.users["operator"], self.users["viewer"]
        self.env["ir.config_parameter"].set_param("steward.contact_id", contact.id)
        self.plan.told_ids = operator
        self.backed_up(state="failed", error="The disk is full.")
        alarm = self.alarm("failed")
        told = alarm.message_ids.filtered("partner_ids")
        self.assertEqual(told.partner_ids, operator.partner_id)
        self.assertEqual(alarm.activity_ids.user_id, operator)
        self.assertIn("disk is full", alarm.activity_ids.summary)
        self.backed_up()
        self.assertFalse(alarm.is_open)
        self.assertFalse(alarm.activity_ids)

    def test_size(self):
        for _number in range(6):
            self.backed_up()
        self.assertEqual(self.alarms(), [])
        self.backed_up(result=backup_result(size=30 * MB))
        self.assertEqual(self.alarms(), ["size"])
        self.assertIn("smaller than usual: 30 MB", self.alarm("size").sentence)
        self.backed_up()
        self.assertEqual(self.alarms(), [])
        self.backed_up(result=backup_result(size=900 * MB))
        self.assertIn("larger", self.alarm("size").sentence)

    def test_of_few_nobody_knows_what_is_usual(self):
        for size in (100, 101, 100, 5):
            self.backed_up(result=backup_result(size=size * MB))
        self.assertEqual(self.alarms(), [])

    def test_duration(self):
        for _number in range(6):
            self.backed_up()
        self.backed_up(result=backup_result(seconds=1000))
        self.assertEqual(self.alarms(), ["duration"])
        self.assertEqual(self.alarm("duration").severity, "degraded")
        self.backed_up(result=backup_result(seconds=1))
        self.assertEqual(self.alarms(), [], "quick is no harm")

    def test_drill_failed_and_late(self):
        self.plan.drill_on = True
        self.plan._write_own({"due_since": self.long_ago})
        backup = self.backed_up()
        self.assertEqual(self.alarms(), [])
        backup._write_own({"moment": self.long_ago})
        self.assertEqual(self.alarms("drill"), ["drill"])
        newest = self.backed_up()
        drill = self.env["steward.drill"]._begin(newest)
        self.runner.do(drill_result())
        self.assertEqual(self.alarms(), [])
        drill._write_own({"ended_at": fields.Datetime.now() - timedelta(days=9)})
        self.assertIn("No restore drill", self.alarm_after_look("drill").sentence)
        self.env["steward.drill"]._begin(newest)
        self.runner.do(None, "failed", "Odoo did not start.")
        sentences = " ".join(self.alarm_after_look("drill").mapped("sentence"))
        self.assertIn("Odoo did not start.", sentences)
        self.plan.drill_on = False
        self.assertEqual(self.alarms("drill"), [])

    def alarm_after_look(self, kind):
        self.alarms()
        return self.alarm(kind)

    def test_storage_nearly_full(self):
        self.backed_up()
        self.runner.facts["roots"][0]["free_bytes"] = 150 * MB
        self.runner.beat()
        self.assertEqual(self.alarms(), ["storage"])
        self.assertIn("150 MB of 107.4 GB are free", self.alarm("storage").sentence)

    def test_storage_test_failed(self):
        self.backed_up()
        self.storage.action_test()
        self.runner.do({"ok": False, "sentence": "Nobody may write there."})
        self.assertIn("Nobody may write", self.alarm("storage").sentence)
        self.storage.path = "/srv/backups/better"
        self.assertEqual(self.alarms(), [])

    def test_key_missing(self):
        self.backed_up()
        key = self.env["steward.secret"].create({"name": "k", "reference": "env:K"})
        self.plan.key_id = key
        self.assertEqual(self.alarms(), [])
        key.active = False
        self.assertEqual(self.alarms(), ["key"])
        key.active = True
        self.runner.facts["signing_key_ok"] = False
        self.runner.beat()
        self.assertEqual(self.alarms(), ["key"])

    def test_clock(self):
        self.backed_up()
        self.runner.facts["clock"] = "2001-01-01T00:00:00Z"
        self.runner.beat()
        self.assertEqual(self.alarms(), ["clock"])

    def test_runner(self):
        self.backed_up()
        self.runner.beat(seconds_ago=300)
        self.assertEqual(self.alarms(), ["runner"])
        self.assertIn("silent since", self.alarm("runner").sentence)
        self.env["steward.runner"].search([]).unlink()
        self.assertEqual(self.alarms(), ["runner"])
        self.assertIn("No runner is enrolled", self.alarm("runner").sentence)
        self.plan.action_archive()
        self.assertEqual(self.alarms(), [], "nobody needs one")

    def test_a_copy_has_no_alarms(self):
        self.assertEqual(self.alarms(), ["missed"])
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.assertEqual(self.alarms(), [])

    def part(self):
        parts = self.env["steward.status"]._health()["parts"]
        return next(part for part in parts if part["name"] == "backup")

    def test_health(self):
        """Silence is no success."""
        self.plan._write_own({"due_since": fields.Datetime.now()})
        self.alarms()
        self.assertEqual(self.part()["status"], "degraded")
        self.backed_up()
        self.assertEqual(self.part()["status"], "ok")
        self.runner.facts["clock"] = "2001-01-01T00:00:00Z"
        self.runner.beat()
        self.alarms()
        self.assertEqual(self.part()["status"], "degraded")
        self.backed_up(state="failed")
        self.assertEqual(self.part()["status"], "failed")
        self.runner.facts["clock"] = None
        self.runner.beat()
        self.plan.action_archive()
        self.alarms()
        self.assertIn("No plan", self.part()["reason"])
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.assertEqual(self.part()["status"], "ok")

    def test_what_an_alarm_is_about(self):
        backup = self.backed_up(state="failed")
        action = self.by("viewer", self.alarm("failed")).action_open_cause()
        self.assertEqual(action["res_id"], backup.id)

    def test_nothing_is_hidden_by_a_broken_plan(self):
        with patch.object(type(self.plan), "_databases", lambda _plan: ["shop", "lab"]):
            self.backed_up()
            self.runner.do(None, "failed", "No such database.")
            self.assertEqual(self.alarms(), ["failed"])
