import json
import xmlrpc.client
from datetime import timedelta

from odoo import fields
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from .ledger_common import run, step


@tagged("post_install", "-at_install")
class TestOverTheWire(HttpCase):
    """The examples of docs/ledger.md, as programs elsewhere call them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {}
        cls.users = {}
        for role in ("agent", "viewer", "reviewer"):
            user = new_test_user(
                cls.env, f"wire_{role}", groups=f"steward.group_{role}"
            )
            expires = fields.Datetime.now() + timedelta(days=1)
            keys = cls.env["res.users.apikeys"].with_user(user)
            cls.keys[role] = keys._generate(None, "test", expires)
            cls.users[role] = user

    def json2(self, role, method, **arguments):
        answer = self.url_open(
            f"/json/2/steward.run/{method}",
            data=json.dumps(arguments),
            headers={
                "Authorization": f"Bearer {self.keys[role]}",
                "Content-Type": "application/json",
            },
            timeout=60,
        )
        return answer.status_code, answer.json()

    def xmlrpc(self, role, model, method, *arguments, **named):
        proxy = xmlrpc.client.ServerProxy(
            f"{self.base_url()}/xmlrpc/2/object", transport=self.transport()
        )
        return proxy.execute_kw(
            self.env.cr.dbname,
            self.users[role].id,
            self.keys[role],
            model,
            method,
            list(arguments),
            named,
        )

    def transport(self):
        opener = self.opener

        class Transport(xmlrpc.client.Transport):
            def request(self, host, handler, body, verbose=False):
                answer = opener.post(f"http://{host}{handler}", body, timeout=60)
                parser, target = self.getparser()
                parser.feed(answer.content)
                parser.close()
                return target.close()

        return Transport()

    def test_json2(self):
        batch = {"runs": [run(status="ok")], "steps": [step("1"), step(kind="?")]}
        status, answer = self.json2("agent", "report", batch=batch)
        self.assertEqual(status, 200)
        self.assertEqual((answer["runs"], answer["steps"]), (1, 1))
        self.assertEqual(answer["rejected"][0]["code"], "kind")
        status, answer = self.json2("agent", "status", trace_id="t1")
        self.assertEqual(answer, {"trace_id": "t1", "state": "completed"})
        judgement = {"trace_id": "t1", "verdict": "approved", "score": 4}
        status, answer = self.json2("reviewer", "feedback", **judgement)
        self.assertEqual((status, answer), (200, {"trace_id": "t1"}))

    @mute_logger("odoo.http", "odoo.addons.rpc.controllers.json2")
    def test_json2_denied(self):
        for role in ("viewer", "reviewer"):
            status, _answer = self.json2(role, "report", batch={"runs": [run()]})
            self.assertEqual(status, 403)
        status, _answer = self.json2(
            "agent", "feedback", trace_id="t1", verdict="approved"
        )
        self.assertIn(status, (403, 422))
        for method in ("_ingest", "_count_ended", "create", "write"):
            status, _answer = self.json2(
                "agent", method, runs=[], steps=[], vals_list=[], vals={}, ids=[]
            )
            self.assertGreaterEqual(status, 400)
        self.assertFalse(self.env["steward.run"].search([("trace_id", "=", "t1")]))

    @mute_logger("odoo.addons.rpc.controllers.xmlrpc")
    def test_xmlrpc(self):
        batch = {
            "runs": [run(status="ok", output="done")],
            "steps": [step("1", tokens_in=2**31 - 1, attributes={"big": 1.5e18})],
        }
        answer = self.xmlrpc("agent", "steward.run", "report", batch)
        self.assertEqual(
            answer, {"runs": 1, "steps": 1, "duplicates": 0, "rejected": []}
        )
        rows = self.xmlrpc(
            *("viewer", "steward.step", "search_read"),
            [("run_id.trace_id", "=", "t1")],
        )
        self.assertEqual(rows[0]["tokens_in"], 2**31 - 1)
        rows = self.xmlrpc("viewer", "steward.run", "search_read", [])
        self.assertEqual(rows[0]["output"], "done")
        self.assertTrue(self.xmlrpc("viewer", "steward.metric", "search_read", []))

    @mute_logger("odoo.http", "odoo.addons.rpc.controllers.xmlrpc")
    def test_xmlrpc_denied(self):
        forged = {"trace_id": "t1", "state": "completed", "cost": 0}
        for role, model, method, *arguments in (
            ("viewer", "steward.run", "report", {"runs": [run()]}),
            ("agent", "steward.run", "search_read", []),
            ("agent", "steward.step", "search_read", []),
            ("agent", "steward.run", "create", forged),
            ("reviewer", "steward.run", "create", forged),
            ("agent", "steward.run", "_ingest", [], []),
            ("agent", "steward.step", "_drop_table"),
            ("agent", "steward.metric", "_merge", 5),
        ):
            with self.subTest(method), self.assertRaises(xmlrpc.client.Fault):
                self.xmlrpc(role, model, method, *arguments)
