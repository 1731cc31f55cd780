from decimal import Decimal

from odoo.addons.steward.exceptions import Refused
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..kernel.usage import Usage
from .common import ModelKit, utc

AT = utc(2026, 6, 15, 12)


@tagged("-at_install", "post_install")
class TestUsageLedger(ModelKit):
    def record(self, usage=Usage(10**6, 0), **call):  # noqa: B008 - a tuple
        call.setdefault("model_id", self.chat.id)
        return self.env["steward.usage"]._record([{"usage": usage, "at": AT, **call}])

    def price(self, rate, **values):
        return self.env["steward.price"].create(
            {
                "model_name": "gpt-test",
                "rate_input": rate,
                "valid_from": "2026-01-01",
                **values,
            }
        )

    def test_what_is_kept(self):
        price = self.price(2, rate_cached=1)
        row = self.record(
            Usage(10**6, 0, 500_000), operation="chat", agent_name="Ada", trace="t1"
        )
        self.assertEqual(
            (row.model_name, row.provider_code, row.agent_name, row.trace),
            ("gpt-test", "loopback", "Ada", "t1"),
        )
        self.assertEqual((row.tokens_in, row.tokens_cached), (10**6, 500_000))
        self.assertEqual((row.cost, row.cost_source), (1.5, "computed"))
        self.assertEqual((row.price_id, row.price_version), (price, f"#{price.id} v1"))
        self.assertEqual((row.at, row.company_id), (AT, self.env.company))

    def test_unknown_is_null(self):
        row = self.record()
        row.flush_recordset()
        self.env.cr.execute("SELECT cost FROM steward_usage WHERE id = %s", [row.id])
        self.assertEqual(self.env.cr.fetchone(), (None,))
        self.assertIs(row.cost, False)
        self.assertEqual(row.cost_source, "unknown")

    def test_model_that_we_do_not_know(self):
        row = self.record(model_id=None, model_name="gpt-4o", provider_code="openai")
        self.assertEqual((row.cost, row.cost_source), (2.5, "computed"))

    def test_ledger_outlives_the_model(self):
        price = self.price(2)
        row = self.record()
        price.unlink()
        self.provider.unlink()
        row.invalidate_recordset()
        self.assertEqual((row.model_name, row.cost), ("gpt-test", 2))
        self.assertFalse(row.model_id)

    def test_company_of_the_call(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.price(1)
        self.price(7, company_id=other.id)
        row = self.record(company_id=other.id)
        self.assertEqual((row.company_id, row.cost), (other, 7))
        viewer = new_test_user(self.env, "u_viewer", groups="steward.group_viewer")
        rows = self.record() | row
        seen = rows.with_user(viewer).search([("id", "in", rows.ids)])
        self.assertEqual(seen, rows - row)

    def test_by_whatever_one_asks(self):
        """What the pivot "Costs" shows: each dimension, and the day."""
        self.price(1)
        other = self.env["res.company"].create({"name": "Other"})
        ada = {"agent_name": "Ada", "prompt_version": "hello@1"}
        for tokens, about in (
            (1, ada),
            (2, {**ada, "prompt_version": "hello@2", "purpose": "playground"}),
            (4, {**ada, "company_id": other.id}),
            (8, {"agent_name": "Bob", "at": utc(2026, 6, 16)}),
            (16, {"user_id": self.env.ref("base.user_admin").id}),
        ):
            self.record(Usage(tokens * 10**6), **about)
        usage = self.env["steward.usage"].with_context(
            allowed_company_ids=[self.env.company.id, other.id]
        )

        def costs(groupby):
            rows = usage._read_group(
                [("model_id", "=", self.chat.id)], [groupby], ["cost:sum"]
            )
            return [cost for _key, cost in rows]

        for groupby, expected in (
            ("agent_name", [7, 8, 16]),
            ("prompt_version", [5, 2, 24]),
            ("purpose", [2, 29]),
            ("company_id", [27, 4]),
            ("at:day", [23, 8]),
            ("model_name", [31]),
        ):
            with self.subTest(groupby=groupby):
                self.assertCountEqual(costs(groupby), expected)
        self.assertIn(16, costs("user_id"))

    # -- priced anew --------------------------------------------------------------

    def test_reprice_keeps_the_old(self):
        unknown = self.record()
        provided = self.record(provided=Decimal("0.1"))
        price = self.price(3)
        rows = unknown | provided
        self.assertEqual(rows._reprice(), 1)
        new = self.env["steward.usage"].search([("origin_id", "=", unknown.id)])
        self.assertEqual((new.cost, new.price_id, new.is_current), (3, price, True))
        self.assertEqual((new.at, new.tokens_in), (unknown.at, unknown.tokens_in))
        self.assertEqual((unknown.cost, unknown.is_current), (False, False))
        self.assertEqual((provided.cost, provided.is_current), (0.1, True))
        # nothing changed since
        self.assertEqual((rows | new)._reprice(), 0)
        price.rate_input = 4
        self.assertEqual((rows | new)._reprice(), 1)
        newest = self.env["steward.usage"].search([("origin_id", "=", new.id)])
        self.assertEqual((newest.cost, newest.price_version), (4, f"#{price.id} v2"))
        total = self.env["steward.usage"]._read_group(
            [("model_id", "=", self.chat.id), ("is_current", "=", True)],
            aggregates=["cost:sum"],
        )
        self.assertAlmostEqual(total[0][0], 4.1)

    def test_reprice_from_a_price(self):
        here, elsewhere = self.record(), self.record(at=utc(2025, 1, 1))
        other = self.record(model_id=self.embedder.id)
        price = self.price(3, model_name="gpt-*")
        price.action_reprice()
        self.assertEqual(price._reprice(), 1)
        rows = here | elsewhere | other
        self.assertEqual(rows.mapped("is_current"), [False, True, True])

    def test_price_domain(self):
        here = self.record()
        for values, expected in [
            ({"valid_to": "2026-06-14"}, 0),
            ({"valid_to": "2026-06-15"}, 1),
            ({"provider_code": "openai"}, 0),
            ({"model_name": "gpt_test"}, 0),
            ({"company_id": self.env.company.id}, 1),
        ]:
            with self.subTest(values=values):
                price = self.price(3, **values)
                found = here.search(price._usage_domain()) & here
                self.assertEqual(len(found), expected)
                price.unlink()

    def test_by_hand(self):
        row = self.record()
        self.price(3)
        administrator = new_test_user(
            self.env, "u_admin", groups="steward.group_administrator"
        )
        done = row.with_user(administrator).action_reprice()
        self.assertIn("1 of 1", done["params"]["message"])

    # -- denied -------------------------------------------------------------------

    def test_nobody_writes(self):
        row = self.record()
        for group in ("viewer", "operator", "administrator"):
            user = new_test_user(
                self.env, f"u_{group}", groups=f"steward.group_{group}"
            )
            mine = row.with_user(user)
            self.assertEqual(mine.model_name, "gpt-test")
            for refused in (
                lambda m=mine: m.write({"tokens_in": 0}),
                mine.unlink,
                lambda m=mine: m.create({"model_name": "x"}),
            ):
                self.assertRaises(AccessError, refused)
            if group != "administrator":
                self.assertRaises(AccessError, mine.action_reprice)

    def test_cost_cannot_be_forged(self):
        """Not even by code that forgot itself in superuser mode."""
        row = self.record()
        with self.assertRaises(Refused):
            row.write({"cost": 0})
        with self.assertRaises(Refused):
            row.with_context(default_cost=0).create({"model_name": "x"})
