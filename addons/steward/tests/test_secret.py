import os
import stat
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.service.model import get_public_method
from odoo.tests import Form, new_test_user
from odoo.tools import mute_logger

from .. import exceptions
from ..kernel.redactor import REDACTOR, redact
from ..models import steward_secret
from .http_common import HttpKit

VALUE = "correct-horse-battery"


class SecretKit(HttpKit):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin = new_test_user(
            cls.env, "steward_admin", groups="steward.group_administrator"
        )
        cls.operator = new_test_user(
            cls.env, "steward_operator", groups="steward.group_operator"
        )

    def setUp(self):
        super().setUp()
        steward_secret.CACHE.clear()
        self.addCleanup(steward_secret.CACHE.clear)
        self.addCleanup(REDACTOR.forget, VALUE)
        self.enterContext(patch.dict(os.environ, {"STEWARD_TEST": VALUE}))

    def secret(self, reference="env:STEWARD_TEST", **values):
        values = {"name": "Test", "reference": reference, **values}
        return self.env["steward.secret"].with_user(self.admin).create(values)

    def unavailable(self, secret, words, retryable=False):
        with self.assertRaises(exceptions.SecretUnavailable) as caught:
            secret._resolve()
        self.assertIn(words, caught.exception.sentence)
        self.assertEqual(caught.exception.retryable, retryable)
        self.assertNotIn(VALUE, repr(caught.exception))
        return caught.exception


class TestSecret(SecretKit):
    def test_value_comes_from_its_place(self):
        secret = self.secret()
        self.assertEqual(secret._resolve(), VALUE)
        self.assertEqual(secret.scheme, "env")
        self.assertEqual(redact(f"it is {VALUE}"), "it is [redacted:known]")

    def test_value_is_nowhere_in_the_database(self):
        secret = self.secret()
        secret._resolve()
        secret.action_test()
        secret.flush_recordset()
        self.env.cr.execute(
            "SELECT row_to_json(s)::text FROM steward_secret s WHERE id = %s",
            [secret.id],
        )
        self.assertNotIn(VALUE, self.env.cr.fetchone()[0])

    def test_short_memory(self):
        secret = self.secret()
        secret._resolve()
        with patch.dict(os.environ, {"STEWARD_TEST": "rotated-value"}):
            self.assertEqual(secret._resolve(), VALUE)
            with patch.object(
                steward_secret.time,
                "monotonic",
                return_value=steward_secret.time.monotonic() + 61,
            ):
                self.assertEqual(secret._resolve(), "rotated-value")
        REDACTOR.forget("rotated-value")

    def test_memory_forgets_another_place(self):
        secret = self.secret()
        secret._resolve()
        secret.reference = "env:STEWARD_NOT_SET"
        self.unavailable(secret, "STEWARD_NOT_SET is not set")

    def test_memory_is_bounded(self):
        cache = steward_secret._Cache()
        for number in range(steward_secret.CACHE_SIZE + 10):
            cache.put(number, "x")
        self.assertEqual(len(cache.values), steward_secret.CACHE_SIZE)
        self.assertIsNone(cache.get(0))

    def test_archived(self):
        secret = self.secret()
        secret.active = False
        self.unavailable(secret, "archived")

    def test_other_company(self):
        other = self.env["res.company"].create({"name": "Other"})
        secret = self.secret()
        secret.sudo().company_id = other
        self.env.flush_all()
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            secret.read(["name"])
        self.unavailable(secret, "another company")
        self.assertEqual(secret.sudo()._resolve(), VALUE)

    def test_scheme_and_settled_form(self):
        secret = self.secret(" vault:secret/a//b#k ".replace("//", "/"))
        self.assertEqual(secret.reference, "vault:secret/a/b#k")
        self.assertEqual(secret.scheme, "vault")


class TestRawSecret(SecretKit):
    RAW = "sk-" + "4f7Q" * 10

    def test_pasted_key_is_refused(self):
        secret = self.secret()
        for act in (
            lambda: self.secret(self.RAW),
            lambda: self.secret(f"env:{self.RAW}"),
            lambda: secret.write({"reference": self.RAW}),
            lambda: self.secret(""),
            lambda: self.secret("hunter2"),
        ):
            with (
                self.assertLogs("odoo.sql_db", 10) as log,
                self.assertRaises(exceptions.Invalid) as caught,
            ):
                self.env.cr.execute("SELECT 1")
                act()
            self.assertNotIn(self.RAW, str(log.output) + repr(caught.exception))
        self.assertIn("env:NAME", caught.exception.sentence)
        self.assertEqual(secret.reference, "env:STEWARD_TEST")

    def test_form_says_so_at_once(self):
        secrets = self.env["steward.secret"].with_user(self.admin)
        result = secrets.onchange(
            {"reference": self.RAW}, ["reference"], {"reference": {}}
        )
        self.assertIn("looks like the secret", result["warning"]["message"])
        self.assertFalse(result["value"]["reference"])
        with Form(secrets) as form:
            form.name = "Fine"
            form.reference = " env:STEWARD_TEST"
            self.assertEqual(form.reference, "env:STEWARD_TEST")
            self.assertIsNone(secrets.new({})._onchange_reference())

    def test_pasted_token_of_vault_is_refused(self):
        settings_model = self.env["res.config.settings"]
        for token in ("hvs." + "4f7Q" * 10, "vault:secret/a#b"):
            with self.assertRaises(exceptions.Invalid):
                settings_model.create({"steward_vault_token": token})
            with self.assertRaises(exceptions.Invalid):
                settings_model.create({}).write({"steward_vault_token": token})
        settings_model.create({"steward_vault_token": "env:VAULT_TOKEN"}).set_values()
        get = self.env["ir.config_parameter"].get_param
        self.assertEqual(get("steward.vault.token"), "env:VAULT_TOKEN")
        settings = settings_model.new({"steward_vault_token": "hvs." + "4f7Q" * 10})
        self.assertIn("warning", settings._onchange_steward_vault_token())
        self.assertFalse(settings.steward_vault_token)
        self.assertIsNone(settings._onchange_steward_vault_token())
        settings.steward_vault_token = "file:token"
        self.assertIsNone(settings._onchange_steward_vault_token())


class TestTestButton(SecretKit):
    def test_says_it_works_without_showing(self):
        secret = self.secret()
        self.assertEqual(secret.health, "untested")
        told = secret.action_test()
        self.assertEqual(told["params"]["type"], "success")
        self.assertNotIn(VALUE, str(told))
        self.assertTrue(secret.last_test_ok)
        self.assertTrue(secret.last_test_at)
        self.assertEqual(secret.health, "ok")

    def test_says_why_not(self):
        secret = self.secret("env:STEWARD_NOT_SET")
        told = secret.action_test()
        self.assertEqual(told["params"]["type"], "danger")
        self.assertIn("STEWARD_NOT_SET is not set", secret.last_test_message)
        self.assertEqual(secret.health, "failed")

    def test_looks_anew(self):
        secret = self.secret()
        secret.action_test()
        with patch.dict(os.environ):
            del os.environ["STEWARD_TEST"]
            secret.action_test()
        self.assertFalse(secret.last_test_ok)

    def test_another_place_is_untested(self):
        secret = self.secret()
        secret.action_test()
        secret.reference = "env:OTHER"
        self.assertEqual(secret.health, "untested")
        self.assertFalse(secret.last_test_message)

    def test_rotation(self):
        today = fields.Date.today()
        # it may not be midnight meanwhile, nor another day where the user is
        context_today = patch.object(fields.Date, "context_today", lambda *_: today)
        self.enterContext(context_today)
        due = self.secret(rotated_on=today - timedelta(days=90), rotation_days=90)
        kept = self.secret(rotated_on=today - timedelta(days=89), rotation_days=90)
        never = self.secret()
        all_three = due | kept | never
        secrets = self.env["steward.secret"]
        ours = [("id", "in", all_three.ids)]
        self.assertEqual(secrets.search([*ours, ("rotation_due", "=", True)]), due)
        self.assertEqual(
            secrets.search([*ours, ("rotation_due", "=", False)]), kept | never
        )
        self.assertEqual(
            secrets.search([*ours, ("rotation_due", "!=", True)]).ids,
            secrets.search([*ours, ("rotation_due", "=", False)]).ids,
        )
        self.assertIs(secrets._search_rotation_due(">", 1), NotImplemented)
        self.assertEqual(all_three.mapped("health"), ["due", "untested", "untested"])


class TestRights(SecretKit):
    def test_operator_sees_health_not_the_place(self):
        secret = self.secret()
        secret.action_test()
        hers = secret.with_user(self.operator)
        self.assertEqual(
            hers.read(["name", "health", "last_test_ok"]),
            [
                {
                    "id": secret.id,
                    "name": "Test",
                    "health": "ok",
                    "last_test_ok": True,
                }
            ],
        )
        self.assertNotIn("reference", hers.read()[0])
        for field in ("reference", "last_test_message"):
            with self.assertRaises(AccessError):
                hers.read([field])
            with self.assertRaises(AccessError):
                hers.search([(field, "ilike", "env")])

    def test_operator_neither_tests_nor_writes(self):
        secret = self.secret().with_user(self.operator)
        for act in (
            secret.action_test,
            secret.unlink,
            lambda: secret.write({"name": "x"}),
            secret.copy,
        ):
            with self.assertRaises(AccessError):
                act()

    def test_others_see_nothing(self):
        secret = self.secret()
        for group in (
            "base.group_user",
            "steward.group_viewer",
            "steward.group_reviewer",
        ):
            user = new_test_user(self.env, group.replace(".", "_"), groups=group)
            with self.assertRaises(AccessError):
                secret.with_user(user).read(["name"])
            with self.assertRaises(AccessError):
                secret.with_user(user).action_test()

    def test_used_without_reading(self):
        """Who may use a provider may use the key that the provider names."""
        user = new_test_user(self.env, "steward_user", groups="steward.group_viewer")
        for uid in (user, self.operator):
            self.assertEqual(self.secret().with_user(uid)._resolve(), VALUE)

    def test_result_cannot_be_forged(self):
        secret = self.secret()
        for field, value in (
            ("last_test_ok", True),
            ("last_test_at", "2026-01-01"),
            ("last_test_message", "fine"),
            ("scheme", "vault"),
            ("rotate_by", "2099-01-01"),
        ):
            with self.assertRaises(exceptions.Refused):
                secret.write({field: value})
            with self.assertRaises(exceptions.Refused):
                self.secret(**{field: value})
        forged = secret.with_context(
            default_last_test_ok=True, default_last_test_at="2026-01-01"
        )
        with self.assertRaises(exceptions.Refused):
            forged.create({"name": "x", "reference": "env:X"})
        secret.action_test()
        self.assertEqual(secret.copy().health, "untested")

    def test_private_methods_stay_private(self):
        secret = self.secret()
        for name in ("_resolve", "_fetch", "_lookup", "_record_test"):
            with self.assertRaises(AccessError):
                get_public_method(secret, name)


class TestReminder(SecretKit):
    def setUp(self):
        super().setUp()
        self.due = self.secret(rotated_on="2020-01-01", rotation_days=30)
        self.kept = self.secret(rotated_on="2020-01-01", rotation_days=0)

    def remind(self):
        with self.enter_registry_test_mode():
            self.env.ref("steward.cron_secret_reminder").method_direct_trigger()

    def test_once_and_only_who_is_due(self):
        self.remind()
        self.remind()
        self.assertEqual(len(self.due.activity_ids), 1)
        self.assertFalse(self.kept.activity_ids)

    def test_contact_is_asked_if_it_may(self):
        contact = new_test_user(
            self.env, "keeper", groups="steward.group_administrator"
        )
        self.env["ir.config_parameter"].set_param("steward.contact_id", contact.id)
        self.remind()
        self.assertEqual(self.due.activity_ids.user_id, contact)

    def test_contact_without_the_right_is_not_asked(self):
        contact = new_test_user(self.env, "visitor", groups="steward.group_viewer")
        self.env["ir.config_parameter"].set_param("steward.contact_id", contact.id)
        self.remind()
        asked = self.due.activity_ids.user_id
        self.assertTrue(asked.has_group("steward.group_administrator"))

    def test_done_when_renewed(self):
        self.remind()
        self.due.rotated_on = fields.Date.today()
        self.assertFalse(self.due.activity_ids)
        self.assertFalse(self.due.rotation_due)


class TestFile(SecretKit):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.inside = self.folder / "secrets"
        self.inside.mkdir()
        (self.inside / "key").write_text(f"{VALUE}\n")
        (self.inside / "key").chmod(0o600)
        self.set_param("steward.secret.folders", f"/nowhere, {self.inside}")

    def test_found(self):
        secret = self.secret("file:key")
        self.assertEqual(secret._resolve(), VALUE)
        self.assertEqual(self.secret(f"file:{self.inside}/key")._resolve(), VALUE)

    def test_open_to_everybody(self):
        (self.inside / "key").chmod(0o644)
        secret = self.secret("file:key")
        secret.action_test()
        self.assertTrue(secret.last_test_ok)
        self.assertIn("Every user", secret.last_test_message)
        self.assertTrue((self.inside / "key").stat().st_mode & stat.S_IROTH)

    def test_link_out_of_the_folder(self):
        (self.folder / "outside").write_text("root:x:0")
        (self.inside / "link").symlink_to(self.folder / "outside")
        secret = self.secret("file:link")
        self.unavailable(secret, "not in a folder that is allowed")
        secret.action_test()
        self.assertEqual(secret.health, "failed")

    def test_no_folder_no_file(self):
        self.set_param("steward.secret.folders", "relative/folder")
        self.unavailable(self.secret("file:key"), "No folder is allowed")
        self.unavailable(self.secret("file:/etc/passwd"), "No folder is allowed")

    def test_settings_refuse_what_is_no_folder(self):
        settings_model = self.env["res.config.settings"]
        for folders in ("/", "secrets", "/run/secrets, .."):
            with self.assertRaises(exceptions.ValidationError):
                settings_model.create({"steward_secret_folders": folders})


class TestVault(SecretKit):
    PATH = "/v1/secret/data/steward/openai"

    def setUp(self):
        super().setUp()
        # the address of Vault needs no second permission
        self.set_param("steward.http.allowed_networks", "")
        self.set_param("steward.vault.address", self.server.url("/")[:-1])
        self.set_param("steward.vault.token", "env:VAULT_TEST_TOKEN")
        self.set_param("steward.vault.namespace", "team")
        self.token = "hvs." + "x1" * 12
        self.addCleanup(REDACTOR.forget, self.token)
        os.environ["VAULT_TEST_TOKEN"] = self.token
        self.kept = self.secret("vault:secret/steward/openai#api_key")

    def test_found(self):
        self.server.on(
            self.PATH,
            lambda peer: peer.answer(
                200, {"data": {"data": {"api_key": VALUE}, "metadata": {}}}
            ),
        )
        self.assertEqual(self.kept._resolve(), VALUE)
        [received] = self.server.requests
        self.assertEqual(received.headers["X-Vault-Token"], self.token)
        self.assertEqual(received.headers["X-Vault-Namespace"], "team")

    def test_answers_that_are_no_secret(self):
        for behaviour, words, retryable in (
            (lambda p: p.answer(503, {"errors": ["sealed"]}), "sealed", True),
            (lambda p: p.answer(403, {"errors": []}), "policy or the token", False),
            (lambda p: p.answer(404, {"errors": []}), "no secret at this path", False),
            (
                lambda p: p.answer(
                    200, b"<html>Please log in</html>", "Content-Type: text/html"
                ),
                "not JSON",
                True,
            ),
            (
                lambda p: p.answer(502, b"<html>", "Content-Type: text/html"),
                "HTTP 502",
                True,
            ),
            (lambda p: p.cut(), "failed or broke", True),
            (lambda p: p.redirect("http://169.254.169.254/"), "credentials", False),
        ):
            with self.subTest(words=words):
                self.server.on(self.PATH, behaviour)
                error = self.unavailable(self.kept, words, retryable)
                self.assertNotIn(self.token, repr(error))

    def test_down(self):
        self.set_param("steward.vault.address", self.nobody())
        self.unavailable(self.kept, "failed or broke", retryable=True)

    def test_slow(self):
        self.patch(steward_secret, "VAULT_SECONDS", 0.2)
        self.server.on(self.PATH, lambda peer: peer.wait())
        self.unavailable(self.kept, "did not answer in time", retryable=True)

    def test_too_large(self):
        self.server.on(
            self.PATH, lambda peer: peer.head(200, "Content-Length: 50000000")
        )
        self.unavailable(self.kept, "larger than")

    def test_not_set_up(self):
        self.set_param("steward.vault.token", "")
        self.unavailable(self.kept, "No token for Vault")
        self.set_param("steward.vault.token", "hvs." + "pasted-into-the-parameter")
        self.unavailable(self.kept, "No token for Vault")
        self.set_param("steward.vault.token", "env:STEWARD_NOT_SET")
        self.unavailable(self.kept, "STEWARD_NOT_SET is not set")
        self.set_param("steward.vault.address", "")
        self.unavailable(self.kept, "No address of Vault")
        self.set_param("steward.vault.address", "vault:8200")
        self.unavailable(self.kept, "has the form https://")

    def test_nothing_else_is_allowed_by_its_address(self):
        with self.assertRaises(exceptions.AddressRefused):
            self.http._request("GET", self.server.url(self.PATH))

    def test_redirect_elsewhere_takes_no_token(self):
        self.set_param("steward.http.allowed_networks", "127.0.0.1")
        self.names(elsewhere_test=["127.0.0.1"])
        there = self.server.url("/there", host="elsewhere.test")
        self.server.on(self.PATH, lambda peer: peer.redirect(there))
        self.server.on("/there", lambda peer: peer.answer(403, {"errors": []}))
        self.unavailable(self.kept, "policy or the token")
        self.assertNotIn("X-Vault-Token", self.server.requests[1].headers)


class TestSettings(SecretKit):
    @mute_logger("odoo.sql_db")
    def test_refused(self):
        settings_model = self.env["res.config.settings"]
        for field, value in (
            ("steward_http_allowed_networks", "10.0.0.0/8, home"),
            ("steward_http_allowed_networks", "10.1.2.3/8"),
            ("steward_http_proxy", "socks5://proxy:1080"),
            ("steward_http_proxy", "https://proxy:3128"),
            ("steward_vault_address", "vault.lan"),
            ("steward_vault_address", "https://root:x@vault.lan"),
        ):
            with self.assertRaises(exceptions.ValidationError, msg=value):
                settings_model.create({field: value})

    def test_kept(self):
        self.env["res.config.settings"].create(
            {
                "steward_http_allowed_networks": "10.0.0.0/8, fd00::/8",
                "steward_http_allowed_hosts": "ollama.lan",
                "steward_http_proxy": "http://proxy.lan:3128",
                "steward_vault_address": "https://vault.lan:8200",
                "steward_secret_folders": "/run/secrets",
            }
        ).set_values()
        rules = self.http._get_rules()
        self.assertEqual(len(rules.policy.allowed_networks), 2)
        self.assertEqual(rules.policy.allowed_hosts, {"ollama.lan"})
        self.assertEqual(rules.proxy, "http://proxy.lan:3128")
        self.assertEqual(self.env["steward.secret"]._get_folders(), ["/run/secrets"])
