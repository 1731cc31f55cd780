"""Keys, S3 and restic, as Odoo asks for them and takes over what the runner tells."""

from odoo.exceptions import AccessError, ValidationError

from .common import MB, BackupCase, backup_result


class TestStorageKinds(BackupCase):
    def secret(self, name, reference=None):
        return self.env["steward.secret"].create(
            {"name": name, "reference": reference or f"file:{name}"}
        )

    def missing(self, sentence="There is no secret one."):
        """The runner ends what it claimed, for want of a key."""
        self.runner.claim()
        self.runner.end("failed", None, sentence)
        self.runner.sql(
            "UPDATE steward_operation SET detail = 'key_missing' WHERE id = %s",
            self.runner.operation_id,
        )
        operation = self.env["steward.operation"].browse(self.runner.operation_id)
        operation._apply()

    # -- keys --------------------------------------------------

    def test_a_key_that_is_replaced_still_opens_old_backups(self):
        one, two = self.secret("one"), self.secret("two")
        self.plan.key_id = one
        backup = self.backed_up()
        self.plan.key_id = two
        self.assertEqual(self.plan.old_key_ids, one)
        backup._verify("readback")
        _id, _verb, arguments = self.runner.claim()
        told = {"key": "file:two", "keys": ["file:one"]}
        self.assertEqual(arguments["encryption"], told)
        self.runner.end(result={"ok": True, "level": "readback", "findings": []})
        backup.operation_id._apply()
        # what is written is written with one key
        self.plan._run("test")
        _id, _verb, arguments = self.runner.claim()
        self.assertEqual(arguments["encryption"], {"key": "file:two"})
        # and a plan that encrypts no more can still read what it has
        self.plan.key_id = False
        self.assertEqual(
            backup._prepare_operation()["encryption"],
            {"keys": ["file:one", "file:two"]},
        )

    def test_earlier_keys_are_in_the_runners_reach_and_nobody_elses(self):
        with self.assertRaises(ValidationError):
            self.plan.old_key_ids = self.secret("v", "vault:secret/backup#key")
        with self.assertRaises(AccessError):
            self.by("operator", self.plan).read(["old_key_ids"])

    def test_encrypted_is_what_the_runner_says(self):
        self.plan.key_id = self.secret("one")
        encryption = {"cipher": "AES-256-GCM", "key_id": "0a1b"}
        backup = self.backed_up(result=backup_result(encryption=encryption))
        self.assertTrue(backup.is_encrypted)
        self.assertEqual(backup.encryption_key, "0a1b")
        backup = self.backed_up(result=backup_result(encryption=None))
        self.assertFalse(backup.is_encrypted or backup.encryption_key)

    def test_a_key_that_is_missing(self):
        self.plan.key_id = self.secret("one")
        self.backed_up()
        self.assertNotIn("key", self.alarms())
        self.plan._run("test")
        self.missing()
        self.assertEqual(self.alarms("key", "failed"), ["failed", "key"])
        alarm = self.alarm("key")
        self.assertIn("There is no secret one.", alarm.sentence)
        self.assertIn("Put the key back", alarm.remedy)
        self.backed_up()
        self.assertEqual(self.alarms("key", "failed"), [])

    def test_a_key_that_is_missing_for_reading(self):
        self.plan.key_id = self.secret("one")
        backup = self.backed_up()
        backup._verify("readback")
        self.missing()
        self.assertEqual(self.alarms("key"), ["key"])
        self.assertTrue(backup.is_good, "nothing was found out about it")

    # -- restic --------------------------------------------------

    def restic(self, **values):
        return self.env["steward.storage"].create(
            {
                "name": "Dedup",
                "kind": "restic",
                "repository": "s3:https://s3.example.com/backups",
                "password_id": self.secret("restic").id,
                **values,
            }
        )

    def test_no_password_in_the_address(self):
        for repository in (
            "rest:https://me:" + "p" * 12 + "@host.example.com/",
            "sftp:me@host.example.com:/srv",
            "rclone:cloud:backups",
            "-repository",
            "srv/restic",
        ):
            with self.subTest(repository), self.assertRaises(ValidationError):
                self.restic(repository=repository)

    def test_what_it_adds_is_what_it_takes(self):
        storage = self.restic(repository="/srv/backups/restic")
        storage._write_own({"free_bytes": 30 * MB, "total_bytes": 200 * MB})
        self.plan.storage_ids = storage
        told = backup_result(100 * MB, added_bytes=2 * MB)
        backup = self.backed_up(result=told)
        self.assertEqual(backup.added_bytes, 2 * MB)
        self.assertEqual(self.alarms("storage"), [])
        self.backed_up(result=backup_result(100 * MB))
        self.assertEqual(self.alarms("storage"), ["storage"])

    # -- the test of a storage --------------------------------------------------

    def test_what_a_test_finds(self):
        storage = self.restic()
        self.by("operator", storage).action_test()
        self.runner.do(
            {"ok": True, "used_bytes": 5 * MB, "sentence": "The clocks differ."}
        )
        self.assertTrue(storage.last_test_ok)
        self.assertEqual(storage.found_bytes, 5 * MB)
        self.assertEqual(storage.last_test_message, "The clocks differ.")
        storage.repository = "s3:https://s3.example.com/others"
        self.assertFalse(storage.found_bytes)

    # -- PostgreSQL's own log --------------------------------------------------

    def pitr(self, **told):
        self.runner.facts["pitr"] = told
        self.runner.beat()
        self.assertEqual(
            self.env["steward.backup"].timeline(7)["pitr"], self.storage.pitr or ""
        )
        return self.storage.pitr or ""

    def test_who_keeps_the_log(self):
        self.assertEqual(self.pitr(), "")
        moment = "2026-03-04 02:00:00"
        self.assertIn("any moment", self.pitr(tool="pgBackRest", archived_at=moment))
        self.assertIn("not kept any", self.pitr(tool="WAL-G", archived_at=None))
        failed = self.pitr(tool="WAL-G", archived_at=moment, failing=True)
        self.assertIn("WAL-G keeps PostgreSQL's log, but has failed", failed)
