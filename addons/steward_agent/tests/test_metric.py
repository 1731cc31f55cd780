from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError

from .ledger_common import LedgerCase, at, run, step


class TestMetric(LedgerCase):
    def setUp(self):
        super().setUp()
        self.metrics = self.env["steward.metric"].with_user(self.users["viewer"])
        self.now = fields.Datetime.now().replace(second=0)

    def told_at(self, moment):
        return f"{moment.isoformat()}Z"

    def fill(self, moment, trace, agent="Invoices", **more):
        self.accept(
            run(
                trace,
                agent,
                started_at=self.told_at(moment),
                ended_at=self.told_at(moment),
            ),
            step(
                *("m", trace),
                kind="llm_inference",
                name="chat",
                model="gpt",
                tokens_in=100,
                tokens_out=10,
                tokens_cached=50,
                cost="0.01",
                duration_ms=800,
                started_at=self.told_at(moment),
            ),
            step(
                "u", trace, kind="embedding", model="e", started_at=self.told_at(moment)
            ),
            step(
                *("t", trace),
                error_message="no",
                duration_ms=20,
                started_at=self.told_at(moment),
                **more,
            ),
        )

    def totals(self, **how):
        start = self.now - timedelta(days=200)
        return self.metrics._totals(start, self.now + timedelta(days=1), **how)

    def test_totals(self):
        self.fill(self.now - timedelta(minutes=5), "t1")
        self.fill(self.now - timedelta(minutes=3), "t2", agent="Other")
        failed = {"status": "error", "error": "no"}
        self.accept(run("t3", "Other", started_at=self.told_at(self.now), **failed))
        [all_] = self.totals()
        expected = {"runs": 3, "failures": 1, "steps": 6, "errors": 2, "unpriced": 2}
        expected |= {"tokens_in": 200, "tokens_out": 20, "tokens_cached": 100}
        for name, value in expected.items():
            self.assertEqual(all_[name], value, name)
        self.assertAlmostEqual(all_["cost"], 0.02)
        self.assertGreaterEqual(all_["p95"], 0)
        by_agent = {row["group"]: row["runs"] for row in self.totals(by="agent_id")}
        self.assertEqual(list(by_agent.values()), [1, 2])
        agents = self.env["steward.agent"].search([("name", "=", "Other")])
        [other] = self.totals(agents=agents)
        self.assertEqual(other["runs"], 2)
        by_model = self.totals(by="model", steps=True)
        self.assertEqual([row["group"] for row in by_model], ["e", "gpt"])
        self.assertAlmostEqual(by_model[1]["p50"], 800, delta=8)
        self.assertIsNone(by_model[0]["p50"])
        [tool] = self.totals(by="tool", steps=True)
        self.assertEqual((tool["group"], tool["steps"]), ("search", 2))
        self.assertAlmostEqual(tool["p95"], 20, delta=0.2)
        with self.assertRaises(ValueError):
            self.totals(by="company_id; DROP TABLE")

    def test_nothing(self):
        [totals] = self.totals()
        self.assertEqual((totals["runs"], totals["p50"]), (0, None))
        self.assertEqual(self.totals(by="agent_id"), [])

    def test_series(self):
        start = self.now - timedelta(hours=3)
        self.fill(start + timedelta(minutes=61), "t1")
        self.fill(start + timedelta(minutes=62), "t2")
        series = self.metrics._series(start, self.now, timedelta(hours=1))
        self.assertEqual([row["runs"] for row in series], [0, 2, 0])
        self.assertEqual(series[0]["start"], start)

    def test_merge_keeps_the_sums(self):
        """Minutes, hours and days add up to the same, whatever was merged when."""
        for number, age in enumerate(
            (0, 0, 1, 3 * 1440, 3 * 1440 + 1, 120 * 1440, 120 * 1440 + 61)
        ):
            self.fill(self.now - timedelta(minutes=age + 5), f"t{number}")
        before = self.totals(by="agent_id", steps=True)
        model = self.env["steward.metric"]
        deltas = model.search_count([])
        for _round in range(2):
            while model._merge(5):
                pass
            self.assertEqual(self.totals(by="agent_id", steps=True), before)
            self.assertFalse(model.search([("is_delta", "=", True)]))
            self.assertLess(model.search_count([]), deltas)
            grains = set(model.search([]).mapped("grain"))
            self.assertEqual(grains, {"1", "60", "1440"})
            self.fill(self.now - timedelta(minutes=5), f"late{_round}")
            self.fill(self.now - timedelta(days=120), f"very-late{_round}")
            before = self.totals(by="agent_id", steps=True)

    def test_roll_up_as_time_goes_by(self):
        moment = self.now - timedelta(minutes=5)
        self.fill(moment, "t1")
        model = self.env["steward.metric"]
        model._merge(100)
        before = self.totals()
        for days, grain in ((3, "60"), (100, "1440")):
            # instead of waiting
            self.env.cr.execute(
                "UPDATE steward_metric SET start = start - make_interval(days => %s)",
                [days],
            )
            while model._merge(100):
                pass
            self.assertEqual(set(model.search([]).mapped("grain")), {grain})
            totals = self.totals()
            self.assertEqual({**totals[0], "start": 0}, {**before[0], "start": 0})

    def test_cron(self):
        self.fill(self.now - timedelta(minutes=5), "t1")
        with self.enter_registry_test_mode():
            self.env.ref("steward_agent.cron_merge_metrics").method_direct_trigger()
        self.assertFalse(self.env["steward.metric"].search([("is_delta", "=", True)]))

    def test_queries_use_the_index(self):
        self.env.cr.execute(
            """
            INSERT INTO steward_metric (company_id, model, tool, grain, start, is_delta)
            SELECT %s, n::text, '', '60', now() - make_interval(hours => n), false
              FROM generate_series(1, 5000) n
            """,
            [self.env.company.id],
        )
        self.env.cr.execute("ANALYZE steward_metric")
        self.env.cr.execute(
            "EXPLAIN SELECT sum(runs) FROM steward_metric WHERE company_id = ANY(%s)"
            " AND start >= %s AND start < %s",
            [self.env.company.ids, self.now - timedelta(hours=9), self.now],
        )
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.assertIn("recent", plan)

    def test_who_may_read(self):
        for role in ("employee", "agent"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.metrics.with_user(self.users[role])._totals(
                    at("2026-01-01"), self.now
                )

    def test_another_companys(self):
        self.fill(self.now - timedelta(minutes=5), "t1")
        company = self.env["res.company"].create({"name": "Other"})
        self.users["viewer"].company_ids += company
        there = self.metrics.with_context(allowed_company_ids=company.ids)
        [totals] = there._totals(self.now - timedelta(days=1), self.now)
        self.assertEqual(totals["runs"], 0)
