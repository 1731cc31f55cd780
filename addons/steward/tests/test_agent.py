import re
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessDenied, AccessError, ValidationError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from .common import PatientHttpCase

PASSWORD = "a long password"


class TestAgent(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = new_test_user(
            cls.env, "steward_agent", groups="steward.group_agent", password=PASSWORD
        )
        cls.viewer = new_test_user(
            cls.env, "steward_viewer", groups="steward.group_viewer", password=PASSWORD
        )

    def key(self, user, days=30):
        expires = fields.Datetime.now() + timedelta(days=days)
        keys = self.env["res.users.apikeys"].with_user(user)
        return keys._generate(None, "test", expires)

    def check(self, user, password, interactive):
        credential = {"type": "password", "login": user.login, "password": password}
        return user.with_user(user)._check_credentials(
            credential, {"interactive": interactive}
        )

    def test_no_menus(self):
        menus = self.env["ir.ui.menu"]
        self.assertFalse(menus.with_user(self.agent)._visible_menu_ids())
        self.assertTrue(menus.with_user(self.viewer)._visible_menu_ids())
        both = self.viewer.copy({"login": "steward_both"})
        both.group_ids += self.env.ref("steward.group_agent")
        self.assertFalse(menus.with_user(both)._visible_menu_ids())

    def test_no_login(self):
        with self.assertRaisesRegex(AccessDenied, "works with an API key"):
            self.check(self.agent, PASSWORD, interactive=True)
        self.assertTrue(self.check(self.viewer, PASSWORD, interactive=True))

    def test_wrong_password_tells_nothing(self):
        with self.assertRaisesRegex(AccessDenied, "^Access Denied$"):
            self.check(self.agent, "wrong", interactive=True)

    def test_rpc_by_key_only(self):
        with self.assertRaises(AccessDenied):
            self.check(self.agent, PASSWORD, interactive=False)
        info = self.check(self.agent, self.key(self.agent), interactive=False)
        self.assertEqual(info["uid"], self.agent.id)
        self.assertTrue(self.check(self.viewer, PASSWORD, interactive=False))

    def test_key_of_another(self):
        with self.assertRaises(AccessDenied):
            self.check(self.agent, self.key(self.viewer), interactive=False)

    def test_no_session_is_valid(self):
        """However the session came about."""
        sid = "s" * 84
        self.assertFalse(self.agent._compute_session_token(sid))
        self.assertTrue(self.viewer._compute_session_token(sid))
        self.env["res.users"].browse(2**30)._compute_session_token(sid)  # is gone

    def test_own_key(self):
        agents = self.env["res.users"].with_user(self.agent)
        answer = agents.create_agent_key("next year's", days=30)
        info = self.check(self.agent, answer["key"], interactive=False)
        self.assertEqual(info["uid"], self.agent.id)
        self.assertRegex(answer["expires_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_own_key_is_limited(self):
        agents = self.env["res.users"].with_user(self.agent)
        self.assertEqual(self.env.ref("steward.group_agent").api_key_duration, 90)
        for name, days in (("long", 91), ("for ever", 0), ("past", -1), (" ", 1)):
            with self.subTest(name), self.assertRaises(ValidationError):
                agents.create_agent_key(name, days=days)
        with self.assertRaises(ValidationError):
            self.env["res.users.apikeys"].with_user(self.agent)._generate(
                None, "persistent", None
            )

    def test_others_make_keys_elsewhere(self):
        with self.assertRaises(AccessError):
            self.env["res.users"].with_user(self.viewer).create_agent_key("mine")

    def test_no_administrator(self):
        agent = self.env.ref("steward.group_agent")
        for group in ("base.group_system", "steward.group_administrator"):
            admin = new_test_user(self.env, f"admin_{group}", groups=group)
            with self.subTest(group), self.assertRaises(ValidationError):
                admin.group_ids += agent
        portal = new_test_user(self.env, "portal", groups="base.group_portal")
        with self.assertRaises(ValidationError):
            portal.group_ids += agent

    def test_reads_what_it_may_only(self):
        with self.assertRaises(AccessError):
            self.env["queue.job"].with_user(self.agent).search([])
        with self.assertRaises(AccessError):
            self.env["steward.status"].with_user(self.agent).health()


@tagged("post_install", "-at_install")
class TestAgentOverHttp(PatientHttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = new_test_user(
            cls.env, "steward_agent", groups="steward.group_agent", password=PASSWORD
        )
        expires = fields.Datetime.now() + timedelta(days=1)
        keys = cls.env["res.users.apikeys"].with_user(cls.agent)
        cls.key = keys._generate(None, "test", expires)

    def login(self, login):
        page = self.url_open("/web/login").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        data = {"login": login, "password": PASSWORD, "csrf_token": token}
        return self.url_open("/web/login", data=data)

    def test_login_page(self):
        answer = self.login(self.agent.login)
        self.assertIn("This account is for programs", answer.text)
        answer = self.url_open("/odoo", allow_redirects=False)
        self.assertEqual(answer.status_code, 303)
        self.assertIn("/web/login", answer.headers["Location"])

    @mute_logger("odoo.http")
    def test_json_session(self):
        params = {"db": self.env.cr.dbname, "login": self.agent.login}
        answer = self.url_open(
            "/web/session/authenticate",
            json={"jsonrpc": "2.0", "params": {**params, "password": PASSWORD}},
        ).json()
        self.assertIn("AccessDenied", answer["error"]["data"]["name"])

    def test_forged_session(self):
        """A session without our refusal, as OAuth might make it, opens nothing."""
        self.authenticate(None, None)
        self.session.uid, self.session.login = self.agent.id, self.agent.login
        self.session.session_token = "x" * 64
        answer = self.url_open("/web/webclient/load_menus", allow_redirects=False)
        self.assertNotEqual(answer.status_code, 200)

    def test_json2(self):
        headers = {"Authorization": f"Bearer {self.key}"}
        url = "/json/2/res.users/context_get"
        answer = self.url_open(url, json={"context": {}}, headers=headers)
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(answer.json()["uid"], self.agent.id)
        wrong = {"Authorization": f"Bearer {PASSWORD}"}
        self.assertEqual(
            self.url_open(url, json={"context": {}}, headers=wrong).status_code, 401
        )

    def test_json2_new_key(self):
        answer = self.url_open(
            "/json/2/res.users/create_agent_key",
            json={"name": "next", "days": 7},
            headers={"Authorization": f"Bearer {self.key}"},
        )
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(len(answer.json()["key"]), 40)

    @mute_logger("odoo.addons.rpc.controllers.xmlrpc")
    def test_xmlrpc(self):
        database, login = self.env.cr.dbname, self.agent.login
        uid = self.xmlrpc_common.authenticate(database, login, self.key, {})
        self.assertEqual(uid, self.agent.id)
        self.assertFalse(self.xmlrpc_common.authenticate(database, login, PASSWORD, {}))
        found = self.xmlrpc_object.execute_kw(
            *(database, uid, self.key, "res.users", "read"), [[uid], ["login"]]
        )
        self.assertEqual(found[0]["login"], login)
