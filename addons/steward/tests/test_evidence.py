import json
import zipfile
from io import BytesIO

from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, UserError

from .runner_common import RunnerCase


class TestEvidence(RunnerCase):
    def setUp(self):
        super().setUp()
        self.packs = self.env["steward.evidence"]
        self.subject = self.env["steward.rate.limit"].create(
            {"name": "subject", "rate": 1}
        )
        self.pack = self.packs._open(self.subject, "check")
        self.pack._add({"files/log.txt": "all well", "files/data.bin": b"\x00\xff"})

    def close(self, **verification):
        self.pack._close({"ok": True, "checks": [], **verification})
        with zipfile.ZipFile(BytesIO(self.pack.attachment_id.raw)) as archive:
            root = archive.namelist()[0].rpartition("/")[0]
            return {
                name.removeprefix(f"{root}/").removeprefix("files/"): archive.read(name)
                for name in archive.namelist()
            }

    def test_closed_pack(self):
        files = self.close(checks=[{"name": "rows", "ok": True, "sentence": "all 7"}])
        self.assertEqual(files["log.txt"], b"all well")
        self.assertEqual(files["data.bin"], b"\x00\xff")
        runtime = json.loads(files["runtime.json"])
        self.assertEqual(runtime["database"], self.env.cr.dbname)
        self.assertIn("steward", runtime["modules"])
        self.assertTrue(json.loads(files["verification.json"])["ok"])
        self.assertIn("| rows | yes | all 7 |", self.pack.summary)
        self.assertIn("MANIFEST.sha256", files)
        self.assertIn("log.txt", self.pack.files_text)
        self.assertFalse(self.pack._problems())
        loose = self.env["ir.attachment"].search(
            [("res_model", "=", "steward.evidence"), ("res_id", "=", self.pack.id)]
        )
        self.assertEqual(loose, self.pack.attachment_id)

    def test_closed_is_closed(self):
        self.close()
        for change in (
            lambda: self.pack._add({"late.txt": "x"}),
            lambda: self.pack._close({"ok": False}),
        ):
            with self.assertRaisesRegex(Invalid, "stays as it is"):
                change()
        for role in self.users:
            pack = self.pack.with_user(self.users[role])
            for values in ({"summary": "better"}, {"attachment_id": False}):
                with self.subTest(role=role, **values), self.assertRaises(UserError):
                    pack.write(values)
            with self.subTest(role=role), self.assertRaises(UserError):
                pack.unlink()
            with self.subTest(role=role), self.assertRaises(UserError):
                pack.attachment_id.write({"raw": b"other"})
        with self.assertRaises(Refused):
            self.pack.write({"sha256": "0" * 64})

    def test_a_change_behind_its_back_shows(self):
        self.close()
        self.assertEqual(self.pack.action_verify()["params"]["type"], "success")
        self.pack.attachment_id.raw = self.pack.attachment_id.raw[:-30]
        self.assertTrue(self.pack._problems())
        self.assertEqual(self.pack.action_verify()["params"]["type"], "danger")
        self.pack.attachment_id.raw += b""
        other = self.packs._open(self.subject, "check")
        other._close({"ok": True})
        self.pack.attachment_id.raw = other.attachment_id.raw
        self.assertEqual(self.pack._problems(), ["The zip was made anew."])

    def test_paths(self):
        for wrong in ("../x", "/x", "files/log.txt", "MANIFEST.sha256"):
            with self.subTest(path=wrong), self.assertRaises(Invalid):
                self.pack._add({wrong: "x"})

    def test_who_downloads(self):
        with self.assertRaises(Invalid):
            self.pack.action_download()
        self.close()
        viewer = self.pack.with_user(self.users["viewer"])
        self.assertIn(str(self.pack.attachment_id.id), viewer.action_download()["url"])
        self.assertTrue(viewer.attachment_id.raw)
        for role in ("employee", "agent"):
            pack = self.pack.with_user(self.users[role])
            with self.subTest(role=role), self.assertRaises(AccessError):
                pack.action_download()
            with self.subTest(role=role), self.assertRaises(AccessError):
                pack.action_verify()
            with self.subTest(role=role), self.assertRaises(AccessError):
                pack.attachment_id.read(["raw"])
