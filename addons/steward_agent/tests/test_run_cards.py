from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user

from .ledger_common import LedgerCase, run, step

CARDS = [
    *("runs", "success", "run_typical", "run_slow", "cost", "runs_over_time"),
    *("cost_over_time", "budgets", "failures", "approvals"),
]


def ago(**time):
    return f"{(fields.Datetime.now() - timedelta(**time)).isoformat()}Z"


class TestCards(LedgerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # the figures of other tests, and of demonstrations, are another company's
        cls.company = cls.env["res.company"].create({"name": "Cards"})
        for user in cls.users.values():
            user.write(
                {"company_ids": [(4, cls.company.id)], "company_id": cls.company.id}
            )

    def cards(self, *names, period="day", user="viewer"):
        board = self.env["steward.dashboard"].with_user(self.users[user])
        cards = board.data(period, [self.company.id], list(names))["cards"]
        for name, card in cards.items():
            self.assertNotIn("error", card, name)
        return cards[names[0]] if len(names) == 1 else cards

    def ended(self, trace, status="ok", seconds=2, hours=1, **more):
        ended = fields.Datetime.now() - timedelta(hours=hours)
        started = ended - timedelta(seconds=seconds)
        return run(
            trace,
            started_at=f"{started.isoformat()}Z",
            ended_at=f"{ended.isoformat()}Z",
            status=status,
            **more,
        )

    def parts(self, card):
        return {part["name"]: part.get("value") for part in card["parts"]}

    def test_nothing_is_not_known(self):
        cards = self.cards(*CARDS)
        for name in ("success", "run_typical", "run_slow"):
            self.assertNotIn("value", cards[name], name)
        self.assertEqual(cards["cost"]["value"], 0)
        self.assertEqual(set(self.parts(cards["runs"]).values()), {0})
        for name in ("failures", "approvals"):
            self.assertEqual(cards[name]["rows"], [])

    def test_success(self):
        self.accept(
            *(self.ended(f"ok{number}") for number in range(3)),
            self.ended("bad", "error"),
            self.ended("gone", "cancelled"),
            self.ended("before", hours=30),
        )
        card = self.cards("success")
        self.assertAlmostEqual(card["value"], 80)
        self.assertAlmostEqual(card["before"], 100)
        parts = self.parts(self.cards("runs"))
        self.assertEqual((parts["failed"], parts["ended"]), (1, 5))

    def test_behind_the_numbers_are_their_records(self):
        self.accept(self.ended("ok"), self.ended("bad", "error"), run("going"))
        runs = self.env["steward.run"].with_user(self.users["viewer"])
        for part in self.cards("runs")["parts"]:
            domain = part["action"]["domain"]
            self.assertEqual(runs.search_count(domain), part["value"], part["name"])
        domain = self.cards("success")["action"]["domain"]
        self.assertEqual(set(runs.search(domain).mapped("trace_id")), {"ok", "bad"})

    def test_durations(self):
        self.accept(*(self.ended(f"r{n}", seconds=n) for n in range(1, 21)))
        self.assertAlmostEqual(self.cards("run_typical")["value"], 10, delta=0.2)
        self.assertAlmostEqual(self.cards("run_slow")["value"], 19, delta=0.3)

    def test_cost(self):
        self.accept(
            self.ended("paid"),
            step("a", "paid", started_at=ago(hours=1), cost=0.5),
            step("b", "paid", started_at=ago(hours=30), cost=0.25),
        )
        card = self.cards("cost")
        self.assertAlmostEqual(card["value"], 0.5)
        self.assertAlmostEqual(card["before"], 0.25)
        chart = self.cards("cost_over_time")
        self.assertEqual(len(chart["labels"]), len(chart["series"][0]["values"]))
        self.assertAlmostEqual(sum(chart["series"][0]["values"]), 0.5)

    def test_unknown_price_is_a_gap(self):
        self.accept(
            self.ended("unknown"),
            step(
                *("a", "unknown"),
                kind="llm_inference",
                model="our-own-7b",
                tokens_in=10,
                started_at=ago(hours=1),
            ),
        )
        self.assertNotIn("value", self.cards("cost"))
        values = self.cards("cost_over_time")["series"][0]["values"]
        self.assertIn(False, values)

    def test_runs_over_time(self):
        self.accept(self.ended("ok"), self.ended("bad", "error", hours=5))
        done, failed = self.cards("runs_over_time")["series"]
        self.assertEqual((sum(done["values"]), sum(failed["values"])), (1, 1))
        self.assertNotEqual(done["values"].index(1), failed["values"].index(1))

    def test_failures(self):
        rows = [
            step(
                f"f{n}", "ok", started_at=ago(hours=1), status="error", error_message=m
            )
            for n, m in enumerate(["rare", "often", "often"])
        ]
        self.accept(self.ended("ok"), *rows)
        card = self.cards("failures")
        self.assertEqual([row["times"] for row in card["rows"]], [2, 1])
        self.assertEqual(card["total"], 2)

    def test_approvals(self):
        self.accept(run("asks"))
        shown = self.env["steward.run"].search([("trace_id", "=", "asks")])
        approvals = self.env["steward.approval"]
        for number in range(6):
            approvals._create_own(
                {
                    "run_id": shown.id,
                    "company_id": self.company.id,
                    "step_key": str(number),
                    "question": f"Number {number}?",
                }
            )
        card = self.cards("approvals")
        self.assertEqual(
            [r["question"] for r in card["rows"]][:2], ["Number 0?", "Number 1?"]
        )
        self.assertEqual(card["total"], 6)

    def test_budgets(self):
        budgets = self.env["steward.budget"]
        for name, limit in (("Roomy", 100), ("Tight", 2)):
            budgets.create(
                {
                    "name": name,
                    "company_id": self.company.id,
                    "currency_id": self.env.ref("base.USD").id,
                    "limit_amount": limit,
                    "action": "alert",
                }
            )
        budgets._charge([({"company": self.company.id}, "3", None)])
        parts = self.cards("budgets")["parts"]
        self.assertEqual(
            [(p["title"], p["value"], p["status"]) for p in parts],
            [("Tight", "150 %", "failed"), ("Roomy", "3 %", "ok")],
        )

    def test_other_companies(self):
        self.accept(self.ended("ours"))
        other = self.env["res.company"].create({"name": "Others"})
        stranger = new_test_user(
            self.env,
            "cards_stranger",
            groups="steward.group_viewer",
            company_id=other.id,
            company_ids=[other.id],
        )
        self.users["stranger"] = stranger
        board = self.env["steward.dashboard"].with_user(stranger)
        cards = board.data("day", None, CARDS)["cards"]
        self.assertNotIn("value", cards["success"])
        self.assertEqual(self.parts(cards["runs"])["ended"], 0)
        with self.assertRaises(AccessError):
            board.data("day", [self.company.id], CARDS)

    def test_figures_are_for_viewers(self):
        for role in ("employee", "agent"):
            metrics = self.env["steward.metric"].with_user(self.users[role])
            with self.subTest(role=role), self.assertRaises(AccessError):
                metrics._overview(None)

    def test_queries_do_not_grow(self):
        def ask():
            self.env.invalidate_all()
            self.cards(*CARDS, period="month")

        self.accept(*(self.ended(f"q{n}", hours=n % 24 + 1) for n in range(60)))
        ask()
        with self.assertQueryCount(40):
            ask()
