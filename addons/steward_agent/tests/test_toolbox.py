# ruff: noqa: E501 - a table is read by its lines
import os
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import External, Invalid, Refused, StewardError
from odoo.addons.steward.tests.http_common import HttpKit
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user

from .agent_common import AgentCase


class ToolboxCase(AgentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.belgium = cls.env.ref("base.be")
        cls.tag = cls.env["res.partner.category"].create({"name": "Good"})
        cls.azure, cls.deco = cls.env["res.partner"].create(
            [
                {
                    "name": "Azure test",
                    "email": "azure@example.com",
                    "country_id": cls.belgium.id,
                    "is_company": True,
                    "category_id": cls.tag.ids,
                },
                {"name": "Deco test", "company_id": cls.company.id},
            ]
        )
        cls.ours = [["id", "in", [cls.azure.id, cls.deco.id]]]

    def call(self, tool, **arguments):
        return self.as_user(self.tool(tool))._call(arguments).value

    def refused(self, words, tool, error=StewardError, **arguments):
        with self.assertRaises(error) as caught:
            self.call(tool, **arguments)
        self.assertIn(words, caught.exception.sentence)


class TestReading(ToolboxCase):
    def find(self, domain, **more):
        found = self.call("find_records", model="res.partner", domain=domain, **more)
        return found["records"]

    def test_find(self):
        rows = self.find(
            self.ours,
            fields=["name", "email", "country_id", "category_id", "create_date"],
            order="name desc",
        )
        self.assertEqual([row["id"] for row in rows], [self.deco.id, self.azure.id])
        deco, azure = rows
        self.assertEqual(
            azure["country_id"], {"id": self.belgium.id, "name": "Belgium"}
        )
        self.assertEqual(azure["category_id"], [{"id": self.tag.id, "name": "Good"}])
        self.assertEqual((deco["email"], deco["country_id"]), (False, False))
        self.assertEqual(deco["category_id"], [])
        self.assertRegex(deco["create_date"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")

    def test_pages(self):
        first = self.call(
            "find_records", model="res.partner", domain=self.ours, limit=1, order="id"
        )
        self.assertEqual(len(first["records"]), 1)
        result = self.as_user(self.tool("find_records"))._call(
            {"model": "res.partner", "domain": self.ours, "limit": 1}
        )
        self.assertEqual(result.more, {"offset": 1, "limit": 1})
        for limit in (0, -1, 1001, 10**12):
            with self.subTest(limit):
                self.refused(
                    "from 1 to", "find_records", model="res.partner", limit=limit
                )

    def test_domains(self):
        for domain, found in (
            ([*self.ours, ["country_id.code", "=", "BE"]], self.azure),
            ([*self.ours, ["country_id", "=", None]], self.deco),
            ([*self.ours, ["email", "=", False]], self.deco),
            ([*self.ours, "!", ["email", "=", False]], self.azure),
            (["|", ["id", "=", self.azure.id], ["id", "=", self.deco.id]], self.azure + self.deco),
            ([*self.ours, ["name", "ilike", "deco"]], self.deco),
            ([*self.ours, ["create_date", ">", "2020-01-01T00:00:00Z"]], self.azure + self.deco),
            ([*self.ours, ["create_date", "<", "2020-01-01"]], self.azure.browse()),
            ([["id", "in", []]], self.azure.browse()),
            ([*self.ours, ["category_id", "child_of", self.tag.ids]], self.azure),
            ([*self.ours, ["name", "=", "'; DROP TABLE res_partner; --"]], self.azure.browse()),
            ([*self.ours, ["name", "=", "<script>alert(1)</script>"]], self.azure.browse()),
        ):  # fmt: skip
            with self.subTest(str(domain)):
                ids = [row["id"] for row in self.find(domain)]
                self.assertCountEqual(ids, found.ids)

    def test_no_mistake_makes_a_search_wider(self):
        for domain, words in (
            (["name", "=", "Azure"], "is neither a condition"),
            ([["name", "="]], "is neither a condition"),
            ([["name", "=", "a", "b"]], "is neither a condition"),
            ([[1, "=", 1]], "is no field"),
            (["|", ["name", "=", "a"]], "no condition to stand before"),
            (["&"], "no condition to stand before"),
            (["or", ["name", "=", "a"]], "is neither a condition"),
            ([["nmae", "=", "a"]], "did you mean 'name'"),
            ([["name", "==", "a"]], "no operator '=='"),
            ([["name", "=?", None]], "no operator"),
            ([["country_id", "any!", []]], "no operator 'any!'"),
            ([["name", "ilike", ""]], "wants a text to look for"),
            ([["name", "ilike", "%"]], "wants a text to look for"),
            ([["name", "=", ["a"]]], "wants 'in'"),
            ([["id", "in", 3]], "wants a list"),
            ([["id", "=", "3 OR 1=1"]], "cannot be compared"),
            ([["is_company", "=", "yes"]], "cannot be compared"),
            ([["create_date", ">", "yesterday"]], "is a date"),
            ([["create_date", ">", None]], "wants a value to compare with"),
            ([["type", "=", "contct"]], "did you mean 'contact'"),
            ([["name.x", "=", "a"]], "is no link"),
            ([["country_id.cod", "=", "a"]], "did you mean 'code'"),
            ([["parent_id", "child_of", "x"]], "wants ids"),
            ([["name; DROP", "=", "a"]], "is no field"),
            ([["id", "=", 1]] * 300, "more than 100"),
        ):
            with self.subTest(str(domain)[:60]):
                self.refused(words, "find_records", model="res.partner", domain=domain)

    def test_what_never_leaves(self):
        for model, field, words in (
            ("res.partner", "image_1920", "do not hand out"),
            ("res.users", "password", "do not hand out"),
            ("res.users", "new_password", "do not hand out"),
            ("res.users", "totp_secret", ""),
            ("res.partner", "signup_token", ""),
            ("res.company", "logo", "do not hand out"),
        ):
            with self.subTest(field):
                self.refused(words, "find_records", model=model, fields=[field])
        self.refused(
            "do not hand out",
            "find_records",
            model="res.users",
            domain=[["password", "=", "a"]],
        )
        # nor by way of a link, nor an order
        self.refused(
            "do not hand out",
            "find_records",
            model="res.partner",
            domain=[["user_ids.password", "=", "a"]],
        )
        self.refused(
            "do not hand out",
            "find_records",
            model="res.users",
            order="password",
        )
        self.refused(
            "An order is", "find_records", model="res.users", order="id; DROP TABLE x"
        )

    def test_rights(self):
        for model in ("ir.config_parameter", "steward.secret", "ir.cron"):
            with self.subTest(model):
                self.refused("", "find_records", Refused, model=model)
        # a search through a link answers no more than reading would
        with self.assertRaises(Refused):
            self.as_user(self.tool("find_records"), self.viewer)._call(
                {"model": "steward.tool", "domain": [["action_id.code", "like", "a"]]}
            )
        self.refused("There is no model", "find_records", model="steward.toolbox")
        self.refused("is a form", "find_records", model="steward.tool.trial")

    def test_other_companies(self):
        theirs = self.env["res.partner"].create(
            {"name": "Theirs", "company_id": self.other_company.id}
        )
        self.assertEqual(self.find([["id", "=", theirs.id]]), [])
        self.refused("", "read_records", model="res.partner", record_ids=theirs.ids)
        self.refused(
            "",
            "write_records",
            model="res.partner",
            record_ids=theirs.ids,
            values={"ref": "x"},
        )
        theirs.company_id = False
        self.assertEqual(len(self.find([["id", "=", theirs.id]])), 1)

    def test_names_behind_links_have_their_own_rights(self):
        hidden = self.env["res.partner"].create(
            {"name": "Hidden", "company_id": self.other_company.id}
        )
        self.env.cr.execute(
            "UPDATE res_partner SET parent_id = %s WHERE id = %s",
            [hidden.id, self.azure.id],
        )
        self.env.invalidate_all()
        [row] = self.find([["id", "=", self.azure.id]], fields=["parent_id"])
        self.assertNotIn("Hidden", str(row))

    def test_so_many_queries_for_any_number(self):
        arguments = {
            "model": "res.partner",
            "fields": ["name", "country_id", "category_id", "user_id"],
            "limit": 500,
        }
        self.env["res.partner"].create(
            [{"name": f"Many {n}", "country_id": self.belgium.id} for n in range(300)]
        )

        def queries(count):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            rows = self.call("find_records", **{**arguments, "limit": count})["records"]
            self.assertEqual(len(rows), count)
            return self.cr.sql_log_count - before

        queries(1)
        few = queries(2)
        self.assertLessEqual(queries(300), few + 2)

    def test_read(self):
        rows = self.call(
            "read_records",
            model="res.partner",
            record_ids=[self.deco.id, self.azure.id],
            fields=["name"],
        )["records"]
        self.assertEqual([row["name"] for row in rows], ["Deco test", "Azure test"])
        gone = self.env["res.partner"].create({"name": "x"})
        gone.unlink()
        self.refused(
            "none with the id", "read_records", model="res.partner", record_ids=gone.ids
        )
        self.refused("at most 1000", "read_records", model="res.partner", record_ids=[])
        self.refused("above 0", "read_records", model="res.partner", record_ids=[2**40])

    def test_count_and_aggregate(self):
        count = self.call("count_records", model="res.partner", domain=self.ours)
        self.assertEqual(count, {"count": 2})
        groups = self.call(
            "aggregate_records",
            model="res.partner",
            by=["country_id"],
            measures=["color:sum", "id:count_distinct"],
            domain=self.ours,
        )["groups"]
        self.assertCountEqual(
            [(group["country_id"], group["count"]) for group in groups],
            [({"id": self.belgium.id, "name": "Belgium"}, 1), (False, 1)],
        )
        months = self.call(
            "aggregate_records",
            model="res.partner",
            by=["create_date:month"],
            domain=self.ours,
        )["groups"]
        self.assertEqual([group["count"] for group in months], [2])
        whole = self.call("aggregate_records", model="res.partner", domain=self.ours)
        self.assertEqual(whole["groups"], [{"count": 2}])
        for more, words in (
            ({"by": ["create_date"]}, "a date has a unit"),
            ({"by": ["create_date:moon"]}, "a date has a unit"),
            ({"by": ["name:month"]}, "a date has a unit"),
            ({"by": ["contry_id"]}, "did you mean 'country_id'"),
            ({"measures": ["name:sum"]}, "cannot be computed"),
            ({"measures": ["color"]}, "cannot be computed"),
            ({"measures": ["color:sum); DROP"]}, "cannot be computed"),
        ):
            with self.subTest(str(more)):
                self.refused(words, "aggregate_records", model="res.partner", **more)


class TestWriting(ToolboxCase):
    def test_create(self):
        made = self.call(
            "create_record",
            model="res.partner",
            values={
                "name": "<b>New</b>'; --",
                "country_id": self.belgium.id,
                "category_id": self.tag.ids,
                "is_company": True,
            },
        )
        partner = self.env["res.partner"].browse(made["id"])
        self.assertEqual(made["name"], "<b>New</b>'; --")
        self.assertEqual(partner.category_id, self.tag)
        self.assertEqual(partner.create_uid, self.employee)

    def test_previews_change_nothing(self):
        before = self.env["res.partner"].search_count([])
        changes = self.call(
            "create_record",
            model="res.partner",
            values={"name": "New", "country_id": self.belgium.id},
            preview=True,
        )["changes"]
        self.assertEqual(self.env["res.partner"].search_count([]), before)
        self.assertIn(
            {
                "field": "country_id",
                "label": "Country",
                "before": False,
                "after": {"id": self.belgium.id, "name": "Belgium"},
            },
            changes,
        )
        [record] = self.call(
            "write_records",
            model="res.partner",
            record_ids=self.azure.ids,
            values={"name": "Azure", "email": "azure@example.com", "category_id": []},
            preview=True,
        )["records"]
        self.assertEqual(
            [(c["field"], c["before"], c["after"]) for c in record["changes"]],
            [
                ("name", "Azure test", "Azure"),
                ("category_id", [{"id": self.tag.id, "name": "Good"}], []),
            ],
        )
        self.env.flush_all()
        self.assertEqual(self.azure.name, "Azure test")
        self.assertEqual(self.azure.category_id, self.tag)

    def test_write(self):
        done = self.call(
            "write_records",
            model="res.partner",
            record_ids=(self.azure + self.deco).ids,
            values={"ref": 12, "category_id": [], "country_id": None},
        )
        self.assertEqual(done, {"written": 2})
        self.assertEqual(self.azure.ref, "12")
        self.assertFalse(self.azure.category_id or self.azure.country_id)

    def test_refusals(self):
        for values, words in (
            ({}, "nothing to write"),
            ({"nmae": "x"}, "did you mean 'name'"),
            ({"create_uid": 1}, "cannot be written"),
            ({"country_id": "Belgium"}, "is a link"),
            ({"country_id": [1]}, "is one value"),
            ({"country_id": 99999999}, "none with the id"),
            ({"category_id": 3}, "is a list of ids"),
            ({"category_id": [99999999]}, "none with the id"),
            ({"type": "contct"}, "did you mean 'contact'"),
            ({"color": "red"}, "cannot be compared"),
            ({"image_1920": "aGVsbG8="}, "do not hand out"),
        ):
            with self.subTest(str(values)):
                self.refused(
                    words,
                    "write_records",
                    model="res.partner",
                    record_ids=self.azure.ids,
                    values=values,
                )
        for preview in (True, False):
            with self.subTest(preview):
                self.refused(
                    "",
                    "write_records",
                    Refused,
                    model="res.country",
                    record_ids=self.belgium.ids,
                    values={"name": "x"},
                    preview=preview,
                )

    def test_message(self):
        made = self.call(
            "post_message",
            model="res.partner",
            record_id=self.azure.id,
            body="<script>alert(1)</script> & more",
        )
        message = self.env["mail.message"].browse(made["id"])
        self.assertNotIn("<script>", message.body)
        self.assertEqual(message.author_id, self.employee.partner_id)
        self.assertEqual(message.subtype_id, self.env.ref("mail.mt_note"))
        self.refused(
            "no discussion", "post_message", model="res.country", record_id=1, body="x"
        )
        self.refused(
            "at least one",
            "post_message",
            model="res.partner",
            record_id=self.azure.id,
            body=" ",
        )
        self.refused(
            "at most",
            "post_message",
            model="res.partner",
            record_id=self.azure.id,
            body="x" * 100_001,
        )

    def test_activity(self):
        arguments = {
            "model": "res.partner",
            "record_id": self.azure.id,
            "summary": "Call",
            "days": 3,
        }
        today = fields.Date.context_today(self.azure)
        first = self.call("schedule_activity", **arguments)
        self.assertTrue(first["created"])
        again = self.call("schedule_activity", **arguments)
        self.assertEqual(again, {"id": first["id"], "created": False})
        self.assertTrue(
            self.call("schedule_activity", **arguments, again=True)["created"]
        )
        activity = self.env["mail.activity"].browse(first["id"])
        self.assertEqual(activity.user_id, self.employee)
        # midnight may have come meanwhile
        days = (today, fields.Date.context_today(activity))
        self.assertIn(activity.date_deadline - timedelta(days=3), days)
        named = self.call(
            "schedule_activity", **{**arguments, "summary": "x", "user": "a_admin"}
        )
        self.assertEqual(
            self.env["mail.activity"].browse(named["id"]).user_id, self.admin
        )
        self.azure.user_id = self.operator
        own = self.call("schedule_activity", **{**arguments, "summary": "y"})
        self.assertEqual(
            self.env["mail.activity"].browse(own["id"]).user_id, self.operator
        )
        for more, words in (
            ({"user": "nobody"}, "no user nobody"),
            ({"summary": " "}, "short summary"),
            ({"days": 10**9}, "within ten years"),
            ({"model": "res.country", "record_id": 1}, "no activities"),
        ):
            with self.subTest(str(more)):
                self.refused(words, "schedule_activity", **{**arguments, **more})

    def test_contact(self):
        self.env["ir.config_parameter"].set_param("steward.contact_id", self.admin.id)
        told = self.call("tell_contact", summary="Look", note="a\nb")
        activity = self.env["mail.activity"].browse(told["id"])
        self.assertEqual(activity.user_id, self.admin)
        self.assertFalse(self.call("tell_contact", summary="Look")["created"])
        self.env["ir.config_parameter"].set_param("steward.contact_id", False)
        self.assertTrue(self.call("tell_contact", summary="Else")["created"])

    def test_public_methods_give_no_more_than_the_caller_has(self):
        """They can be called over RPC by anybody: with whose rights?"""
        portal = new_test_user(self.env, "a_portal", groups="base.group_portal")
        toolbox = self.env["steward.toolbox"].with_user(portal)
        with self.assertRaises(AccessError):
            toolbox.find_records("res.users.log")
        with self.assertRaises(UserError):
            toolbox.write_records("res.partner", self.azure.ids, {"name": "x"})
        with self.assertRaises(AccessError):
            toolbox.call_webhook("chat", {})


class TestWebhook(HttpKit, AgentCase):
    def setUp(self):
        super().setUp()
        self.robot = new_test_user(self.env, "a_robot", groups="steward.group_agent")

    def test_unknown_and_refused(self):
        call = self.as_user(self.tool("call_webhook"), self.robot)._call
        with self.assertRaises(Invalid) as caught:
            call({"webhook": "nope", "payload": {}})
        self.assertIn("no webhook nope", caught.exception.sentence)
        with self.assertRaises(Refused):
            self.as_user(self.tool("call_webhook"))._call(
                {"webhook": "nope", "payload": {}}
            )

    def test_it_is_called(self):
        self.server.on("/hook", lambda peer: peer.answer(200, b'{"ok": true}'))
        key = "sk-" + "x" * 20
        self.enterContext(patch.dict(os.environ, {"STEWARD_HOOK": key}))
        secret = self.env["steward.secret"].create(
            {"name": "hook", "reference": "env:STEWARD_HOOK"}
        )
        self.env["steward.webhook"].create(
            {
                "name": "chat",
                "url": self.server.url("/hook"),
                "secret_id": secret.id,
            }
        )
        tool = self.as_user(self.tool("call_webhook"), self.robot)
        payload = {"text": "<b>hi</b>", "rows": [{"n": 1}]}
        result = tool._call({"webhook": "chat", "payload": payload}, key="run:1:0")
        self.assertEqual(result.value, {"status": 200, "answer": '{"ok": true}'})
        [received] = self.server.requests
        self.assertEqual(received.json(), payload)
        self.assertEqual(received.headers["Idempotency-Key"], "run:1:0")
        self.assertEqual(received.headers["Authorization"], f"Bearer {key}")
        # where it leads, its users do not learn
        with self.assertRaises(AccessError):
            tool.env["steward.webhook"].search([]).read(["url"])

    def test_with_a_key_it_is_repeated(self):
        self.server.on("/hook", lambda peer: peer.answer(503))
        self.env["steward.webhook"].create(
            {"name": "chat", "url": self.server.url("/hook")}
        )
        tool = self.as_user(self.tool("call_webhook"), self.robot)
        for key, calls in ((None, 1), ("k", 3)):
            self.server.clear()
            self.server.on("/hook", lambda peer: peer.answer(503))
            with self.assertRaises(External):
                tool._call({"webhook": "chat", "payload": {}}, key=key)
            self.assertEqual(len(self.server.requests), calls)

    def test_only_registered_addresses_and_companies(self):
        self.env["steward.webhook"].create(
            {
                "name": "theirs",
                "url": "https://example.com",
                "company_id": self.other_company.id,
            }
        )
        for name in ("theirs", "https://example.com"):
            with self.assertRaises(Invalid):
                self.as_user(self.tool("call_webhook"), self.robot)._call(
                    {"webhook": name, "payload": {}}
                )
