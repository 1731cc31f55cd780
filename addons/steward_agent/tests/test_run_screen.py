import json
import xmlrpc.client
from unittest.mock import Mock, patch

from odoo import fields
from odoo.addons.bus.models.bus import json_dump
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.models.steward_dashboard import StewardDashboard
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged

from ..models.steward_run_screen import CHANGED, MAX_TOLD, SLICE
from .ledger_common import LedgerCase, run, step


class ScreenCase(LedgerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.env["res.company"].create({"name": "Other"})
        cls.stranger = new_test_user(
            cls.env,
            "screen_stranger",
            groups="steward.group_viewer",
            company_id=cls.other.id,
            company_ids=[cls.other.id],
        )
        cls.viewer = cls.users["viewer"]

    def told(self, *rows, trace="t1"):
        """Report a run with these steps; the run as a Viewer sees it."""
        self.accept(run(trace), *rows)
        return self.run_of(trace).with_user(self.viewer)

    def trace(self, *args, user=None):
        return self.runs.with_user(user or self.viewer).trace(*args)


class TestTrace(ScreenCase):
    def test_columns(self):
        shown = self.told(
            step("a", duration_ms=12.5, model="m", tokens_in=3, cost=0.25),
            step("b", parent_span_id="a", status="error", error_message="no"),
        )
        answer = self.trace(shown.id)
        self.assertEqual(answer["run"]["trace_id"], "t1")
        self.assertEqual(answer["run"]["steps"], 2)
        self.assertFalse(answer["run"]["is_over"])
        self.assertFalse(answer["more"])
        columns = answer["columns"]
        self.assertEqual(columns["span"], ["a", "b"])
        self.assertEqual(columns["parent"], ["", "a"])
        self.assertEqual(columns["status"], ["ok", "error"])
        self.assertEqual(columns["duration"], [12.5, False])
        self.assertEqual(columns["cost"], [0.25, False])
        self.assertEqual(columns["cost_source"], ["provided", ""])
        self.assertEqual(columns["start"][0], 1795262400000.0, "in milliseconds")
        self.assertNotIn("input", columns, "what is large is asked for one by one")

    def test_both_wires_carry_it(self):
        answer = self.trace(self.told(step("a")).id)
        self.assertSerializable(answer)
        self.assertEqual(json.loads(json.dumps(answer, allow_nan=False)), answer)
        self.assertEqual(
            xmlrpc.client.loads(xmlrpc.client.dumps((answer,)))[0][0], answer
        )

    def test_only_what_is_new_in_slices(self):
        shown = self.told(*(step(str(number)) for number in range(5)))
        first = self.trace(shown.id, 0, 2)
        self.assertTrue(first["more"])
        second = self.trace(shown.id, first["columns"]["id"][-1], 2)
        third = self.trace(shown.id, second["columns"]["id"][-1], 2)
        self.assertFalse(third["more"])
        spans = [
            span for told in (first, second, third) for span in told["columns"]["span"]
        ]
        self.assertEqual(spans, list("01234"))
        last = third["columns"]["id"][-1]
        self.assertEqual(self.trace(shown.id, last)["columns"]["id"], [])
        self.accept(step("late"))
        self.assertEqual(self.trace(shown.id, last)["columns"]["span"], ["late"])
        self.assertEqual(len(self.trace(shown.id, 0, -7)["columns"]["id"]), 1)
        self.assertEqual(len(self.trace(shown.id, 0, 10**6)["columns"]["id"]), 6)

    def test_queries_do_not_grow(self):
        shown = self.told(*(step(str(number)) for number in range(200)))
        self.trace(shown.id)
        for limit in (1, SLICE):
            self.env.invalidate_all()
            with self.assertQueryCount(6):
                self.trace(shown.id, 0, limit)

    def test_by_trace_id(self):
        self.told(step("a"))
        self.assertEqual(self.trace("t1")["columns"]["span"], ["a"])

    def test_denied_twins(self):
        shown = self.told(step("a"))
        for user in (self.users["employee"], self.users["agent"], self.stranger):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.trace(shown.id, user=user)
        with self.assertRaises(Invalid):
            self.trace("t1", user=self.stranger)
        for wrong in (2**31 - 1, "nobody's"):
            with self.subTest(wrong=wrong), self.assertRaises(Invalid):
                self.trace(wrong)
        for wrong in ("0", None, 1.5, True):
            with self.subTest(wrong=wrong), self.assertRaises(Invalid):
                self.trace(shown.id, wrong)
            with self.subTest(limit=wrong), self.assertRaises(Invalid):
                self.trace(shown.id, 0, wrong)


class TestNews(ScreenCase):
    def channels(self, user, *asked):
        websocket = self.env["ir.websocket"].with_user(user)
        request = Mock()
        request.session.uid = user.id
        with patch("odoo.addons.bus.models.ir_websocket.wsrequest", request):
            return websocket._build_bus_channel_list(list(asked))

    def heard(self, user, *asked):
        return {
            channel[0]
            for channel in self.channels(user, *asked)
            if isinstance(channel, tuple) and channel[1] == CHANGED
        }

    def test_who_hears_of_a_run(self):
        shown = self.told(step("a"))
        asked = f"steward.run_{shown.id}"
        self.assertEqual(self.heard(self.viewer), set())
        self.assertEqual(self.heard(self.viewer, asked), {shown})
        for user in (self.users["employee"], self.users["agent"], self.stranger):
            with self.subTest(user=user.login):
                self.assertEqual(self.heard(user, asked), set())
                names = [c for c in self.channels(user, asked) if isinstance(c, str)]
                self.assertNotIn(asked, names, "never under this bare name")

    def test_other_names_are_left_alone(self):
        others = ["steward.run_", "steward.run_x", "xsteward.run_1", "steward.run_1x"]
        got = self.channels(self.viewer, *others, f"steward.run_{10**30}")
        self.assertLessEqual(set(others), {name for name in got if type(name) is str})
        self.assertEqual(
            self.heard(self.viewer, *others, "steward.run_999999999"), set()
        )

    def messages(self):
        self.env.cr.precommit.run()
        channels = self.env["bus.bus"].search([]).mapped("channel")
        return [name for name in channels if CHANGED in name]

    def test_a_report_is_told(self):
        shown = self.told(step("a"))
        dbname = self.env.cr.dbname
        channel = json_dump((dbname, "steward.run", shown.id, CHANGED))
        self.assertIn(channel, self.messages())

    def test_a_large_batch_tells_few(self):
        before = len(self.messages())
        self.accept(*(run(f"many-{number}") for number in range(MAX_TOLD + 5)))
        self.assertEqual(len(self.messages()) - before, MAX_TOLD)

    def test_the_dashboard_hears_too(self):
        shown = self.told(step("a"))
        with patch.object(StewardDashboard, "_touch") as touch:
            shown._tell_screens()
            touch.assert_called_once_with(self.env.company)
            self.runs._tell_screens()  # nobody: nothing to tell
            touch.assert_called_once()


class TestForm(ScreenCase):
    def standing(self, **values):
        shown = self.run_of("t1") or self.told()
        shown.sudo()._write_own(values)
        return shown.with_user(self.viewer)

    def test_sentences(self):
        said = {}
        for state, _label in self.runs._fields["state"].selection:
            said[state] = self.standing(state=state, error="It broke.\nAt line 3.")
            said[state] = said[state].sentence
        self.assertEqual(said["failed"], "Failed. It broke.")
        self.assertEqual(said["completed"], "Done.")
        self.assertTrue(said["running"].startswith("At work since "))
        self.assertEqual(len(set(said.values())), len(said), said)

    def test_waiting(self):
        def sentence(waits_for, **values):
            return self.standing(
                state="waiting", waits_for=waits_for, **values
            ).sentence

        self.assertIn("Waits for a person since", sentence("person"))
        self.assertIn("Goes on at", sentence("time", wakes_at="2026-12-01 10:00:00"))
        self.assertIn(
            "made room", self.standing(state="queued", waits_for="place").sentence
        )

    def test_wish(self):
        shown = self.told()
        self.assertFalse(shown.wish_sentence)
        self.runs.with_user(self.users["operator"]).pause("t1")
        shown.invalidate_recordset()
        self.assertIn("pause when it reports next", shown.wish_sentence)

    def test_name(self):
        self.accept(run("named", task="Read the bill\nand enter it"), run("bare"))
        self.assertEqual(self.run_of("named").display_name, "Invoices: Read the bill")
        self.assertEqual(self.run_of("bare").display_name, "Invoices: bare")
        found = self.runs.with_user(self.viewer).name_search("the bill")
        self.assertEqual(found[0][0], self.run_of("named").id)

    def test_session(self):
        self.accept(
            *(run(f"s{number}", session="one") for number in range(3)),
            run("alone", session="two"),
        )
        shown = self.run_of("s1").with_user(self.viewer)
        self.assertEqual(shown.session_count, 3)
        self.assertEqual(self.run_of("alone").session_count, 0)
        action = shown.action_open_session()
        self.assertEqual(self.runs.search_count(action["domain"]), 3)

    def test_the_list_needs_few_queries(self):
        self.accept(*(run(f"q{number}", session="q") for number in range(40)))
        runs = self.runs.with_user(self.viewer).search([("session", "=", "q")])
        names = ("sentence", "wish_sentence", "session_count", "approval_count")
        runs[:1].read(names)
        self.env.invalidate_all()
        with self.assertQueryCount(9):
            runs.read(names)

    def test_failure(self):
        shown = self.told(step("a", status="error", error_message="It broke"))
        action = shown.action_open_failure()
        failure = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(failure.fingerprint, shown.fingerprint)

    def test_agent(self):
        action = self.told().action_open_agent()
        self.assertEqual(action["res_model"], "steward.agent")
        self.assertEqual(action["res_id"], self.run_of().agent_id.id)

    def test_again(self):
        self.accept(run("again", task="Count the chairs"))
        shown = self.run_of("again")
        shown.agent_id.capture = "truncated"
        context = shown.action_run_again()["context"]
        self.assertEqual(context["default_agent_id"], shown.agent_id.id)
        self.assertEqual(context["default_task"], "Count the chairs")
        shown.agent_id.capture = "hashed"
        self.assertNotIn("default_task", shown.action_run_again()["context"])

    def test_judge(self):
        self.accept(run("judged", status="ok"))
        shown = self.run_of("judged")

        def judge(user, **values):
            context = shown.action_judge()["context"]
            judgements = self.env["steward.run.judgement"].with_user(user)
            judgements = judgements.with_context(**context)
            judgements.create(values).action_judge()

        judge(self.users["reviewer"], verdict="rejected", score="2", intent="More.")
        self.assertEqual(
            (shown.verdict, shown.score, shown.intent), ("rejected", 2, "More.")
        )
        self.assertEqual(shown.judged_by_id, self.users["reviewer"])
        self.assertEqual(shown.action_judge()["context"]["default_score"], "2")
        for role in ("viewer", "agent", "employee"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                judge(self.users[role], verdict="approved")


@tagged("post_install", "-at_install")
class TestViews(ScreenCase):
    def test_favourites_find_what_they_say(self):
        """Their domains are read by the web client; here the fields must exist."""
        for name in ("failed", "waiting", "cost"):
            kept = self.env.ref(f"steward_agent.filter_runs_{name}")
            self.assertEqual(kept.model_id, "steward.run")
            self.assertFalse(kept.user_ids, "for everybody")


@tagged("post_install", "-at_install")
class TestTour(HttpCase):
    def test_a_viewer_reads_a_run(self):
        new_test_user(
            self.env, "run_reader", password="run_reader", groups="steward.group_viewer"
        )
        answer = self.env["steward.run"].report(
            {
                "runs": [
                    run(
                        task="Read the bill",
                        started_at=_now(),
                        status="error",
                        error="No printer",
                    )
                ],
                "steps": [
                    step(
                        *("a",),
                        kind="llm_inference",
                        name="read_page",
                        model="our-own-7b",
                        tokens_in=12,
                        started_at=_now(),
                    ),
                    step(
                        *("b",),
                        name="print_page",
                        input={"page": "page-1"},
                        error_message="out of paper",
                        started_at=_now(),
                    ),
                ],
            }
        )
        self.assertFalse(answer["rejected"])
        self.start_tour(
            "/odoo/steward-runs", "steward_run", login="run_reader", timeout=180
        )


def _now():
    return f"{fields.Datetime.now().isoformat()}Z"
