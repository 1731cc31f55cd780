import json

from odoo import Command
from odoo.addons.steward.exceptions import StewardError
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

PAGE = {
    "external_id": "a",
    "title": "Tea",
    "text": "Green tea is brewed at 70 degrees.",
}


@tagged("post_install", "-at_install")
class TestHook(HttpCase):
    """Pages that a service elsewhere sends to an address."""

    def setUp(self):
        super().setUp()
        self.source = self.env["steward.source"].create(
            {"name": "Wiki of tea", "kind": "push"}
        )
        self.operator = new_test_user(
            self.env, "tea-operator", groups="steward.group_operator"
        )
        self.hook, self.address = self.make(self.operator)

    def make(self, user):
        action = self.source.with_user(user).action_new_hook()
        hook = self.env["steward.hook"].browse(action["res_id"])
        return hook, hook.with_context(**action["context"]).address

    def send(self, payload, address=None):
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        path = (address or self.address).removeprefix(self.hook.get_base_url())
        with mute_logger("odoo.http"):
            return self.url_open(
                path,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=60,
            )

    def test_documents_come_in(self):
        answer = self.send({"documents": [PAGE]})
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(answer.json()["new"], 1)
        self.assertEqual(self.source.document_ids.name, "Tea")
        self.assertEqual(self.source.document_ids.create_uid, self.operator)
        self.assertTrue(self.hook.used_at)
        self.assertEqual(self.send([PAGE]).json()["unchanged"], 1)

    def test_an_address_is_shown_once(self):
        self.assertFalse(self.hook.address)
        self.assertNotIn(self.address.rpartition("/")[2], str(self.hook.sudo().read()))
        self.hook.with_user(self.operator).action_new_address()
        answer = self.send([PAGE])
        self.assertEqual(answer.status_code, 404)
        self.assertFalse(self.source.document_ids)

    def test_who_is_not_let_in(self):
        self.assertEqual(self.send([PAGE], self.address + "x").status_code, 404)
        self.hook.active = False
        self.assertEqual(self.send([PAGE]).status_code, 404)
        self.hook.active = True
        self.operator.active = False
        answer = self.send([PAGE])
        self.assertEqual(answer.status_code, 403)
        self.assertEqual(answer.json()["code"], "STEWARD-REFUSED")
        self.assertFalse(self.source.document_ids)

    def test_an_account_that_lost_its_right(self):
        self.operator.group_ids = [Command.set([self.env.ref("base.group_user").id])]
        answer = self.send([PAGE])
        self.assertEqual(answer.status_code, 403)
        self.assertFalse(self.source.document_ids)

    def test_what_makes_no_sense(self):
        for nonsense in (b"{", b"[" * 100_000, b"7", b'{"documents": "x"}', b"\x00"):
            with self.subTest(nonsense=nonsense[:10]):
                answer = self.send(nonsense)
                self.assertEqual(answer.status_code, 422)
                self.assertEqual(
                    answer.headers["Content-Type"], "application/problem+json"
                )

    def test_too_often(self):
        company = self.hook.company_id.id
        limits = self.env["steward.rate.limit"]
        self.addCleanup(limits._forget_known)  # the process keeps it otherwise
        limits.create(
            {"name": "hook", "company_id": company, "rate": 1, "per": 3600, "burst": 1}
        )
        self.assertEqual(self.send([PAGE]).status_code, 200)
        answer = self.send([PAGE])
        self.assertEqual(answer.status_code, 429)
        self.assertGreater(int(answer.headers["Retry-After"]), 0)

    def test_nobody_lends_anothers_rights(self):
        admin = self.env.ref("base.user_admin")
        with self.assertRaises(StewardError):
            self.hook.with_user(self.operator).user_id = admin

    def test_viewers_make_none(self):
        viewer = new_test_user(self.env, "tea-viewer", groups="steward.group_viewer")
        with self.assertRaises(AccessError):
            self.make(viewer)

    def test_only_for_pushed_documents(self):
        files = self.env["steward.source"].create({"name": "F", "kind": "files"})
        with self.assertRaises(StewardError):
            self.hook.source_id = files
