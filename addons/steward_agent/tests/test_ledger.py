import json
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user

from .ledger_common import NOON, LedgerCase, at, run, step

SECRET = "sk-" + "a1B2" * 10


class TestReport(LedgerCase):
    def test_new_run_and_steps(self):
        today = fields.Date.today()
        answer = self.accept(
            run(task="Collect what is due", session="monday", tags=["demo"]),
            step("1", duration_ms=12.5, input={"limit": 3}, output="two invoices"),
            step(
                *("2",),
                kind="llm_inference",
                name="chat",
                model="unheard-of",
                tokens_in=100,
                tokens_out=7.0,
                cost="0.0012",
                parent_span_id="1",
            ),
        )
        self.assertEqual(
            answer, {"runs": 1, "steps": 2, "duplicates": 0, "rejected": []}
        )
        head = self.run_of()
        self.assertEqual(head.state, "running")
        self.assertEqual(head.source, "reported")
        self.assertEqual(head.agent_id.code, "invoices")
        self.assertEqual(head.agent_id.kind, "external")
        self.assertEqual(head.agent_name, "Invoices")
        self.assertEqual(head.task, "Collect what is due")
        self.assertEqual(head.tags, ["demo"])
        months = {day.replace(day=1) for day in (today, fields.Date.today())}
        self.assertIn(head.month, months)
        self.assertEqual((head.step_count, head.error_count), (2, 0))
        self.assertEqual((head.tokens_in, head.tokens_out), (100, 7))
        self.assertAlmostEqual(head.cost, 0.0012, 9)
        self.assertEqual(head.model, "unheard-of")
        first, second = head.step_ids
        self.assertEqual(json.loads(first.input), {"limit": 3})
        self.assertEqual(first.output, "two invoices")
        self.assertEqual(first.duration_ms, 12.5)
        self.assertFalse(first.cost_source)
        self.assertEqual(second.cost_source, "provided")
        self.assertEqual(second.parent_span_id, "1")
        self.assertEqual(second.company_id, self.env.company)

    def test_same_again(self):
        rows = (run(status="ok"), step("1", tokens_in=5, cost=1), step("2"))
        self.accept(*rows)
        before = self.run_of().read()[0]
        answer = self.accept(*rows)
        self.assertEqual((answer["runs"], answer["steps"]), (0, 0))
        self.assertEqual(answer["duplicates"], 3)
        self.env.invalidate_all()
        self.assertEqual(self.run_of().read()[0], before)
        [totals] = self.totals()
        self.assertEqual((totals["runs"], totals["steps"]), (1, 2))

    def test_twice_in_one_batch(self):
        answer = self.accept(run(), run(), step("1", output="a"), step("1", output="b"))
        self.assertEqual((answer["runs"], answer["steps"]), (1, 1))
        self.assertEqual(answer["duplicates"], 2)
        self.assertEqual(self.run_of().step_ids.output, "a")
        self.assertEqual(self.run_of().step_count, 1)

    def test_completes_and_never_rewrites(self):
        self.accept(run(task="first"))
        self.accept(
            run(
                *("t1", "Invoices"),
                task="second",
                status="ok",
                ended_at="2026-11-21T12:00:03Z",
                output="done",
            )
        )
        head = self.run_of()
        self.assertEqual(
            (head.state, head.task, head.output), ("completed", "first", "done")
        )
        self.assertEqual(head.duration_ms, 3000)
        answer = self.accept(run(status="error", error="no", output="other"))
        self.assertEqual((answer["runs"], answer["duplicates"]), (0, 1))
        self.env.invalidate_all()
        self.assertEqual(
            (head.state, head.output, head.error), ("completed", "done", False)
        )

    def test_state_set_by_us_stays(self):
        self.accept(run())
        self.run_of().sudo()._write_own({"state": "terminated"})
        self.env.flush_all()
        answer = self.accept(run(status="ok", output="late"))
        self.assertEqual(answer["control"], {"t1": "terminated"})
        self.assertEqual(self.run_of().state, "terminated")
        self.assertEqual(self.run_of().output, "late")

    def test_lost_run_comes_back(self):
        self.accept(run())
        self.run_of().sudo()._write_own({"state": "lost"})
        self.accept(run(status="ok"))
        self.assertEqual(self.run_of().state, "completed")

    def test_steps_before_their_run(self):
        self.accept(
            step("1", kind="llm_inference", model="m", input="who?", cost=2), step("2")
        )
        head = self.run_of()
        self.assertEqual((head.state, head.step_count), ("running", 2))
        self.assertFalse(head.agent_id)
        # whether the agent wants it kept is not known yet
        self.assertTrue(head.step_ids[0].input.startswith("sha256:"))
        self.assertEqual(self.totals()[0]["steps"], 0)
        self.accept(run(status="ok", started_at="2026-11-21T11:59:59Z"))
        self.env.invalidate_all()
        self.assertEqual(head.agent_id.code, "invoices")
        self.assertEqual(head.state, "completed")
        self.assertEqual(head.started_at, at("2026-11-21T11:59:59"))
        self.assertEqual(head.step_ids.agent_id, head.agent_id)
        [totals] = self.totals()
        self.assertEqual((totals["runs"], totals["steps"], totals["cost"]), (1, 2, 2))

    def test_late_steps_go_to_the_month_of_the_run(self):
        self.accept(run())
        head = self.run_of()
        month = head.month - timedelta(days=62)
        self.steps._make_partition(month)
        self.env.cr.execute(
            "UPDATE steward_run SET month = %s WHERE id = %s",
            [month.replace(day=1), head.id],
        )
        self.accept(step("1"))
        self.accept(step("1"))
        self.env.invalidate_all()
        self.assertEqual(head.step_ids.period, month.replace(day=1))

    def test_rejects_are_listed_and_the_rest_is_kept(self):
        bad_runs = {
            "not-an-object": "run",
            "missing": {"trace_id": "x", "agent": "A"},
            "id": run("no blanks"),
            "agent": run("x", "!?"),
            "type": run("x", 7),
            "status": run("x", status="fine"),
            "time-order": run("x", ended_at="2026-11-20T12:00:00Z"),
            "future": run("x", started_at="2999-01-01"),
            "past": run("x", started_at=0),
        }
        bad_steps = {
            "not-an-object": ["step"],
            "kind": step("x", kind=["tool_call"]),
            "status": step("x", status={"ok": 1}),
            "missing": step(""),
            "id": step("x" * 129),
            "type": step("x", name=1),
            "time": step("x", started_at="noon"),
            "future": step("x", started_at="2999-01-01"),
            "number": step("x", duration_ms=float("nan")),
        }
        answer = self.report(
            runs=[*bad_runs.values(), run()], steps=[step(), *bad_steps.values()]
        )
        self.assertEqual((answer["runs"], answer["steps"]), (1, 1))
        told = {(r["where"], r["code"], r["index"]) for r in answer["rejected"]}
        expected = {("runs", code, n) for n, code in enumerate(bad_runs)}
        expected |= {("steps", code, n + 1) for n, code in enumerate(bad_steps)}
        self.assertEqual(told, expected)
        for rejected in answer["rejected"]:
            self.assertTrue(rejected["reason"])

    def test_no_batch_at_all(self):
        for batch in (None, [], "runs", {"runs": 1}, {"steps": {}}, 7):
            with (
                self.subTest(batch),
                self.assertRaisesRegex(Invalid, "STEWARD-INVALID"),
            ):
                self.runs.with_user(self.users["operator"]).report(batch)
        with self.assertRaisesRegex(Invalid, "at most 5000 steps"):
            self.report(runs=[], steps=[step()] * 5001)
        self.assertEqual(self.report(runs=None, steps=[])["steps"], 0)

    def test_clocks(self):
        soon = fields.Datetime.now() + timedelta(hours=2)
        self.accept(
            run(),
            step("float", started_at=1763726400123.0),
            step("text", started_at="1763726400123"),
            step("zone", started_at="2025-11-21T13:00:00.123456+01:00"),
            step("ahead", started_at=soon.isoformat()),
        )
        steps = {s.span_id: s for s in self.run_of().step_ids}
        for span in ("float", "text", "zone"):
            self.assertEqual(steps[span].started_ms, 1763726400123.0)
        self.assertLess(steps["ahead"].started_at, soon - timedelta(hours=1))

    def test_nothing_spoils_the_ledger(self):
        deep = value = {}
        for _level in range(500):
            value["a"] = value = {}
        nasty = "'); DROP TABLE steward_step; --<script>alert(1)</script>\0\ud800 é"
        self.accept(
            run(
                *("t1", f"Agent {nasty}"),
                task=nasty,
                session=nasty,
                tags=[nasty],
                status="error",
                error=nasty,
            ),
            step(
                "nasty",
                name=nasty,
                model=nasty,
                input=nasty,
                output={nasty: [nasty]},
                error_type=nasty,
                error_message=nasty,
                attributes={nasty: nasty, "none": None, "list": [None, float("inf")]},
            ),
            step("deep", attributes=deep, input=deep),
            step("many", attributes={f"k{n}": n for n in range(100_000)}),
            step("large", input="word " * 250_000, attributes={"x": "y" * 10**6}),
            step("list", attributes=[1, 2**40], input=[None]),
        )
        steps = {s.span_id: s for s in self.run_of().step_ids}
        self.assertEqual(len(steps), 5)
        clean = nasty.replace("\0", "\ufffd").replace("\ud800", "?")
        self.assertEqual(steps["nasty"].name, clean)
        self.assertEqual(steps["nasty"].input, clean)
        self.assertEqual(steps["nasty"].attributes[clean], clean)
        self.assertEqual(steps["nasty"].attributes["list"], ["", "inf"])
        self.assertEqual(len(steps["many"].attributes), 101)
        self.assertEqual(
            steps["many"].attributes["…"], "99900 more attributes were not kept"
        )
        self.assertLess(len(steps["large"].input), 2100)
        self.assertIn("characters cut]", steps["large"].input)
        self.assertEqual(steps["list"].attributes, {"value": [1, str(2**40)]})
        for name in ("steward.run", "steward.step", "steward.failure"):
            self.assertSerializable(
                [
                    {k: v for k, v in row.items() if isinstance(v, str | int | dict)}
                    for row in self.env[name].search([]).read()
                ]
            )

    def test_capture(self):
        told = {
            "input": f"key {SECRET} for Bob",
            "attributes": {"temperature": 0.5, "prompt": "for Bob", "ok": True},
            "error_message": "no order 17 for bob@example.com",
        }
        found = {}
        for setting in ("none", "hashed", "truncated", "full"):
            self.accept(run(setting, setting))
            agent = self.run_of(setting).agent_id
            agent.capture = setting
            self.env.flush_all()
            self.accept(run(setting, setting, status="ok", output="for Bob"))
            self.accept(step("1", setting, **told))
            found[setting] = self.run_of(setting).step_ids
            self.assertNotIn(SECRET, str(found[setting].read()))
        self.assertFalse(found["none"].input)
        self.assertFalse(found["none"].run_id.output)
        self.assertTrue(found["hashed"].input.startswith("sha256:"))
        self.assertTrue(found["hashed"].run_id.output.startswith("sha256:"))
        for setting in ("none", "hashed"):
            self.assertEqual(
                found[setting].attributes, {"temperature": 0.5, "ok": True}
            )
            self.assertEqual(found[setting].error_message, "no order <num> for <email>")
        for setting in ("truncated", "full"):
            self.assertEqual(found[setting].input, "key [redacted:key] for Bob")
            self.assertEqual(found[setting].attributes["prompt"], "for Bob")
            self.assertEqual(found[setting].run_id.output, "for Bob")

    def test_secrets_are_redacted_everywhere(self):
        self.accept(
            run(
                task=f"use {SECRET}",
                session=f"Bearer {SECRET}",
                tags=[SECRET],
                status="error",
                error=f"{SECRET} was refused",
            ),
            step(
                "1",
                name=f"GET /?token={SECRET}",
                output={"password": "hunter2", "list": [SECRET]},
                error_type=f"api_key={SECRET}",
                error_message=SECRET,
                attributes={
                    "authorization": "x1",
                    "deep": {"token": "x2", "a": SECRET},
                },
            ),
        )
        self.env.cr.execute("SELECT row_to_json(s)::text FROM steward_step s")
        texts = [text for (text,) in self.env.cr.fetchall()]
        self.env.cr.execute("SELECT row_to_json(r)::text FROM steward_run r")
        texts += [text for (text,) in self.env.cr.fetchall()]
        self.env.cr.execute("SELECT row_to_json(f)::text FROM steward_failure f")
        texts += [text for (text,) in self.env.cr.fetchall()]
        for text in texts:
            for secret in (SECRET, "hunter2", "x1", "x2"):
                self.assertNotIn(secret, text)

    def test_numbers(self):
        for key, values in {
            "tokens_in": [-1, 2**31, 1.5, "7", True, float("inf"), [1]],
            "duration_ms": [-0.1, 1e13, "1", True, float("nan")],
            "cost": [-1, "NaN", "Infinity", 1e9, "free", True, {}],
        }.items():
            for value in values:
                with self.subTest(key=key, value=value):
                    [told] = self.report(run(), step("x", **{key: value}))["rejected"]
                    self.assertEqual(told["code"], "number")
        self.accept(step("1", tokens_in=2**31 - 1, cost="1e-9", duration_ms=0))
        self.assertEqual(self.run_of().tokens_in, 2**31 - 1)

    def test_sums_that_no_column_holds(self):
        self.accept(run(), *(step(n, tokens_in=2**31 - 1) for n in "12"))
        self.assertEqual(self.run_of().tokens_in, 2**31 - 1)

    def test_constant_number_of_queries(self):
        def rows(trace, count):
            yield run(trace)
            for n in range(count):
                yield step(
                    *(f"s{n}", trace),
                    error_message="no" if n % 5 == 0 else None,
                    model="model",
                    cost=0.1,
                )

        self.accept(*rows("warm", 500))
        counts = []
        for trace, count in (("one", 1), ("many", 500)):
            batch = list(rows(trace, count))
            before = self.env.cr.sql_log_count
            self.accept(*batch)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[0], counts[1])
        with self.assertQueryCount(counts[0] + 1):  # and the news for screens
            self.accept(*rows("again", 500))
        self.assertLessEqual(counts[0], 25)

    def totals(self, **how):
        metrics = self.env["steward.metric"]
        return metrics._totals(at("2026-11-01"), at("2026-12-01"), **how)

    # -- who may -------------------------------------------------------------------

    def test_who_may_report(self):
        for role in ("viewer", "reviewer", "employee"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.report(run(), user=role)
        for role in ("agent", "operator"):
            self.accept(run(role, role), user=role)
        self.assertEqual(self.run_of("agent").agent_id.user_id, self.users["agent"])
        self.assertFalse(self.run_of("operator").agent_id.user_id)

    def test_an_agent_reports_for_its_own(self):
        other = new_test_user(self.env, "ledger_other", groups="steward.group_agent")
        self.accept(run("mine", "Mine"), step("1", "mine"), user="agent")
        self.accept(step("2", "early"), user="agent")
        before = self.run_of("mine").read()[0]
        for rows in (
            [run("new", "Mine")],
            [run("mine", "Mine", status="ok")],
            [step("3", "mine")],
            [step("3", "early")],
            [run("early", "Theirs")],
        ):
            answer = self.report(*rows, user=other)
            self.assertEqual(len(answer["rejected"]), 1, rows)
            self.assertNotIn("control", answer)
        self.env.invalidate_all()
        self.assertEqual(self.run_of("mine").read()[0], before)
        self.accept(run("mine", "Mine", status="ok"), user="operator")

    def test_no_report_about_runs_that_run_here(self):
        agent = self.env["steward.agent"].create(
            {"name": "Here", "code": "here", "user_id": self.users["agent"].id}
        )
        self.runs._create_own(
            {
                "trace_id": "t1",
                "company_id": self.env.company.id,
                "month": "2026-11-01",
                "agent_id": agent.id,
                "agent_name": "Here",
                "source": "here",
                "state": "running",
            }
        )
        answer = self.report(run("t1", "Here", status="ok"), run("t2", "Here"), step())
        self.assertEqual(
            [(r["where"], r["code"]) for r in answer["rejected"]],
            [("runs", "trace"), ("runs", "agent"), ("steps", "trace")],
        )
        self.assertEqual(self.run_of().state, "running")

    def test_another_agents_run(self):
        self.accept(run("t1", "A"))
        [told] = self.report(run("t1", "B", status="ok"))["rejected"]
        self.assertEqual(told["code"], "agent")
        answer = self.report(run("t2", "A"), run("t2", "B"))
        self.assertEqual(answer["runs"], 1)
        self.assertEqual([r["code"] for r in answer["rejected"]], ["agent"])

    def test_other_companies_traces_do_not_exist(self):
        company = self.env["res.company"].create({"name": "Other"})
        self.users["there"] = new_test_user(
            self.env,
            "ledger_there",
            groups="steward.group_operator",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        here = self.accept(run(task="ours"), step("1"))
        theirs = self.accept(run(task="theirs"), step("1"), user="there")
        self.assertEqual(here, theirs)
        ours, other = self.runs.sudo().search([("trace_id", "=", "t1")], order="id")
        self.assertEqual((ours.task, other.task), ("ours", "theirs"))
        self.assertEqual(other.company_id, company)
        self.assertEqual(other.agent_id.company_id, company)
        self.assertNotEqual(ours.agent_id, other.agent_id)
        self.assertEqual((ours.step_count, other.step_count), (1, 1))
        for name in (
            "steward.step",
            "steward.metric",
            "steward.failure",
            "steward.run",
        ):
            seen = self.env[name].with_user(self.users["there"]).search([])
            self.assertLessEqual(seen.company_id, company, name)

    def test_how_many_agents_one_account_registers(self):
        with patch("odoo.addons.steward_agent.ledger.MAX_AGENTS", 2):
            answer = self.report(
                *(run(f"t{n}", f"A{n}") for n in range(4)), user="agent"
            )
        self.assertEqual(answer["runs"], 2)
        self.assertEqual({r["code"] for r in answer["rejected"]}, {"agents"})

    def test_idempotency_key(self):
        self.accept(run("t1", idempotency_key="k"))
        answer = self.report(run("t2", idempotency_key="k"), step("1", "t2"))
        self.assertEqual(
            [(r["where"], r["code"]) for r in answer["rejected"]],
            [("runs", "key-used"), ("steps", "key-used")],
        )
        self.accept(run("t1", idempotency_key="k"))
        self.accept(run("t3"))
        self.accept(run("t3", idempotency_key="k"))  # only its first report has a key
        self.assertFalse(self.run_of("t3").idempotency_key)

    def test_nothing_is_forged(self):
        self.accept(
            run(status="ok", state="failed", verdict="approved", cost=-5, user_id=1),
            step("1", agent_name="Boss", category="bug", cost_source="computed"),
        )
        head = self.run_of()
        self.assertEqual((head.state, head.verdict, head.cost), ("completed", False, 0))
        self.assertEqual(head.user_id, self.users["operator"])
        self.assertEqual(head.step_ids.agent_name, "Invoices")
        self.assertFalse(head.step_ids.cost_source)
        administrator = new_test_user(
            self.env, "ledger_admin", groups="steward.group_administrator"
        )
        for user in (self.users["operator"], administrator):
            mine = head.with_user(user)
            for vals in ({"state": "failed"}, {"cost": 1}, {"verdict": "approved"}):
                with self.subTest(vals), self.assertRaises(UserError):
                    mine.write(vals)
            with self.assertRaises(UserError):
                mine.copy()
            with self.assertRaises(AccessError):
                mine.unlink()
            with self.assertRaises(UserError):
                mine.step_ids.write({"cost": 1})
            with self.assertRaises(AccessError):
                mine.step_ids.unlink()
        with self.assertRaises(Refused):
            head.write({"verdict": "approved"})

    def test_control(self):
        self.accept(run("a"), run("b"))
        self.wish("a", "paused")
        self.assertEqual(self.accept(step("1", "a"))["control"], {"a": "paused"})
        self.assertNotIn("control", self.accept(step("1", "b")))
        self.assertNotIn("control", self.accept(run("a", status="paused")))
        self.assertEqual(self.run_of("a").state, "paused")

    def wish(self, trace, state):
        self.env["steward.run.wish"].create(
            {"run_id": self.run_of(trace).id, "desired_state": state}
        )
        self.env.flush_all()


class TestOwnRuns(LedgerCase):
    """What the executor uses."""

    def setUp(self):
        super().setUp()
        self.agent = self.env["steward.agent"].create(
            {"name": "Here", "code": "here", "user_id": self.users["agent"].id}
        )
        self.run = self.runs._create_own(
            {
                "trace_id": "t1",
                "company_id": self.env.company.id,
                "month": fields.Date.today().replace(day=1),
                "agent_id": self.agent.id,
                "agent_name": "Here",
                "source": "here",
                "state": "running",
            }
        )

    def test_ingest(self):
        answer = self.run._ingest(
            [],
            [
                step(
                    "1",
                    error_type="STEWARD-TIMED-OUT",
                    step_key="2.1",
                    attempt=2,
                    iteration="0",
                )
            ],
        )
        self.assertEqual((answer["steps"], answer["rejected"]), (1, []))
        kept = self.run.step_ids
        self.assertEqual((kept.step_key, kept.attempt, kept.iteration), ("2.1", 2, "0"))
        self.assertEqual((kept.category, self.run.error_count), ("external", 1))
        self.assertFalse(self.env["steward.failure"].search([]))
        self.env.cr.postcommit.run()
        self.assertEqual(self.env["steward.failure"].search([]).last_run_id, self.run)

    def test_unknown_run(self):
        [told] = self.run._ingest([], [step("1", "t9")])["rejected"]
        self.assertEqual(told["code"], "trace")

    def test_count_ended(self):
        self.run._write_own(
            {
                "state": "failed",
                "ended_at": NOON[:19].replace("T", " "),
                "duration_ms": 50,
                "error": "no money left in the budget",
            }
        )
        self.run._count_ended()
        self.env.cr.postcommit.run()
        [totals] = self.env["steward.metric"]._totals(
            at("2026-11-21"), at("2026-11-22")
        )
        self.assertEqual((totals["runs"], totals["failures"]), (1, 1))
        self.assertEqual(self.run.category, "budget")
        failure = self.env["steward.failure"].search([])
        self.assertEqual(failure.fingerprint, self.run.fingerprint)
        self.assertEqual(failure.agent_ids, self.agent)
