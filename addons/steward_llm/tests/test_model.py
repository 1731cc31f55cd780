from datetime import timedelta

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..const import MODEL_TEST
from ..kernel.usage import Usage
from .common import ModelKit
from .openai_server import CHAT, EMBEDDINGS, refuse


@tagged("-at_install", "post_install")
class TestModel(ModelKit):
    def model(self, name, provider=None, **values):
        provider = provider or self.provider
        values.setdefault("can_chat", True)
        return self.env["steward.model"].create(
            {"name": name, "provider_id": provider.id, **values}
        )

    def lean(self, model, *fallbacks):
        return self.env["steward.model.fallback"].create(
            [
                {"model_id": model.id, "fallback_id": fallback.id, "sequence": number}
                for number, fallback in enumerate(fallbacks)
            ]
        )

    # -- test ---------------------------------------------------------------------

    def test_embedding_model(self):
        self.embedder.dimensions = 0
        done = self.embedder.action_test()
        self.assertEqual(done["params"]["type"], "success")
        self.assertEqual(self.embedder.dimensions, 8)
        self.assertTrue(self.embedder.last_test_ok)
        usage = self.env["steward.usage"].search([("model_id", "=", self.embedder.id)])
        self.assertEqual((usage.tokens_in, usage.purpose), (6, MODEL_TEST))
        self.assertEqual(usage.cost_source, "unknown")

    def test_other_dimensions(self):
        self.embedder.dimensions = 5
        done = self.embedder.action_test()
        self.assertEqual(done["params"]["type"], "danger")
        self.assertIn("8 dimensions instead of 5", self.embedder.last_test_message)
        self.assertEqual(self.embedder.dimensions, 5)
        self.assertFalse(self.embedder.last_test_ok)

    def test_chat_model(self):
        self.server.reply("ready now")
        self.chat.action_test()
        self.assertIn("2 tokens", self.chat.last_test_message)
        self.server.fail(CHAT, refuse(404))
        self.chat.action_test()
        self.assertFalse(self.chat.last_test_ok)
        self.chat.name = "gpt-other"
        self.assertFalse(self.chat.last_test_at)

    def test_neither(self):
        model = self.model("whisper", can_chat=False)
        model.action_test()
        self.assertIn("say first", model.last_test_message)
        self.assertFalse(self.server.requests)

    # -- costs ------------------------------------------------------------------------

    def test_costs(self):
        self.assertEqual(self.chat.cost_30, 0)
        self.env["steward.price"].create(
            {"model_name": "gpt-test", "rate_input": 1_000_000}
        )
        month = fields.Datetime.now() - timedelta(days=31)
        usage = self.env["steward.usage"]
        rows = usage._record(
            [
                {"model_id": self.chat.id, "usage": Usage(tokens), **more}
                for tokens, more in ((3, {}), (4, {}), (9, {"at": month}))
            ]
        )
        self.chat.invalidate_recordset()
        viewer = new_test_user(self.env, "k_viewer", groups="steward.group_viewer")
        model = self.chat.with_user(viewer)
        self.assertEqual(model.cost_30, 7)
        found = usage.search(model.action_open_costs()["domain"])
        self.assertEqual(found, rows[1] | rows[0])
        self.assertEqual(self.embedder.cost_30, 0)

    # -- copies ---------------------------------------------------------------------

    def test_copy(self):
        self.chat._write_own({"is_offered": False})
        self.chat.context_size = 9
        copy = self.chat.copy()
        self.assertEqual((copy.name, copy.context_size), ("gpt-test (copy)", 9))
        self.assertTrue(copy.is_offered)
        self.assertEqual(self.chat.copy({"name": "gpt-next"}).name, "gpt-next")
        elsewhere = self.provider.copy({"code": "elsewhere"})
        copy = self.chat.copy({"provider_id": elsewhere.id})
        self.assertEqual(copy.name, "gpt-test")

    def test_viewers_copy_nothing(self):
        viewer = new_test_user(self.env, "m_viewer", groups="steward.group_viewer")
        with self.assertRaises(AccessError):
            self.chat.with_user(viewer).copy()

    # -- fallbacks ----------------------------------------------------------------

    def test_order(self):
        a, b, c, d = (self.model(name) for name in "abcd")
        self.lean(a, c, b)
        self.lean(c, d)
        self.assertEqual(a._get_candidates().mapped("name"), ["a", "c", "b", "d"])
        c.active = False
        self.assertEqual(a._get_candidates().mapped("name"), ["a", "b", "d"])
        a.fallback_ids[0].sequence = 9
        a.invalidate_recordset()
        self.assertEqual(a.fallback_ids.fallback_id.mapped("name"), ["b", "c"])

    def test_cycles(self):
        a, b, c = (self.model(name) for name in "abc")
        self.lean(a, b)
        self.lean(b, c)
        for model, fallback in ((a, a), (b, a), (c, a)):
            with self.subTest(model=model), self.refused("circle"):
                self.lean(model, fallback)

    def test_diamond_is_no_cycle(self):
        a, b, c, d = (self.model(name) for name in "abcd")
        self.lean(a, b, c)
        self.lean(b, d)
        self.lean(c, d)
        self.assertEqual(len(a._get_candidates()), 4)

    def test_less_able(self):
        able, plain = self.model("able", can_tools=True), self.model("plain")
        with self.refused("Tools"):
            self.lean(able, plain)
        self.lean(plain, able)
        # and not later, either
        plain.can_tools = True
        with self.refused("Tools"):
            able.can_tools = False
        with self.assertRaises(ValidationError):
            self.lean(plain, self.embedder)

    def test_embeddings_of_two_models_cannot_be_compared(self):
        other = self.model("other", can_chat=False, can_embedding=True)
        with self.refused("compared"):
            self.lean(self.embedder, other)
        elsewhere = self.provider.copy({"code": "elsewhere"})
        same = self.model("embed-test", elsewhere, can_chat=False, can_embedding=True)
        self.lean(self.embedder, same)
        with self.refused("compared"):
            same.dimensions = 9

    def test_other_companys(self):
        company = self.env["res.company"].create({"name": "Other"})
        theirs = self.provider.copy({"code": "theirs", "company_id": company.id})
        model = self.model("a", theirs)
        with self.refused("company"):
            self.lean(self.chat, model)
        self.lean(model, self.chat)

    def test_twice(self):
        other = self.model("a")
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            self.lean(self.chat, other, other)

    # -- default ------------------------------------------------------------------

    def test_default_embedding(self):
        models = self.env["steward.model"]
        self.env.company.steward_embedding_model_id = self.embedder
        self.assertEqual(models._default_embedding(), self.embedder)
        other = self.env["res.company"].create({"name": "Other"})
        before = models.with_company(other)._default_embedding()
        elsewhere = self.model("mine", can_chat=False, can_embedding=True)
        other.steward_embedding_model_id = elsewhere
        self.assertNotEqual(before, elsewhere)
        self.assertEqual(models.with_company(other)._default_embedding(), elsewhere)
        elsewhere.active = False
        self.assertEqual(models.with_company(other)._default_embedding(), before)
        models.search([("can_embedding", "=", True)]).active = False
        self.assertFalse(models._default_embedding())

    def test_not_negative(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            self.chat.context_size = -1
            self.chat.flush_recordset()

    def test_one_trade(self):
        with self.assertRaises(ValidationError):
            self.chat.can_embedding = True

    def test_embedding_fault_leaves_no_cost(self):
        self.server.fail(EMBEDDINGS, refuse(500), times=9)
        before = self.env["steward.usage"].search_count([])
        self.embedder.action_test()
        self.assertEqual(self.env["steward.usage"].search_count([]), before)
