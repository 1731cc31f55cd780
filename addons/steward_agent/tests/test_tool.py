import json
from contextlib import contextmanager
from unittest.mock import patch

from odoo import api
from odoo.addons.steward.exceptions import (
    Bug,
    Exhausted,
    Invalid,
    RateLimited,
    Refused,
)
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form
from odoo.tools import mute_logger

from .agent_common import AgentCase


class TestDefinition(AgentCase):
    def make(self, model, method, **values):
        return self.env["steward.tool"].create(
            {"name": "t", "model": model, "method": method, **values}
        )

    def test_shipped_tools_describe_themselves(self):
        for tool in self.env["steward.tool"].search([]):
            with self.subTest(tool.name):
                self.assertFalse(tool.problem)
                schema = tool._schema()
                self.assertTrue(tool.description)
                for name, property_ in schema["properties"].items():
                    self.assertTrue(property_.get("description"), name)
                self.assertNotIn("idempotency_key", schema["properties"])
        self.assertEqual(self.tool("find_records")._schema()["required"], ["model"])

    def test_what_is_no_tool(self):
        for model, method, words in (
            ("res.partner", "sudo", "every model"),
            ("res.partner", "with_user", "every model"),
            ("res.partner", "with_context", "every model"),
            ("res.partner", "write", "every model"),
            ("res.partner", "create", "every model"),
            ("res.partner", "search_read", "every model"),
            ("res.partner", "web_read", "every model"),
            ("res.partner", "_fields_sync", "is private"),
            ("res.partner", "nothing", "has no method 'nothing'"),
            ("res.prtner", "x", "did you mean 'res.partner'"),
            ("", "", "There is no model"),
            ("res.partner", "name", "has no method"),
            ("res.partner", "message_post", "cannot be described"),
            ("res.users", "create_agent_key", "rules over rights"),
            ("ir.actions.server", "run", "rules over rights"),
            ("steward.tool", "_call", "rules over rights"),
        ):
            with (
                self.subTest(f"{model}.{method}"),
                self.assertRaises(ValidationError) as caught,
            ):
                self.make(model, method)
            self.assertIn(words, caught.exception.args[0])

    def test_unsafe_parameters(self):
        partners = self.env.registry["res.partner"]

        def with_cursor(self, cr: int) -> dict:
            """Take a cursor."""

        def with_ids(self, ids: list[int]) -> dict:
            """Take ids twice."""

        for method in (with_cursor, with_ids):
            with (
                patch.object(partners, "steward_test", method, create=True),
                self.assertRaises(ValidationError) as caught,
            ):
                self.env.registry.clear_cache()
                self.make("res.partner", "steward_test")
            self.assertIn("no agent may give", caught.exception.args[0])
        self.env.registry.clear_cache()

    def test_names(self):
        for name in ("Find", "find-records", "find records", "1", ""):
            with self.subTest(name), self.assertRaises(ValidationError):
                self.make("steward.toolbox", "find_records", name=name)

    def test_administrators_only(self):
        for user in (self.viewer, self.operator, self.employee):
            tools = self.env["steward.tool"].with_user(user)
            with self.subTest(user.login), self.assertRaises(AccessError):
                tools.create(
                    {"name": "x", "model": "steward.toolbox", "method": "find_records"}
                )


class TestAction(AgentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Azure"})
        cls.action = cls.env["ir.actions.server"].create(
            {
                "name": "Praise",
                "model_id": cls.env["ir.model"]._get_id("res.partner"),
                "state": "code",
                "code": "records.write({'comment': env.user.login})",
            }
        )
        cls.praise = cls.env["steward.tool"].create(
            {"name": "praise", "kind": "action", "action_id": cls.action.id}
        )

    def test_it_runs_as_the_caller(self):
        result = self.as_user(self.praise)._call({"ids": self.partner.ids})
        self.assertEqual(result.value, {"done": 1})
        self.assertIn("a_worker", self.partner.comment)
        self.assertEqual(self.partner.write_uid, self.employee)

    @mute_logger("odoo.addons.base.models.ir_actions")
    def test_rights_of_the_caller(self):
        with self.assertRaises(Refused):
            self.as_user(self.praise, self.viewer)._call({"ids": self.partner.ids})
        self.assertFalse(self.partner.comment)

    def test_what_is_no_tool(self):
        group = self.env.ref("base.group_user")
        system = self.env.ref("base.group_system")
        for change in (
            lambda: self.action.write({"group_ids": group.ids}),
            lambda: self.action.write({"state": "webhook"}),
            self._written_by_another,
        ):
            with self.env.cr.savepoint() as savepoint:
                change()
                self.env.invalidate_all()
                self.assertTrue(self.praise.problem)
                # looked at when it is called, not only when it is saved
                with self.assertRaises(Refused) as caught:
                    self.as_user(self.praise)._call({"ids": self.partner.ids})
                self.assertIn("cannot be a tool", caught.exception.sentence)
                with self.assertRaises(ValidationError):
                    self.praise._check_definition()
                savepoint.rollback()
        self.env.invalidate_all()
        self.assertFalse(self.praise.problem)
        self.assertTrue(system)

    def _written_by_another(self):
        self.env.cr.execute(
            "UPDATE ir_act_server SET write_uid = %s WHERE id = %s",
            [self.operator.id, self.action.id],
        )


class TestCall(AgentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.find = cls.env.ref("steward_agent.tool_find_records")

    @contextmanager
    def toolbox(self, method):
        """Let `count_records` be something else."""
        kind = self.env.registry["steward.toolbox"]
        with patch.object(kind, "count_records", api.model(method)):
            self.env.registry.clear_cache()
            yield self.as_user(self.tool("count_records"))
        self.env.registry.clear_cache()

    def test_never_with_all_rights(self):
        with self.assertRaises(Refused):
            self.find._call({"model": "res.partner"})

    def test_arguments(self):
        find = self.as_user(self.find)
        for arguments, words in (
            ([], "group of keys"),
            ({}, "'model' is missing"),
            ({"model": "res.partner", "lmit": 3}, "did you mean 'limit'"),
            ({"model": 3}, "model: should be text"),
            ({"model": "res.partner", "limit": "3"}, "limit: should be a whole number"),
            ({"model": "res.partner", "domain": "[]"}, "domain: should be"),
            ({"model": "x" * 1_000_000}, "longer than"),
            ({"model": "a\0b"}, "cannot be stored"),
            ({"model": "\ud800"}, "cannot be stored"),
            ({"model": object()}, "plain JSON"),
            ({"model": float("nan")}, "plain JSON"),
        ):
            with self.subTest(str(arguments)[:40]):
                with self.assertRaises(Invalid) as caught:
                    find._call(arguments)
                self.assertIn(words, caught.exception.sentence)

    def test_archived_and_foreign(self):
        self.find.active = False
        with self.assertRaises(Refused):
            self.as_user(self.find)._call({"model": "res.partner"})
        self.find.active = True
        self.find.company_id = self.other_company
        with self.assertRaises(Refused):
            self.as_user(self.find)._call({"model": "res.partner"})

    def test_rate_limit(self):
        self.find.rate_limit_id = self.env["steward.rate.limit"].create(
            {"name": "finding", "rate": 1, "per": 3600, "burst": 1}
        )
        find = self.as_user(self.find)
        find._call({"model": "res.partner", "limit": 1})
        with self.assertRaises(RateLimited):
            find._call({"model": "res.partner", "limit": 1})

    @mute_logger("odoo.sql_db")
    def test_timeout(self):
        def slow(self, model: str) -> dict:
            """Sleep."""
            self.env.cr.execute("SELECT pg_sleep(5)")

        with self.toolbox(slow) as tool:
            self.tool("count_records").timeout = 1
            with self.assertRaises(Exhausted) as caught:
                tool._call({"model": "x"})
            self.assertIn("cut off after 1 seconds", caught.exception.sentence)
        self.env.cr.execute("SHOW statement_timeout")
        self.assertEqual(self.env.cr.fetchone(), ("0",))
        self.as_user(self.find)._call({"model": "res.partner"})
        self.env.cr.execute("SHOW statement_timeout")
        self.assertEqual(self.env.cr.fetchone(), ("0",))

    @mute_logger("odoo.addons.steward.exceptions")
    def test_a_failure_leaves_nothing(self):
        partner = self.env["res.partner"].create({"name": "Azure"})

        def half(self, model: str) -> dict:
            """Write, then break."""
            self.env["res.partner"].browse(partner.id).name = "Broken"
            raise KeyError("oops")

        with self.toolbox(half) as tool, self.assertRaises(Bug) as caught:
            tool._call({"model": "x"})
        self.assertNotIn("oops", caught.exception.sentence)
        self.assertEqual(partner.name, "Azure")

    @mute_logger("odoo.sql_db")
    def test_database_errors_are_sentences(self):
        def bad(self, model: str) -> dict:
            """Overflow."""
            self.env.cr.execute("SELECT 99999999999::int")

        with self.toolbox(bad) as tool, self.assertRaises(Invalid):
            tool._call({"model": "x"})

    @mute_logger("odoo.addons.steward.exceptions")
    def test_answers_are_plain(self):
        partner = self.env["res.partner"].create({"name": "Azure"})

        def answer(self, model: str) -> dict:
            """Answer with all sorts of things."""
            partners = self.env["res.partner"].browse(partner.id)
            if model == "file":
                return {"file": b"x"}
            return {
                "partners": partners,
                "at": partners.create_date,
                "on": partners.create_date.date(),
                "set": {1},
                2: (None, True, 1.5),
            }

        with self.toolbox(answer) as tool:
            value = tool._call({"model": "x"}).value
            with self.assertRaises(Bug):
                tool._call({"model": "file"})
        self.assertEqual(json.loads(json.dumps(value)), value)
        self.assertEqual(value["partners"], [{"id": partner.id, "name": "Azure"}])
        self.assertEqual(value["2"], [None, True, 1.5])
        self.assertRegex(value["at"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")

    def test_long_answers_are_cut_and_read_on(self):
        self.find.max_characters = 1000
        self.env["res.partner"].create(
            [{"name": f"Long {n:03} {'x' * 50}"} for n in range(100)]
        )
        find = self.as_user(self.find)
        arguments = {"model": "res.partner", "domain": [["name", "=like", "Long %"]]}
        seen = []
        offset = 0
        while True:
            result = find._call({**arguments, "offset": offset, "order": "name"})
            self.assertLessEqual(len(json.dumps(result.value)), 1100)
            seen += [record["display_name"] for record in result.value["records"]]
            if not result.more:
                break
            offset = result.more["offset"]
        self.assertEqual(len(seen), 100)
        self.assertEqual(seen, sorted(set(seen)))

    def test_long_answers_of_other_forms(self):
        def answer(self, model: str) -> dict:
            """Answer at length."""
            return ["x" * 100] * 50 if model == "list" else "y" * 5000

        with self.toolbox(answer) as tool:
            self.tool("count_records").max_characters = 1000
            rows = tool._call({"model": "list"})
            self.assertEqual(len(rows.value) + rows.more["left_out"], 50)
            text = tool._call({"model": "text"})
        self.assertEqual(len(text.value), 1000)
        self.assertEqual(text.more, {"left_out_characters": 4000})

    def test_methods_of_records(self):
        partner = self.env["res.partner"].create({"name": "Azure"})

        def greet(self, word: str = "Hello") -> str:
            """Greet."""
            return f"{word} {self.name}"

        kind = self.env.registry["res.partner"]
        with patch.object(kind, "steward_greet", greet, create=True):
            self.env.registry.clear_cache()
            tool = self.env["steward.tool"].create(
                {"name": "greet", "model": "res.partner", "method": "steward_greet"}
            )
            self.assertEqual(list(tool._schema()["properties"]), ["ids", "word"])
            result = self.as_user(tool)._call({"ids": partner.ids, "word": "Hi"})
        self.env.registry.clear_cache()
        self.assertEqual(result.value, "Hi Azure")


class TestTrial(AgentCase):
    def trial(self, name, arguments, user=None):
        form = Form(
            self.env["steward.tool.trial"]
            .with_user(user or self.operator)
            .with_context(default_tool_id=self.tool(name).id)
        )
        form.arguments = arguments
        trial = form.save()
        trial.action_try()
        return trial

    def test_an_example_to_begin_with(self):
        form = Form(
            self.env["steward.tool.trial"]
            .with_user(self.operator)
            .with_context(default_tool_id=self.tool("find_records").id)
        )
        self.assertIn("limit: 80", form.arguments)
        self.assertIn("model: ''", form.arguments)

    def test_nothing_of_it_stays(self):
        partner = self.env["res.partner"].create({"name": "Azure"})
        self.operator.group_ids += self.env.ref("base.group_partner_manager")
        before = len(partner.message_ids)
        trial = self.trial(
            "post_message",
            f"{{model: res.partner, record_id: {partner.id}, body: Hello}}",
        )
        self.assertFalse(trial.refusal)
        self.assertIn('"id"', trial.answer)
        partner.invalidate_recordset()
        self.assertEqual(len(partner.message_ids), before)

    def test_sentences(self):
        trial = self.trial("find_records", "{model: res.prtner}")
        self.assertIn("did you mean 'res.partner'", trial.refusal)
        self.assertIn("line 1", self.trial("find_records", "{model: ").refusal)
        trial = self.trial("call_webhook", "{webhook: a, payload: {}}")
        self.assertIn("cannot be taken back", trial.refusal)

    def test_own_rights(self):
        trial = self.trial("find_records", "{model: ir.config_parameter}")
        self.assertTrue(trial.refusal)
        self.assertFalse(trial.answer)

    def test_viewers_do_not_try(self):
        with self.assertRaises(AccessError):
            self.env["steward.tool.trial"].with_user(self.viewer).create(
                {"tool_id": self.tool("find_records").id}
            )
