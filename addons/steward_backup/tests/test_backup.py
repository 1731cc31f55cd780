from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools import mute_logger

from .common import MB, BackupCase, backup_result, drill_result

ABOVE_OPERATOR = ("operator", "administrator")
BELOW_OPERATOR = ("employee", "agent", "viewer", "reviewer")


class TestBackup(BackupCase):
    def test_back_up_now(self):
        """One button, with what is shipped."""
        plan = self.env.ref("steward_backup.plan_default")
        plan.action_unarchive()
        self.plan.action_archive()
        action = self.by("operator", self.env["steward.backup"]).action_back_up_now()
        backup = self.env["steward.backup"].browse(action["res_id"])
        self.assertEqual((backup.state, backup.plan_id), ("queued", plan))
        self.assertFalse(backup.is_good or backup.is_there or backup.level)
        _id, verb, arguments = self.runner.claim()
        self.assertEqual(verb, "backup")
        # the runner's own folder
        self.assertEqual(
            arguments["storage"], {"kind": "folder", "path": "/srv/backups"}
        )
        self.assertEqual(arguments["database"], self.env.cr.dbname)
        self.assertEqual(arguments["encryption"], None)
        self.runner.end(result=backup_result(size=5 * MB))
        backup.operation_id._apply()
        self.assertEqual((backup.state, backup.level), ("done", "readback"))
        self.assertTrue(backup.is_good and backup.is_there)
        self.assertEqual((backup.bytes, backup.parts), (5 * MB, 2))
        self.assertEqual(backup.look, "good")

    def test_nothing_claims_success_by_itself(self):
        told = self.backed_up(result={"level": "restored"})
        self.assertEqual(told.state, "failed")
        self.assertFalse(told.is_good or told.level)
        self.assertIn("where", told.error)
        unknown = self.backed_up(result=backup_result(level="believed"))
        self.assertEqual(unknown.level, "written")
        for state in ("failed", "cancelled", "lost"):
            with self.subTest(state=state):
                backup = self.backed_up(state=state, error="The disk is full.")
                self.assertEqual(backup.state, state)
                self.assertFalse(backup.is_good or backup.is_there)

    def test_lost_and_found(self):
        backup = self.backed_up(state="lost")
        operation = backup.operation_id
        operation._write_own(
            {"state": "done", "applied": False, "result": backup_result()}
        )
        operation._apply()
        operation._write_own({"applied": False})
        operation._apply()
        self.assertTrue(backup.is_good)

    def test_run_by_name_or_id(self):
        plans = self.by("operator", self.env["steward.backup.plan"])
        for plan in ("Nightly", self.plan.id, str(self.plan.id)):
            told = plans.run(plan)
            backup = self.env["steward.backup"].browse(told["backup_id"])
            self.assertEqual(backup.plan_id, self.plan)
            self.assertEqual(backup.operation_id.uuid, told["job"])
            self.assertEqual(backup.user_id, self.users["operator"])
        for wrong in ("Daily", 2**31 - 1):
            with self.assertRaises(Invalid):
                plans.run(wrong)

    def test_denied(self):
        backup = self.backed_up()
        calls = {
            "run": (self.plan, lambda p: p.run(self.plan.id)),
            "action_run": (self.plan, lambda p: p.action_run()),
            "action_drill": (self.plan, lambda p: p.action_drill()),
            "verify": (backup, lambda b: b.verify(backup.id)),
            "action_verify": (backup, lambda b: b.action_verify()),
            "backup drill": (backup, lambda b: b.action_drill()),
            "now": (backup, lambda b: b.action_back_up_now()),
            "test": (self.storage, lambda s: s.action_test()),
        }
        for role in BELOW_OPERATOR:
            for name, (record, call) in calls.items():
                with self.subTest(role=role, call=name), self.assertRaises(AccessError):
                    call(self.by(role, record))
        for role in (*BELOW_OPERATOR, "operator"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, backup).restore(backup.id, "elsewhere")
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, self.plan).write({"keep_daily": 0})
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, self.storage).write({"path": "/elsewhere"})
        self.assertFalse(self.runner.claim())

    def test_nobody_writes_what_the_runner_told(self):
        backup = self.backed_up()
        for values in (
            {"level": "restored"},
            {"is_good": True},
            {"path": "elsewhere"},
            {"verify_ok": True},
            {"bytes": 1},
        ):
            for role in ABOVE_OPERATOR:
                with self.subTest(role=role, **values), self.assertRaises(Refused):
                    self.by(role, backup).write(values)
        with self.assertRaises(UserError):
            self.by("administrator", backup).create({"database": "x"})
        self.by("operator", backup).write(
            {"label": "before the fair", "protected": True}
        )
        with self.assertRaises(AccessError):
            self.by("viewer", backup).write({"label": "mine"})

    def test_a_backup_that_is_there_stays_listed(self):
        backup = self.backed_up()
        with self.assertRaises(Refused):
            self.by("administrator", backup).unlink()
        backup._write_own({"pruned_at": fields.Datetime.now()})
        self.by("administrator", backup).unlink()
        self.assertFalse(backup.exists())

    def test_where_it_is_knows_the_operator_alone(self):
        backup = self.backed_up()
        with self.assertRaises(AccessError):
            self.by("viewer", backup).read(["path"])
        with self.assertRaises(AccessError):
            self.by("operator", self.storage).read(["path"])
        self.assertTrue(self.by("viewer", backup).read(["level", "bytes", "look"]))

    def test_several_databases_and_storages(self):
        cellar = self.storage.copy({"name": "Cellar", "path": "/srv/backups/cellar"})
        self.plan.write(
            {"database_names": "shop, lab", "storage_ids": [(4, cellar.id)]}
        )
        told = self.plan.run(self.plan.id)
        self.assertEqual(len(told["backups"]), 4)
        asked = set()
        while claimed := self.runner.claim():
            asked.add((claimed[2]["database"], claimed[2]["storage"]["path"]))
        self.assertEqual(len(asked), 4)
        with self.assertRaises(ValidationError):
            self.plan.database_names = "../shop"

    # -- verification --------------------------------------------------

    def test_verify(self):
        backup = self.backed_up(result=backup_result(level="written"))
        told = self.by("operator", backup).verify(backup.id, "readback")
        self.assertEqual(backup.operation_id.uuid, told["job"])
        with self.assertRaisesRegex(Invalid, "Wait for its end"):
            self.by("operator", backup).verify(backup.id)
        self.runner.do({"level": "readback", "ok": True, "findings": []})
        self.assertEqual((backup.level, backup.verify_ok), ("readback", True))
        backup.verify(backup.id, "checksummed")
        self.runner.do({"level": "checksummed", "ok": True, "findings": []})
        self.assertEqual(backup.level, "readback", "less does not undo more")
        with self.assertRaises(Invalid):
            backup.verify(backup.id, "believed")

    def test_a_backup_that_was_changed(self):
        backup = self.backed_up()
        backup.verify(backup.id)
        self.runner.do(
            {"level": "checksummed", "ok": False, "findings": ["dump/1 was changed"]}
        )
        self.assertTrue(backup.is_there)
        self.assertFalse(backup.is_good)
        self.assertEqual(backup.look, "doubtful")
        self.assertEqual(backup.findings_text, "dump/1 was changed")
        self.assertIn("verification", self.alarms())
        self.assertNotIn("changed", backup.level)

    def test_a_verification_that_does_not_end(self):
        backup = self.backed_up()
        backup.verify(backup.id)
        self.runner.do(None, "failed", "The storage does not answer.")
        self.assertTrue(backup.is_good, "nobody said that it is bad")
        self.assertIn("does not answer", self.alarm("verification").sentence)
        backup.verify(backup.id)
        self.runner.do({"level": "readback", "ok": True})
        self.assertFalse(self.alarm("verification"))

    # -- restore --------------------------------------------------

    def test_restore_to_a_new_database(self):
        backup = self.backed_up()
        told = self.by("administrator", backup).restore(backup.id, "shop_copy")
        _id, verb, arguments = self.runner.claim()
        self.assertEqual((verb, arguments["target"]), ("restore", "shop_copy"))
        self.assertEqual((arguments["replace"], arguments["neutralize"]), (False, True))
        self.assertEqual(arguments["path"], backup.path)
        self.runner.end(
            result={"database": "shop_copy", "level": "restored", "rto": 12}
        )
        backup.operation_id._apply()
        self.assertEqual(backup.operation_id.uuid, told["job"])
        self.assertEqual(backup.level, "restored")
        self.assertIn("shop_copy in 12 s", backup.message_ids[0].body)

    def test_restore_over_a_database_needs_its_name(self):
        backup = self.backed_up()
        here = self.env.cr.dbname
        with self.assertRaisesRegex(Refused, "There is a database"):
            self.by("administrator", backup).restore(backup.id, here)
        wizard = self.by("administrator", self.env["steward.backup.restoring"]).create(
            {"backup_id": backup.id, "target": here}
        )
        self.assertTrue(wizard.exists)
        # production that is replaced goes on mailing; a copy never begins
        self.assertFalse(wizard.neutralize)
        for typed in (False, "", f"{here}x"):
            wizard.confirmed_name = typed
            with self.assertRaises(Invalid):
                wizard.action_restore()
        self.assertFalse(self.runner.claim())
        wizard.confirmed_name = here
        wizard.action_restore()
        _id, _verb, arguments = self.runner.claim()
        self.assertEqual(
            (arguments["replace"], arguments["confirmed_name"]), (True, here)
        )
        self.assertEqual(arguments["safety"], arguments["storage"])

    def test_what_was_replaced_is_listed(self):
        """The safety backup is one like others; told twice, it is listed once."""
        backup = self.backed_up()
        here = self.env.cr.dbname
        operation = backup._restore(here, False, here)
        self.runner.claim()
        safety = backup_result()
        result = {"database": here, "level": "restored", "safety_backup": safety}
        self.runner.end(result=result)
        operation._apply()
        operation._write_own({"applied": False})
        operation._apply()
        [made] = self.env["steward.backup"].search(
            [("path", "=", safety["backup"]["path"])]
        )
        self.assertTrue(made.is_good)
        self.assertEqual(made.reason, "Before it was replaced")
        self.assertEqual((made.database, made.level), (here, "readback"))
        self.assertEqual(made.storage_id, backup.storage_id)

    def test_what_came_after_a_restored_backup(self):
        """The runner brings along what this database knows nothing of."""
        old = self.backed_up()
        plan, storage = old.plan_id, old.storage_id
        made, removed = backup_result(), old.path
        told = storage._prepare_storage()
        common = {"state": "done", "ended_at": fields.Datetime.now()}
        later = self.env["steward.operation"]._create_own(
            [
                {
                    **common,
                    "uuid": "later",
                    "verb": "backup",
                    "arguments": {
                        "database": old.database,
                        "kind": "full",
                        "storage": told,
                        "plan_uuid": plan.uuid,
                        "label": "As planned",
                    },
                    "result": made,
                },
                {
                    **common,
                    "uuid": "gone",
                    "verb": "prune",
                    "arguments": {"storage": told, "remove": [removed], "keep": ["x"]},
                    "result": {"removed": [removed], "kept": []},
                },
                {
                    **common,
                    "uuid": "elsewhere",
                    "verb": "backup",
                    "arguments": {"storage": {"kind": "folder", "path": "/other"}},
                    "result": backup_result(),
                },
                {**common, "uuid": "probe", "verb": "probe", "result": {"ok": True}},
            ]
        )
        later._apply()
        self.assertEqual(later.mapped("applied"), [True] * 4)
        found = self.env["steward.backup"].search(
            [("path", "=", made["backup"]["path"])]
        )
        self.assertTrue(found.is_good)
        self.assertEqual((found.plan_id, found.storage_id), (plan, storage))
        self.assertEqual(found.reason, "As planned")
        self.assertFalse(old.is_there)
        self.assertEqual(later[0].res_id, found.id)

    def test_export(self):
        backup = self.backed_up()
        for role in (*BELOW_OPERATOR, "operator"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, backup).action_export()
        self.by("administrator", backup).action_export()
        _id, verb, arguments = self.runner.claim()
        self.assertEqual((verb, arguments["path"]), ("export", backup.path))
        self.assertRegex(arguments["to"], r"^exports/[\w.-]+_\d{8}_\d{6}\.zip$")
        self.runner.end(result={"path": "/srv/backups/exports/x.zip", "bytes": 2e6})
        backup.operation_id._apply()
        self.assertEqual(backup.export_path, "/srv/backups/exports/x.zip")
        # whoever may not see where backups are does not read it here
        self.assertIn("2 MB", backup.message_ids[0].body)
        self.assertNotIn("/srv", backup.message_ids[0].body)
        with self.assertRaises(AccessError):
            self.by("viewer", backup).read(["export_path"])

    def exported(self, days_ago=0):
        """A backup with an export of that day."""
        backup = self.backed_up()
        backup.action_export()
        self.runner.do({"path": "/srv/backups/exports/x.zip", "bytes": 2e6})
        if days_ago:
            backup._write_own({"exported_at": backup.exported_at - timedelta(days_ago)})
        return backup

    def test_an_export_stays_as_long_as_its_plan_says(self):
        backup = self.exported()
        self.assertEqual(backup.export_until, backup.exported_at + timedelta(days=7))
        with self.assertRaisesRegex(Invalid, "exported already"):
            backup.action_export()
        self.env["steward.backup.plan"]._cron_run()
        self.assertFalse(self.runner.claim())
        self.plan.export_days = 0
        self.assertFalse(backup.export_until, "until somebody removes it")
        backup._write_own({"exported_at": backup.exported_at - timedelta(days=400)})
        self.env["steward.backup.plan"]._cron_run()
        self.assertFalse(self.runner.claim())
        self.plan.export_days = 365
        self.env["steward.backup.plan"]._cron_run()
        self.env["steward.backup.plan"]._cron_run()
        _id, verb, arguments = self.runner.claim()
        self.assertEqual(verb, "discard")
        self.assertEqual(arguments, {"path": "/srv/backups/exports/x.zip"})
        self.runner.end(result={"removed": True})
        backup.operation_id._apply()
        self.assertFalse(backup.export_path or backup.exported_at)
        self.assertTrue(backup.is_good)
        self.assertFalse(self.runner.claim(), "asked once")
        backup.action_export()

    def test_an_export_that_is_being_read(self):
        """It is not removed, which is told, and tried again another day."""
        backup = self.exported(days_ago=8)
        backup._discard_old_exports()
        self.runner.do({"removed": False, "sentence": "x.zip is being read."})
        self.assertTrue(backup.export_path)
        self.assertIn("x.zip is being read", backup.message_ids[0].body)
        backup._discard_old_exports()
        self.assertFalse(self.runner.claim())
        ended = backup.operation_id.ended_at - timedelta(days=2)
        backup.operation_id._write_own({"ended_at": ended})
        backup._discard_old_exports()
        self.runner.do({"removed": True})
        self.assertFalse(backup.export_path)

    def test_an_export_is_removed_by_hand(self):
        backup = self.exported()
        for role in (*BELOW_OPERATOR, "operator"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, backup).action_discard_export()
        backup._write_own({"pruned_at": fields.Datetime.now()})
        with self.assertRaisesRegex(Refused, "Remove the export first"):
            self.by("administrator", backup).unlink()
        self.by("administrator", backup).action_discard_export()
        with self.assertRaisesRegex(Invalid, "Wait for its end"):
            self.by("administrator", backup).action_discard_export()
        self.runner.do(None, "failed", "The disk is gone.")
        self.assertIn("The disk is gone", backup.message_ids[0].body)
        self.by("administrator", backup).action_discard_export()
        self.runner.do({"removed": True})
        self.by("administrator", backup).unlink()

    def test_a_runner_that_is_older_removes_no_export(self):
        backup = self.exported(days_ago=8)
        self.runner.facts["verbs"].remove("discard")
        self.runner.beat()
        backup._discard_old_exports()
        self.assertFalse(self.runner.claim())

    def test_exports_after_the_state_of_this_database(self):
        """What a restore in place brings along is known again."""
        backup = self.backed_up()
        common = {"state": "done", "ended_at": fields.Datetime.now()}
        told = backup._prepare_operation(to="exports/x.zip")
        path = "/srv/backups/exports/x.zip"
        operations = self.env["steward.operation"]
        later = operations._create_own(
            [
                {
                    **common,
                    "uuid": "exported",
                    "verb": "export",
                    "arguments": told,
                    "result": {"path": path, "bytes": 1},
                }
            ]
        )
        later._apply()
        self.assertEqual(backup.export_path, path)
        later = operations._create_own(
            [
                {
                    **common,
                    "uuid": "discarded",
                    "verb": "discard",
                    "arguments": {"path": path},
                    "result": {"removed": True},
                }
            ]
        )
        later._apply()
        self.assertFalse(backup.export_path)

    def test_findings_are_told(self):
        sentence = "2 attachments have no file in the filestore."
        backup = self.backed_up(result=backup_result(findings=[sentence]))
        self.assertEqual(backup.findings_text, sentence)
        self.assertTrue(backup.is_good)

    def test_a_name_that_is_free(self):
        """What is proposed replaces nothing."""
        backup = self.backed_up()
        there = [f"{backup.database}_{backup.moment:%Y%m%d_%H%M}"]
        there.append(f"{there[0]}_2")
        found = patch.object(
            type(backup), "_database_exists", lambda _self, name: name in there
        )
        with found:
            wizard = self.env["steward.backup.restoring"].create(
                {"backup_id": backup.id}
            )
            self.assertEqual(wizard.target, f"{there[0]}_3")
            self.assertFalse(wizard.exists)

    def test_restore_wizard(self):
        backup = self.backed_up()
        wizard = self.by("administrator", self.env["steward.backup.restoring"]).create(
            {}
        )
        self.assertEqual(wizard.backup_id, backup)
        self.assertRegex(wizard.target, r"_\d{8}_\d{4}$")
        self.assertFalse(wizard.exists)
        self.assertTrue(wizard.neutralize)
        for wrong in ("", "../shop", "-d", "a b", False):
            wizard.target = wrong
            with self.subTest(target=wrong), self.assertRaises(Invalid):
                wizard.action_restore()
        wizard.target = "shop_copy"
        self.assertEqual(wizard.action_restore()["res_id"], backup.id)
        for role in (*BELOW_OPERATOR, "operator"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, self.env["steward.backup.restoring"]).create({})

    def test_what_is_gone_is_not_restored(self):
        backup = self.backed_up(state="failed")
        with self.assertRaisesRegex(Invalid, "not in its storage"):
            backup.restore(backup.id, "shop_copy")
        with self.assertRaises(Invalid):
            backup.restore(2**31 - 1, "shop_copy")

    # -- drill --------------------------------------------------

    def test_drill(self):
        backup = self.backed_up()
        told = self.by("operator", backup).verify(backup.id, "restored")
        drill = self.env["steward.drill"].browse(told["drill_id"])
        self.assertEqual(drill.outcome, "work")
        self.runner.do(drill_result())
        self.assertEqual(drill.outcome, "passed")
        self.assertEqual((drill.rto_seconds, len(drill.check_ids)), (42.5, 2))
        self.assertEqual(backup.level, "restored")
        pack = self.by("viewer", drill).evidence_ids
        self.assertEqual((len(pack), pack.state), (1, "closed"))
        self.assertIn("files/boot.log", pack.files_text)
        self.assertFalse(pack._problems())
        # told once more, as after a repair
        drill.operation_id._write_own({"applied": False})
        drill.operation_id._apply()
        self.assertEqual((len(drill.check_ids), len(drill.evidence_ids)), (2, 1))

    def test_a_drill_that_proves_nothing(self):
        for result in (
            drill_result(ok=False),
            drill_result(checks=[]),
            drill_result(checks=[{"name": "rows", "ok": False}]),
            {"ok": True},
        ):
            with self.subTest(**result):
                backup = self.backed_up()
                drill = self.env["steward.drill"]._begin(backup)
                self.runner.do(result)
                self.assertEqual(drill.outcome, "failed")
                self.assertNotEqual(backup.level, "restored")
                self.assertFalse(backup.is_good)
        backup = self.backed_up()
        drill = self.env["steward.drill"]._begin(backup)
        self.runner.do(None, "lost")
        self.assertEqual(drill.outcome, "unknown")
        self.assertTrue(backup.is_good, "nothing was found out about it")

    # -- storages --------------------------------------------------

    def test_secrets_travel_as_references(self):
        secrets = self.env["steward.secret"]
        access = secrets.create({"name": "access", "reference": "env:S3_ACCESS"})
        secret = secrets.create({"name": "secret", "reference": "file:s3-secret"})
        storage = self.env["steward.storage"].create(
            {
                "name": "Cloud",
                "kind": "s3",
                "bucket": "b",
                "access_key_id": access.id,
                "secret_key_id": secret.id,
            }
        )
        key = secrets.create({"name": "key", "reference": "file:/run/secrets/key"})
        self.plan.write({"storage_ids": [(6, 0, storage.ids)], "key_id": key.id})
        self.plan.with_user(self.users["operator"]).action_run()
        _id, _verb, arguments = self.runner.claim()
        self.assertEqual(
            arguments["storage"],
            {
                "kind": "s3",
                "bucket": "b",
                "access_key": "env:S3_ACCESS",
                "secret_key": "file:s3-secret",
            },
        )
        self.assertEqual(arguments["encryption"], {"key": "file:/run/secrets/key"})
        vault = secrets.create({"name": "v", "reference": "vault:secret/backup#key"})
        with self.assertRaises(ValidationError):
            self.plan.key_id = vault
        with self.assertRaises(ValidationError):
            storage.access_key_id = vault
        with self.assertRaises(ValidationError):
            storage.bucket = False

    def test_restic(self):
        password = self.env["steward.secret"].create(
            {"name": "restic", "reference": "env:RESTIC_PASSWORD"}
        )
        storage = self.env["steward.storage"].create(
            {
                "name": "Dedup",
                "kind": "restic",
                "repository": "/srv/restic",
                "password_id": password.id,
            }
        )
        self.plan.storage_ids = storage
        [backup] = self.plan._run("test")
        _id, _verb, arguments = self.runner.claim()
        self.assertEqual(arguments["engine"], "restic")
        self.assertTrue(backup.is_encrypted)

    def test_storage_test(self):
        self.by("operator", self.storage).action_test()
        _id, verb, arguments = self.runner.claim()
        self.assertEqual(verb, "probe")
        self.assertEqual(arguments["storage"]["path"], "/srv/backups/attic")
        self.runner.end(result={"ok": True, "free_bytes": 5e9, "total_bytes": 1e11})
        self.storage.operation_id._apply()
        self.assertTrue(self.storage.last_test_ok)
        self.assertEqual(self.storage.room, "degraded")
        self.storage.path = "/srv/backups/other"
        self.assertFalse(self.storage.last_test_at or self.storage.room)
        self.storage.action_test()
        self.runner.do(None, "failed", "Nobody may write there.")
        self.assertFalse(self.storage.last_test_ok)
        self.assertEqual(self.storage.last_test_message, "Nobody may write there.")

    def test_storage_test_of_an_older_runner(self):
        self.runner.facts["verbs"] = ["backup"]
        self.runner.beat()
        self.storage.action_test()
        self.assertTrue(self.storage.last_test_ok)
        self.assertEqual(self.storage.total_bytes, 100 * 2**30)
        self.storage.path = "/elsewhere"
        self.storage.action_test()
        self.assertFalse(self.storage.last_test_ok)
        self.assertFalse(self.runner.claim())

    def test_folders(self):
        for wrong in ("backups", "/srv/../etc"):
            with self.subTest(path=wrong), self.assertRaises(ValidationError):
                self.storage.path = wrong
        self.env["steward.runner"].search([]).unlink()
        with self.assertRaisesRegex(Invalid, "No runner has told"):
            self.storage.copy({"path": False})._prepare_storage()

    # -- timeline --------------------------------------------------

    def test_timeline(self):
        first, second = self.backed_up(days_ago=2), self.backed_up()
        self.backed_up(days_ago=40)
        told = self.by("viewer", self.env["steward.backup"]).timeline(7)
        self.assertEqual(len(told["days"]), 7)
        [row] = [row for row in told["rows"] if "Attic" in row["name"]]
        self.assertEqual([mark["id"] for mark in row["marks"]], [first.id, second.id])
        self.assertIn(row["marks"][0]["day"], told["days"])
        self.assertIn("Read back · 100 MB", row["marks"][1]["title"])
        for role in ("employee", "agent"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, self.env["steward.backup"]).timeline()


class TestPlan(BackupCase):
    def test_presets(self):
        self.assertEqual(
            (self.plan.keep_daily, self.plan.keep_weekly, self.plan.keep_monthly),
            (7, 4, 3),
        )
        self.plan.preset = "production"
        self.assertEqual((self.plan.keep_daily, self.plan.keep_monthly), (30, 0))
        self.plan.preset = "own"
        self.assertEqual(self.plan.keep_daily, 30, "one's own numbers start there")
        self.plan.keep_within = 14
        self.assertEqual(self.plan._policy().within, timedelta(days=14))

    def test_calendar(self):
        with self.patched_now("2026-03-28 12:00:00"):
            self.plan.write({"at": 2.5, "every": "daily"})
            self.assertEqual(str(self.plan.next_run), "2026-03-29 01:30:00")
            self.plan.every = "none"
            self.assertFalse(self.plan.next_run)

    def patched_now(self, text):
        now = fields.Datetime.to_datetime(text)
        return patch.object(fields.Datetime, "now", lambda *_args: now)

    def test_cron_runs_what_is_due_once(self):
        with self.patched_now("2026-03-04 12:00:00"):
            now = fields.Datetime.now()
            self.plan._write_own({"next_run": now - timedelta(days=3)})
            self.env["steward.backup.plan"]._cron_run()
            self.env["steward.backup.plan"]._cron_run()
        [backup] = self.plan.backup_ids
        self.assertEqual(backup.reason, "As planned")
        self.assertGreater(self.plan.next_run, now)

    def test_a_plan_that_cannot_run_does_not_stop_others(self):
        now = fields.Datetime.now()
        broken = self.plan.copy({"name": "Broken", "sequence": 1})
        broken.storage_ids = self.storage.copy({"name": "Gone"})
        broken.storage_ids.active = False
        (self.plan + broken)._write_own({"next_run": now})
        with mute_logger("odoo.addons.steward_backup.models.steward_backup_plan"):
            self.env["steward.backup.plan"]._cron_run()
        self.assertTrue(self.plan.backup_ids)
        self.assertFalse(broken.backup_ids)

    def test_cron_drills(self):
        self.plan.drill_on = True
        backup = self.backed_up()
        self.assertTrue(self.plan.next_drill)
        with self.patched_now("2026-03-04 12:00:00"):
            now = fields.Datetime.now()
            self.plan._write_own({"next_drill": now})
            self.env["steward.backup.plan"]._cron_run()
        self.assertEqual(self.plan.drill_ids.backup_id, backup)
        self.assertGreater(self.plan.next_drill, now)

    def test_before_something_risky(self):
        self.assertFalse(self.env["steward.backup.plan"]._before("update"))
        self.plan.before_update = True
        backup = self.env["steward.backup.plan"]._before("Update of the shop")
        self.assertEqual(
            (backup.plan_id, backup.reason), (self.plan, "Update of the shop")
        )

    def test_prune(self):
        self.plan.write({"preset": "own", "keep_daily": 2, "keep_minimum": 1})
        self.plan.write({"keep_weekly": 0, "keep_monthly": 0})
        with patch.object(type(self.plan), "_prune", lambda _plan: None):
            old = self.backed_up(days_ago=5)
            kept = self.backed_up(days_ago=4)
            kept.protected = True
            middle = self.backed_up(days_ago=1)
        newest = self.backed_up()
        _id, verb, arguments = self.runner.claim()
        self.assertEqual(verb, "prune")
        self.assertEqual(arguments["remove"], [old.path])
        self.assertCountEqual(arguments["keep"], [kept.path, middle.path, newest.path])
        self.assertFalse(old.pruned_at, "only the runner says that it is gone")
        # a runner that removed more than it was asked is not believed
        self.runner.end(result={"removed": [old.path, newest.path]})
        self.plan.operation_id._apply()
        self.assertTrue(old.pruned_at)
        self.assertEqual(old.look, "gone")
        self.assertFalse(newest.pruned_at)
        self.assertFalse(self.runner.claim())

    def test_what_is_in_use_does_not_go(self):
        self.plan.write({"preset": "own", "keep_daily": 1, "keep_minimum": 1})
        self.plan.write({"keep_weekly": 0, "keep_monthly": 0})
        with patch.object(type(self.plan), "_prune", lambda _plan: None):
            drilled, verified = self.backed_up(days_ago=3), self.backed_up(days_ago=2)
            self.backed_up()
        drilled.verify(drilled.id, "restored")
        verified.verify(verified.id)
        self.plan._prune()
        asked = self.env["steward.operation"].search([("state", "=", "queued")])
        self.assertCountEqual(asked.mapped("verb"), ["drill", "verify"])

    def test_nothing_goes_after_a_failed_run(self):
        self.plan.write({"preset": "own", "keep_daily": 1, "keep_minimum": 1})
        self.plan.write({"keep_weekly": 0, "keep_monthly": 0})
        with patch.object(type(self.plan), "_prune", lambda _plan: None):
            self.backed_up(days_ago=3)
            self.backed_up(days_ago=2)
        self.assertFalse(all(v.keep for v in self.plan._decide().values()))
        self.backed_up(state="failed", error="No room.")
        self.assertTrue(all(v.keep for v in self.plan._decide().values()))
        self.plan._prune()
        self.assertFalse(self.runner.claim())

    def test_what_if(self):
        with patch.object(type(self.plan), "_prune", lambda _plan: None):
            for days in (20, 3, 2, 1):
                self.backed_up(days_ago=days)
        self.plan.keep_minimum = 1
        wizard = self.by("administrator", self.env["steward.backup.what.if"]).create(
            {"plan_id": self.plan.id}
        )
        self.assertEqual((wizard.goes_count, wizard.stays_count), (0, 4))
        self.assertIn("the newest good one", wizard.line_ids[0].why)
        wizard.preset = "own"
        wizard.write({"keep_daily": 1, "keep_weekly": 0, "keep_monthly": 0})
        self.assertEqual((wizard.goes_count, wizard.stays_count), (3, 1))
        self.assertEqual(wizard.goes_bytes, 300 * MB)
        self.assertFalse(self.runner.claim(), "trying removes nothing")
        self.assertEqual(self.plan.keep_daily, 7)
        wizard.action_apply()
        self.assertEqual((self.plan.preset, self.plan.keep_daily), ("own", 1))
        theirs = self.by("viewer", self.env["steward.backup.what.if"]).create(
            {"plan_id": self.plan.id}
        )
        with self.assertRaises(AccessError):
            theirs.action_apply()

    def test_a_plan_with_backups_is_not_deleted(self):
        self.backed_up()
        for record in (self.plan, self.storage):
            with (
                self.subTest(record=record),
                self.assertRaisesRegex(Refused, "Archive"),
            ):
                self.by("administrator", record).unlink()
        spare = self.plan.copy({"name": "Spare"})
        self.by("administrator", spare).unlink()
        self.assertFalse(spare.exists())


class TestDashboard(BackupCase):
    def cards(self):
        board = self.by("viewer", self.env["steward.dashboard"])
        names = ["backups", "backup_alarms", "backup_size"]
        cards = board.data("week", [], names)["cards"]
        for name, card in cards.items():
            self.assertNotIn("error", card, name)
        return cards

    def test_nothing_yet(self):
        parts = {part["name"]: part for part in self.cards()["backups"]["parts"]}
        self.assertEqual(parts["last"]["status"], "degraded")
        self.assertEqual(parts["drill"]["status"], "unknown")

    def test_after_a_drill(self):
        backup = self.backed_up()
        self.env["steward.drill"]._begin(backup)
        self.runner.do(drill_result())
        cards = self.cards()
        parts = {part["name"]: part for part in cards["backups"]["parts"]}
        self.assertEqual(parts["last"]["status"], "ok")
        self.assertIn("Restored, 100 MB", parts["last"]["reason"])
        self.assertEqual(parts["drill"]["value"], "Passed")
        self.assertEqual(parts["next"]["reason"], "Nightly")
        self.assertIn("are free", parts[f"storage {self.storage.id}"]["reason"])
        [series] = cards["backup_size"]["series"]
        self.assertEqual([value for value in series["values"] if value], [100.0])

    def test_first_step(self):
        steps = self.env["steward.status"].first_steps
        self.assertFalse(steps()["backup"])
        self.backed_up()
        self.assertTrue(steps()["backup"])
