from unittest.mock import patch

from odoo import fields
from odoo.tools import mute_logger

from .ledger_common import LedgerCase, run, step


class TestCost(LedgerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["steward.price"].create(
            {
                "model_name": "house-model",
                "valid_from": "2026-01-01",
                "rate_input": 2,
                "rate_cached": 1,
                "rate_output": 10,
            }
        )
        cls.env["steward.budget"].search([]).unlink()
        cls.budget = cls.env["steward.budget"].create(
            {
                "name": "Everything",
                "company_id": cls.env.company.id,
                "currency_id": cls.env.ref("base.USD").id,
                "limit_amount": 100,
            }
        )

    def inference(self, span, trace="t1", **more):
        now = f"{fields.Datetime.now().isoformat()}Z"
        known = {"kind": "llm_inference", "name": "chat", "model": "house-model"}
        return step(span, trace, **{**known, "started_at": now, **more})

    def spent(self):
        self.env.invalidate_all()
        return sum(self.budget.period_ids.mapped("spent"))

    def test_told_before_computed_before_unknown(self):
        usage = {
            "tokens_in": 1_000_000,
            "tokens_out": 100_000,
            "tokens_cached": 500_000,
        }
        self.accept(
            run(),
            self.inference("computed", **usage),
            self.inference("told", cost=0.25, **usage),
            self.inference("free", cost=0, **usage),
            self.inference("unknown", **{**usage, "model": "of nobody's"}),
            self.inference("silent"),
            step("tool"),
        )
        steps = {s.span_id: s for s in self.run_of().step_ids}
        found = {span: (s.cost_source, s.cost) for span, s in steps.items()}
        self.assertEqual(
            found,
            {
                "computed": ("computed", 2.5),
                "told": ("provided", 0.25),
                "free": ("provided", 0),
                "unknown": ("unknown", 0),
                "silent": ("unknown", 0),
                "tool": (False, 0),
            },
        )
        self.env.cr.execute(
            "SELECT span_id FROM steward_step WHERE cost IS NULL ORDER BY span_id"
        )
        unknown = [span for (span,) in self.env.cr.fetchall()]
        self.assertEqual(unknown, ["silent", "tool", "unknown"])
        head = self.run_of()
        self.assertEqual((head.cost, head.unpriced_count), (2.75, 2))
        self.assertAlmostEqual(self.spent(), 2.75)

    def test_what_nobody_knows_stays_unknown(self):
        self.accept(run(), self.inference("1", model="of nobody's", tokens_in=5))
        self.env.cr.execute("SELECT cost FROM steward_run")
        self.assertEqual(self.env.cr.fetchall(), [(None,)])

    def test_budgets_count_once(self):
        rows = (run(), self.inference("1", cost=3), self.inference("2", cost=4))
        for _time in range(2):
            self.accept(*rows)
        self.assertEqual(self.spent(), 7)

    def test_budgets_count_what_came_before_its_run(self):
        self.accept(self.inference("1", cost=3))
        self.assertEqual(self.spent(), 0)
        self.accept(run())
        self.assertEqual(self.spent(), 3)

    def test_a_broken_budget_does_not_lose_the_report(self):
        budgets = self.registry["steward.budget"]
        with (
            patch.object(budgets, "_charge", side_effect=ZeroDivisionError),
            mute_logger("odoo.addons.steward_agent.models.steward_run_ledger"),
        ):
            self.accept(run(), self.inference("1", cost=3))
        self.assertEqual(self.run_of().cost, 3)

    def test_one_look_for_each_model(self):
        asked = []
        prices = self.registry["steward.price"]
        quote = prices._quote

        def counted(model, *arguments):
            asked.append(arguments[0])
            return quote(model, *arguments)

        with patch.object(prices, "_quote", counted):
            self.accept(
                run(), *(self.inference(f"{n}", tokens_in=n + 1) for n in range(50))
            )
        self.assertEqual(asked, ["house-model"])
