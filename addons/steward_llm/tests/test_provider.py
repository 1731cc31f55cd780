from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..kernel.catalog import PRESETS
from . import openai_server as speaks
from .common import ModelKit
from .openai_server import MODELS, refuse


@tagged("-at_install", "post_install")
class TestProvider(ModelKit):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.viewer = new_test_user(cls.env, "l_viewer", groups="steward.group_viewer")
        cls.operator = new_test_user(
            cls.env, "l_operator", groups="steward.group_operator"
        )
        cls.administrator = new_test_user(
            cls.env, "l_admin", groups="steward.group_administrator"
        )

    def test_preset_fills_in(self):
        form = Form(self.env["steward.provider"].with_user(self.administrator))
        form.preset = "ollama"
        self.assertEqual(form.base_url, PRESETS["ollama"].base_url)
        self.assertIn("Outbound calls", form.needs)
        self.assertTrue(form.is_free)
        form.preset = "azure"
        self.assertEqual((form.name, form.code), ("Azure OpenAI", "azure"))
        self.assertFalse(form.is_free)
        form.name = "Ours"
        form.preset = "openai"
        self.assertEqual((form.name, form.code), ("Ours", "openai"))
        self.assertEqual(form.save().health, "untested")

    def test_test(self):
        provider = self.provider.with_user(self.administrator)
        done = provider.action_test()
        self.assertEqual(done["params"]["type"], "success")
        self.assertEqual(provider.health, "ok")
        self.server.fail(MODELS, refuse(401))
        done = provider.action_test()
        self.assertEqual(done["params"]["type"], "danger")
        self.assertIn("key", provider.last_test_message)
        self.assertEqual(provider.health, "failed")
        provider.base_url = self.server.url("/v2")
        self.assertEqual(provider.health, "untested")

    def test_fetch(self):
        provider = self.provider.with_user(self.administrator)
        models = provider.with_context(active_test=False).model_ids
        self.assertEqual(len(models), 2)
        chat = models.filtered("can_chat")
        chat.write({"label": "Ours", "can_tools": True, "context_size": 5})
        self.server.models = [
            {"id": "gpt-test", "context_length": 8000, "max_output_tokens": 100},
            "text-embedding-3-small",
            "whisper-1",
        ]
        self.addCleanup(setattr, self.server, "models", ["gpt-test", "embed-test"])
        done = provider.action_fetch_models()
        self.assertEqual(done["params"]["type"], "success")
        self.assertIn("3 models, 2 of them new; 1 are gone", done["params"]["message"])
        self.assertTrue(provider.fetched_at)
        # what a person entered stays, what nobody knew is filled in
        self.assertEqual(
            (chat.label, chat.can_tools, chat.context_size, chat.max_output),
            ("Ours", True, 5, 100),
        )
        by_name = {
            m.name: m for m in provider.with_context(active_test=False).model_ids
        }
        self.assertTrue(by_name["text-embedding-3-small"].can_embedding)
        self.assertEqual(by_name["text-embedding-3-small"].dimensions, 1536)
        self.assertFalse(by_name["whisper-1"].active)
        self.assertFalse(by_name["embed-test"].is_offered)
        chat.active = False
        self.server.models.append("embed-test")
        provider.action_fetch_models()
        self.assertTrue(by_name["embed-test"].is_offered)
        self.assertFalse(chat.active)
        self.assertEqual(len(provider.with_context(active_test=False).model_ids), 4)

    def test_fetch_that_fails_changes_nothing(self):
        self.server.fail(MODELS, speaks.garbage)
        done = self.provider.action_fetch_models()
        self.assertEqual(done["params"]["type"], "danger")
        self.assertFalse(self.provider.fetched_at)
        self.assertTrue(self.embedder.is_offered)
        self.assertEqual(self.provider.health, "failed")

    def test_archived_is_not_called(self):
        self.provider.active = False
        with self.assertRaisesRegex(Invalid, "archived"):
            self.provider._adapter()

    def test_first_step(self):
        steps = self.env["steward.status"].with_user(self.viewer)
        self.env["steward.provider"].search([("last_test_ok", "=", True)]).unlink()
        self.assertFalse(steps.first_steps()["model"])
        self.provider.action_test()
        self.assertTrue(steps.first_steps()["model"])

    # -- denied -------------------------------------------------------------------

    def test_only_administrators(self):
        for user in (self.viewer, self.operator):
            provider = self.provider.with_user(user)
            self.assertEqual(provider.name, "Loopback")
            for action in (
                provider.action_test,
                provider.action_fetch_models,
                self.chat.with_user(user).action_test,
                lambda p=provider: p.write({"name": "Mine"}),
                lambda p=provider: p.secret_id,
            ):
                with self.assertRaises(AccessError):
                    action()
        self.assertFalse(self.server.requests)

    def test_key_is_readable_by_nobody(self):
        self.env["steward.secret"].flush_model()
        for user in (self.viewer, self.administrator):
            provider = self.provider.with_user(user)
            names = set(provider.fields_get())
            told = provider.read(sorted(names))[0]
            self.assertNotIn(speaks.KEY, str(told))
            self.assertEqual("secret_id" in names, user == self.administrator)

    def test_user_of_a_provider_need_not_see_the_key(self):
        self.server.requests.clear()
        provider = self.provider.with_user(self.viewer)
        provider._adapter().models()
        self.assertEqual(len(self.server.requests), 1)
        self.assertFalse(self.resolved[0].env.su)

    def test_results_cannot_be_forged(self):
        with self.assertRaises(Refused):
            self.provider.write({"last_test_ok": True})
        with self.assertRaises(Refused):
            self.chat.write({"is_offered": False})

    # -- sound --------------------------------------------------------------------

    def test_addresses(self):
        for address in (
            "ftp://example.com",
            "example.com/v1",
            "https://user:pass@example.com/v1",
            "https://example.com/v1?key=1",
            "https://example.com/v1#x",
        ):
            with self.subTest(address=address), self.assertRaises(ValidationError):
                self.provider.base_url = address

    def test_codes(self):
        for code in ("Open AI", "-x", "ü", "a/b"):
            with self.subTest(code=code), self.assertRaises(ValidationError):
                self.provider.code = code
        with self.assertRaises(Exception), mute_logger("odoo.sql_db"):  # noqa: B017
            self.provider.create({"name": "Again", "code": "loopback"})

    def test_copy(self):
        first, second = self.provider.copy(), self.provider.copy()
        self.assertEqual((first.code, second.code), ("loopback-2", "loopback-3"))
        self.assertFalse(first.last_test_at)

    def test_companies(self):
        other = self.env["res.company"].create({"name": "Other"})
        theirs = self.provider.create(
            {"name": "Theirs", "code": "loopback", "company_id": other.id}
        )
        self.assertEqual(theirs._circuit(), f"llm/loopback@{other.id}")
        self.assertEqual(self.provider._circuit(), "llm/loopback")
        seen = self.provider.with_user(self.viewer).search([("code", "=", "loopback")])
        self.assertEqual(seen, self.provider)
        self.secret.company_id = other
        with self.refused("Other"):
            self.provider.company_id = self.env.company
