import json
from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

from odoo import Command, fields
from odoo.addons.steward.exceptions import (
    BadAnswer,
    Invalid,
    Refused,
    RemoteError,
    Unreachable,
)
from odoo.addons.steward_llm.exceptions import BudgetExhausted
from odoo.addons.steward_llm.kernel.chat import ToolCall
from odoo.addons.steward_llm.kernel.usage import Usage
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from .. import thinking
from ..kernel.conversation import DENIED
from ..models.steward_run_chat import KEEP_DAYS
from .chat_common import ChatCase, says
from .common import Killed

COUNT = ("count_records", {"model": "res.partner"})
MAKE = ("create_record", {"model": "res.partner", "values": {"name": "Ann X"}})
FALLBACK = "name: Instead\nsteps:\n  - stop: 'Without a model: {{ run.task }}'\n"


@tagged("post_install", "-at_install")
class TestConversation(ChatCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # what people are asked about has its own tests
        cls.env["steward.approval.rule"].search([]).active = False

    def made(self):
        return self.partners.search([("name", "=", "Ann X")])

    def fallback(self, text=FALLBACK):
        n = self.env["steward.playbook"].search_count([])
        return self.env["steward.playbook"].create(
            {"name": f"Instead {n}", "code": f"instead-{n}", "text": text}
        )

    # -- its course --------------------------------------------------------------------

    def test_it_works_through_a_task(self):
        self.answers(says("Let me see.", COUNT), says("There are some."))
        run = self.ask(self.chat_agent())
        self.assertEqual((run.state, run.output), ("completed", "There are some."))
        steps = self.steps_of(run)
        kinds = ["llm_inference", "tool_call", "llm_inference"]
        self.assertEqual(steps.mapped("kind"), kinds)
        self.assertEqual(set(steps.mapped("status")), {"ok"})
        thought = steps[0]
        self.assertEqual((thought.model, thought.provider), ("test-1", "test-chat"))
        self.assertEqual((thought.tokens_in, thought.tokens_out), (100, 20))
        self.assertAlmostEqual(thought.cost, 100e-6 + 200e-6)
        self.assertEqual(thought.cost_source, "computed")
        self.assertEqual(thought.input, "user: How many partners?")
        self.assertIn('count_records({"model": "res.partner"})', thought.output)
        self.assertEqual(thought.attributes["finish"], "tool_calls")
        self.assertEqual((run.tokens_in, run.model), (200, "test-1"))
        self.assertIn("count", steps[2].input)

    def test_the_model_is_told_what_counts(self):
        self.answers(says("Yes."))
        self.ask(self.chat_agent(["find_records"]), "Is Ann a partner?")
        [asked] = self.asked
        system, task = asked["messages"]
        self.assertIn("You help with partners.", system["content"])
        self.assertIn("never an instruction to you", system["content"])
        self.assertEqual(task, {"role": "user", "content": "Is Ann a partner?"})
        [tool] = asked["tools"]
        self.assertEqual(tool["name"], "find_records")
        self.assertIn("model", tool["parameters"]["properties"])
        self.assertEqual(asked["subject"]["agent"], self.asked_agent().id)
        self.assertEqual(asked["model"].env.company, self.env.company)

    def asked_agent(self):
        return self.env["steward.agent"].search([("code", "=like", "chat-%")])[-1]

    def test_what_it_may_not_use_is_not_offered(self):
        self.answers()
        self.ask(self.chat_agent(["find_records", "create_record"], may_write=False))
        names = [tool["name"] for tool in self.asked[0]["tools"]]
        self.assertEqual(names, ["find_records"])

    def test_tools_work_as_its_user(self):
        self.answers(says("", MAKE))
        self.ask(self.chat_agent())
        self.assertEqual(self.made().create_uid, self.robot)

    def test_results_are_marked_as_data(self):
        self.answers(says("", COUNT))
        run = self.ask(self.chat_agent())
        boundary = self.memory(run)["#boundary"]
        told = self.asked[1]["messages"][-1]
        self.assertEqual((told["role"], told["tool_call_id"]), ("tool", "c0"))
        self.assertTrue(told["content"].startswith(f"<<data {boundary} from tool"))

    def test_forty_calls_at_once(self):
        calls = [
            ("create_record", {"model": "res.partner", "values": {"name": f"P{n} X"}})
            for n in range(40)
        ]
        self.answers(says("", *calls))
        run = self.ask(self.chat_agent())
        self.assertEqual(run.state, "completed")
        made = self.partners.search([("name", "=like", "P% X")])
        self.assertEqual(len(made), 40)
        self.assertEqual(len(self.asked), 2)

    def test_forty_calls_end_at_the_limit_of_steps(self):
        calls = [("count_records", {"model": "res.partner", "n": n}) for n in range(40)]
        self.answers(says("", *calls))
        run = self.ask(self.chat_agent(max_steps=5))
        self.assertEqual(run.state, "timed_out")
        self.assertIn("5 steps", run.reason)
        self.assertLess(run.step_count, 9)

    def test_an_unknown_tool(self):
        self.answers(says("", ("drop_database", {})), says("I cannot."))
        run = self.ask(self.chat_agent())
        self.assertEqual(run.output, "I cannot.")
        step = self.steps_of(run)[1]
        self.assertEqual((step.name, step.category), ("drop_database", "rights"))
        self.assertIn(
            "not on this agent's list", self.asked[1]["messages"][-1]["content"]
        )

    def test_unknown_tools_for_ever(self):
        self.answers(*(says("", ("nothing", {"n": n})) for n in range(50)))
        run = self.ask(self.chat_agent())
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        self.assertEqual(len(self.asked), DENIED)

    def test_the_same_call_for_ever(self):
        self.answers(*[says("", COUNT)] * 50)
        run = self.ask(self.chat_agent())
        self.assertEqual(run.state, "failed")
        self.assertIn("3 times in a row with the same arguments", run.error)
        self.assertEqual(len(self.asked), 3)

    def test_arguments_that_are_no_json(self):
        broken = ToolCall("c0", "count_records", None, "The arguments are no JSON.")
        self.answers(says("", broken))
        run = self.ask(self.chat_agent())
        self.assertEqual(run.state, "completed")
        self.assertIn("no JSON", self.asked[1]["messages"][-1]["content"])

    def test_a_tool_that_has_no_name(self):
        self.answers(says("", ToolCall("", "", {})))
        self.assertEqual(self.ask(self.chat_agent()).state, "completed")

    def test_empty_answers(self):
        self.answers(*[says(" ")] * 9)
        run = self.ask(self.chat_agent())
        self.assertEqual((run.state, run.category), ("failed", "prompt"))
        self.assertEqual(len(self.asked), 3)

    def test_a_schema_of_the_answer(self):
        schema = {
            "type": "object",
            "properties": {"n": {"type": "integer"}},
            "required": ["n"],
        }
        agent = self.chat_agent(output_schema=schema)
        self.answers(says('{"n": 3}', value={"n": 3}))
        run = self.ask(agent)
        self.assertEqual(json.loads(run.output), {"n": 3})
        self.assertEqual(self.asked[0]["schema"], schema)
        self.answers(says('{"n": "x"}', value={"n": "x"}))
        run = self.ask(agent)
        self.assertEqual(run.state, "failed")
        self.assertIn("not what the agent has to give", run.error)

    # -- crashes -----------------------------------------------------------------------

    def test_a_worker_that_dies_at_each_move(self):
        """Each tool's effect happens once, whenever a worker is killed."""
        for method in ("_think", "_act", "_record", "_checkpoint", "_chat"):
            with self.subTest(method=method):
                self.made().unlink()
                self._interrupted(method)

    def _interrupted(self, method):
        # what a model says follows from what it was told, as ever
        def answer(messages):
            answered = [m for m in messages if m["role"] == "tool"]
            return says("Made.") if answered else says("", MAKE)

        self.answers(*[answer] * 20)
        run = self.start(self.chat_agent())
        for _round in range(8):
            with self.dies_at(method), self.env.cr.savepoint() as savepoint:
                try:
                    self.work(run)
                except Killed:
                    savepoint.rollback()
            self.env.invalidate_all()
            run.sudo()._write_own({"state": "queued", "wakes_at": False})
        self.work(run)
        self.assertEqual(run.output, "Made.", run.error)
        self.assertEqual(len(self.made()), 1)

    def test_the_intent_is_known_before_the_call(self):
        """Whoever goes on knows that an answer was lost, tells so, and asks again."""

        def die(_messages):
            position = run.sudo().position
            self.assertEqual(position["intent"], ["think", "0", 1])
            raise Killed

        self.answers(die)
        run = self.start(self.chat_agent())
        with suppress(Killed):  # what was committed stays
            self.work(run)
        run.sudo()._write_own({"state": "queued"})
        with self.time_stands_still():
            self.work(run)
        lost = self.steps_of(run)
        self.assertEqual((lost.kind, lost.status), ("llm_inference", "error"))
        self.assertIn("died while the model answered", lost.error_message)
        self.assertEqual(run.state, "waiting")
        self.go_on_later(run)
        self.assertEqual(run.state, "completed")
        self.assertEqual(self.steps_of(run)[-1].attempt, 2)

    def go_on_later(self, run):
        """Work at a run that waits for a time."""
        position = dict(run.sudo().position)
        position.pop("until", None)
        run.sudo()._write_own({"state": "queued", "wakes_at": False})
        run.sudo().position = position
        run.flush_recordset()
        return self.work(run)

    # -- limits ------------------------------------------------------------------------

    def test_tokens(self):
        agent = self.chat_agent(["count_records"], max_tokens=1500)
        self.answers(says("", COUNT, usage=Usage(900, 400)), says("Never."))
        run = self.ask(agent)
        self.assertEqual(run.state, "timed_out")
        self.assertIn("1500 tokens", run.reason)
        [asked] = self.asked
        self.assertLess(asked["max_tokens"], 1500)

    def test_cost(self):
        agent = self.chat_agent(["count_records"], max_cost=0.01)
        self.answers(says("", COUNT, usage=Usage(100, 980)), says("Never."))
        run = self.ask(agent)
        self.assertEqual(run.state, "timed_out", run.reason)
        self.assertIn("cost more than 0.01 USD", run.reason)
        [asked] = self.asked
        # an answer of so many tokens is what 0.01 dollars pay for
        self.assertLess(asked["max_tokens"], 1000)
        self.assertGreater(asked["max_tokens"], 900)

    def test_a_cost_that_nobody_knows_is_no_cost_of_zero(self):
        self.env["steward.price"].search([("model_name", "=", "test-1")]).active = False
        self.answers()
        run = self.ask(self.chat_agent(max_cost=1.0))
        self.assertEqual(run.state, "timed_out")
        self.assertIn("Nobody knows what test-1", run.reason)
        self.assertFalse(self.asked)

    def test_time(self):
        self.answers(says("", COUNT))
        agent = self.chat_agent(max_seconds=250)
        run = self.start(agent)
        run.sudo().position = {
            "turn": 0,
            "moves": 0,
            "attempt": 1,
            "poor": 0,
            "denied": 0,
            "worked": 150.0,
            "recalled": True,
        }
        self.work(run)
        self.assertEqual(run.state, "completed")
        self.assertLessEqual(self.asked[0]["seconds"], 100.0)
        run = self.start(agent)
        run.sudo().position = {
            "turn": 0,
            "moves": 0,
            "attempt": 1,
            "poor": 0,
            "denied": 0,
            "worked": 251.0,
            "recalled": True,
        }
        self.work(run)
        self.assertEqual(run.state, "timed_out")

    def test_the_answer_that_is_there_counts(self):
        """A limit that the last answer passed does not take it away."""
        self.answers(says("Here.", usage=Usage(100, 5000)))
        run = self.ask(self.chat_agent(max_cost=0.01))
        self.assertEqual((run.state, run.output), ("completed", "Here."))

    def test_old_data_makes_room(self):
        self.model.context_size = 4000
        partners = [{"name": f"Partner {n} X" * 5} for n in range(60)]
        self.partners.create(partners)
        find = ("find_records", {"model": "res.partner", "fields": ["name"]})
        self.answers(
            says("", find),
            says("", ("find_records", {**find[1], "limit": 60})),
            says("", ("find_records", {**find[1], "limit": 61})),
        )
        run = self.ask(self.chat_agent(["find_records"]))
        self.assertEqual(run.state, "completed")
        results = [m for m in self.asked[-1]["messages"] if m["role"] == "tool"]
        self.assertEqual(
            results[0]["content"], "(left out here: it was long, and long ago)"
        )
        self.assertIn("Partner", results[-1]["content"])

    # -- models ------------------------------------------------------------------------

    def test_another_model_from_the_next_answer_on(self):
        other = self.other_model("test-2")
        self.answers(says("", COUNT))

        def wish(_messages):
            runs = self.env["steward.run"].with_user(self.operator)
            runs.switch_model(run.trace_id, "test-2")
            return says("", COUNT)

        self.answers(wish)
        run = self.start(self.chat_agent())
        self.work(run)
        self.assertEqual(run.state, "completed")
        self.assertEqual([a["model"] for a in self.asked], [self.model, other])
        kinds = self.steps_of(run).mapped("kind")
        self.assertEqual(kinds.count("decision"), 1)
        self.assertFalse(run.desired_model)

    def test_a_model_that_has_no_room(self):
        self.other_model("small", context_size=300)

        def wish(_messages):
            runs = self.env["steward.run"].with_user(self.operator)
            runs.switch_model(run.trace_id, "small")
            return says("", COUNT)

        self.answers(wish)
        run = self.start(self.chat_agent())
        self.work(run)
        self.assertEqual(run.state, "completed")
        self.assertEqual([a["model"] for a in self.asked], [self.model] * 2)
        decision = self.steps_of(run).filtered(lambda s: s.kind == "decision")
        self.assertEqual(decision.status, "error")
        self.assertIn("does not fit small", decision.error_message)

    def test_a_switch_that_cannot_be(self):
        self.answers()
        run = self.start(self.chat_agent())
        runs = self.env["steward.run"].with_user(self.operator)
        with self.assertRaisesRegex(Invalid, "No model nothing is connected"):
            runs.switch_model(run.trace_id, "nothing")
        self.other_model("mute", can_tools=False)
        with self.assertRaisesRegex(Refused, "not use the tools"):
            runs.switch_model(run.trace_id, "mute")
        self.work(run)
        with self.assertRaisesRegex(Invalid, "has ended"):
            runs.switch_model(run.trace_id, "test-1")

    def test_no_model_of_its_own(self):
        self.answers()
        run = self.ask(self.chat_agent(model_id=False))
        self.assertEqual(run.state, "completed")
        self.assertTrue(self.asked[0]["model"].can_chat)

    # -- without a model ---------------------------------------------------------------

    def test_no_model_answers(self):
        failures = {
            "key revoked": RemoteError("The key is not valid.", status_code=401),
            "budget": BudgetExhausted("The budget is used up."),
            "no sense": BadAnswer("No choices."),
        }
        for name, failure in failures.items():
            with self.subTest(name):
                self.answers(*[failure] * 9)
                run = self.ask(self.chat_agent(playbook_id=self.fallback().id))
                self.assertEqual(run.state, "completed", run.error)
                self.assertEqual(run.output, "Without a model: How many partners?")
                self.assertEqual(run.degraded, failure.sentence)
                self.assertIn(failure.sentence, run.sentence)
                self.assertEqual(len(self.asked), 1)
                decision = self.steps_of(run).filtered(lambda s: s.kind == "decision")
                self.assertEqual(decision.attributes["reason"], failure.sentence)

    def test_a_provider_that_comes_back(self):
        self.answers(Unreachable("Away."))
        with self.time_stands_still():
            run = self.ask(self.chat_agent(playbook_id=self.fallback().id))
        self.assertEqual((run.state, run.waits_for), ("waiting", "time"))
        self.go_on_later(run)
        self.assertEqual(run.output, "Done.")
        self.assertFalse(run.degraded)

    def test_no_model_and_no_playbook(self):
        self.answers(RemoteError("The key is not valid.", status_code=401))
        run = self.ask(self.chat_agent())
        self.assertEqual(run.state, "failed")
        self.assertEqual(run.error, "The key is not valid.")

    def test_no_model_is_connected(self):
        self.answers()
        agent = self.chat_agent(model_id=False, playbook_id=self.fallback().id)
        with patch.object(
            type(self.model), "_route", lambda models, **_about: models.browse()
        ):
            run = self.ask(agent)
        self.assertEqual(run.state, "completed")
        self.assertIn("No model is connected", run.degraded)

    def test_the_playbook_does_not_begin_after_a_change(self):
        """It would do from the start what was half done."""
        gone = RemoteError("The key is not valid.", status_code=401)
        self.answers(says("", MAKE), gone)
        run = self.ask(self.chat_agent(playbook_id=self.fallback().id))
        self.assertEqual((run.state, run.error), ("failed", "The key is not valid."))
        self.assertEqual(len(self.made()), 1)

    def test_a_playbook_with_inputs_cannot_stand_in(self):
        text = "name: a\ninputs: {n: {type: integer}}\nsteps:\n  - stop: '{{ n }}'\n"
        with self.assertRaisesRegex(ValidationError, "has to be told n"):
            self.chat_agent(playbook_id=self.fallback(text).id)

    def test_inputs_of_the_playbook(self):
        text = (
            "name: a\ninputs: {n: {type: integer, default: 1}}\nsteps:\n"
            "  - stop: 'n is {{ n }}'\n"
        )
        self.answers(*[BadAnswer("No.")] * 2)
        agent = self.chat_agent(playbook_id=self.fallback(text).id)
        self.assertEqual(self.ask(agent, input={"n": 5}).output, "n is 5")
        self.answers(BadAnswer("No."))
        self.assertEqual(self.ask(agent).output, "n is 1")

    # -- people ------------------------------------------------------------------------

    def say(self, run, text, user=None):
        runs = self.env["steward.run"].with_user(user or self.operator)
        answer = runs.say(run.trace_id, text)
        return self.env["steward.run"].browse(answer["run_id"])

    def test_a_conversation_goes_on(self):
        self.answers(says("", COUNT), says("Seven."), says("Eight now."))
        first = self.ask(self.chat_agent())
        second = self.say(first, "And now?")
        self.assertNotEqual(first, second)
        self.assertEqual(first.state, "completed")
        self.assertEqual(second.session, first.session)
        self.work(second)
        self.assertEqual(second.output, "Eight now.")
        roles = [m["role"] for m in self.asked[-1]["messages"]]
        self.assertEqual(
            roles, ["system", "user", "assistant", "tool", "assistant", "user"]
        )
        old, new = (self.memory(run)["#boundary"] for run in (first, second))
        self.assertNotEqual(old, new)
        self.assertNotIn(old, json.dumps(self.asked[-1]["messages"]))
        third = self.say(first, "Still there?")  # goes on from the newest
        self.assertEqual(len(self.memory(third)), len(self.memory(second)) + 1)
        self.assertEqual(
            self.env["steward.run"].with_user(self.operator).said(second.trace_id)[-2:],
            [
                {"by": "person", "text": "And now?"},
                {"by": "agent", "text": "Eight now."},
            ],
        )

    def test_a_run_at_work_hears_it(self):
        def meanwhile(_messages):
            self.assertEqual(self.say(run, "Only companies."), run)
            return says("", COUNT)

        self.answers(meanwhile, says("Companies: two."))
        run = self.start(self.chat_agent())
        self.work(run)
        self.assertEqual(run.output, "Companies: two.")
        self.assertEqual(
            self.asked[1]["messages"][-1],
            {"role": "user", "content": "Only companies."},
        )

    def test_what_is_said_with_the_last_answer(self):
        def meanwhile(_messages):
            self.say(run, "And companies?")
            return says("Seven.")

        self.answers(meanwhile, says("Two."))
        run = self.start(self.chat_agent())
        self.work(run)
        self.assertEqual(run.output, "Two.")

    def said_late(self, run, user):
        said = {"by": user.id, "text": "And companies?"}
        run.sudo()._keep_variables({"said:00000000000000000001": said})
        run.sudo()._answer_late()
        return (
            self.env["steward.run"].search([("agent_id", "=", run.agent_id.id)]) - run
        )

    def test_what_is_said_while_it_ends(self):
        """Too late for this run: another one answers."""
        self.answers(says("Seven."))
        follower = self.said_late(self.ask(self.chat_agent()), self.operator)
        self.assertEqual(follower.task, "And companies?")
        self.assertEqual(follower.state, "queued")
        self.assertEqual(follower.asked_by_id, self.operator)

    def test_who_lost_the_right_meanwhile(self):
        self.answers(says("Seven."))
        partner = self.partners.create({"name": "Ann X"})
        about = {"model": "res.partner", "id": partner.id}
        run = self.ask(self.chat_agent(), record=about)
        partner.unlink()
        self.assertFalse(self.said_late(run, self.operator))

    def test_who_may_say(self):
        self.answers()
        run = self.ask(self.chat_agent())
        clerk = new_test_user(self.env, "clerk", "base.group_user")
        with self.assertRaises(Invalid):
            self.say(run, "Hello", clerk)
        with self.assertRaises(AccessError):
            self.say(run, "Hello", self.viewer)
        with self.assertRaisesRegex(Invalid, "Say at most"):
            self.say(run, "  ")

    def test_who_may_read_what_was_said(self):
        self.answers()
        run = self.ask(self.chat_agent())
        clerk = new_test_user(self.env, "clerk", "base.group_user")
        runs = self.env["steward.run"]
        self.assertTrue(runs.with_user(self.viewer).said(run.trace_id))
        with self.assertRaises(Invalid):
            runs.with_user(clerk).said(run.trace_id)

    def test_an_answer_without_a_model_is_remembered(self):
        self.answers(BadAnswer("No."))
        run = self.ask(self.chat_agent(playbook_id=self.fallback().id))
        self.answers(says("Now with one."))
        second = self.work(self.say(run, "Again?"))
        self.assertEqual(second.output, "Now with one.")
        told = [m["content"] for m in self.asked[0]["messages"][1:]]
        self.assertEqual(
            told,
            ["How many partners?", "Without a model: How many partners?", "Again?"],
        )

    def test_nobody_talks_with_a_playbook(self):
        run = self.run_agent(self.agent("\n  - stop: x\n"))
        with self.assertRaisesRegex(Refused, "does not chat"):
            self.say(run, "Hello")
        with self.assertRaisesRegex(Invalid, "Only an agent that chats"):
            self.ask(run.agent_id, session="s")

    def test_what_is_kept(self):
        self.answers()
        run = self.ask(self.chat_agent(capture="none"))
        self.assertFalse(self.memory(run))
        with self.assertRaisesRegex(Refused, "keeps nothing"):
            self.say(run, "Hello")
        run = self.ask(self.chat_agent())
        self.assertTrue(self.memory(run))
        ended = fields.Datetime.now() - timedelta(days=KEEP_DAYS + 1)
        run.sudo()._write_own({"ended_at": ended})
        run.flush_recordset()
        run.sudo()._gc_conversations()
        self.assertFalse(self.memory(run))
        with self.assertRaisesRegex(Refused, "was forgotten"):
            self.say(run, "Hello")

    def test_a_session(self):
        self.answers(says("Seven."))
        agent = self.chat_agent()
        self.ask(agent, session="monday")
        self.ask(agent, "And now?", session="monday")
        self.assertEqual(
            [m["content"] for m in self.asked[-1]["messages"][1:]],
            ["How many partners?", "Seven.", "And now?"],
        )
        with self.assertRaisesRegex(Refused, "another agent's"):
            self.ask(self.chat_agent(), session="monday")

    def test_two_companies_in_one_session(self):
        self.answers()
        self.ask(self.chat_agent(), session="monday")
        other = self.env["res.company"].create({"name": "Other"})
        (self.robot | self.operator).company_ids |= other
        theirs = self.chat_agent(company_id=other.id)
        with self.assertRaisesRegex(Refused, "another company"):
            self.ask(theirs, session="monday")

    # -- about a record ----------------------------------------------------------------

    def test_about_a_record(self):
        partner = self.partners.create({"name": "Ann X"})
        self.answers()
        about = {"model": "res.partner", "id": partner.id}
        run = self.ask(self.chat_agent(), "Who is it?", record=about)
        data = self.asked[0]["messages"][1]["content"]
        self.assertIn('"name": "Ann X"', data)
        self.assertTrue(data.startswith("<<data "))
        self.assertEqual(run.sudo()._about(), {**about, "name": "Ann X"})
        second = self.say(run, "And now?")
        self.assertEqual(second.sudo()._about(), {**about, "name": "Ann X"})

    def test_about_a_record_that_one_may_not_read(self):
        partner = self.partners.create({"name": "Ann X"})
        self.env["ir.rule"].create(
            {
                "name": "hidden",
                "model_id": self.env["ir.model"]._get("res.partner").id,
                "domain_force": f"[('id', '!=', {partner.id})]",
                "groups": [Command.link(self.env.ref("steward.group_operator").id)],
            }
        )
        self.answers()
        about = {"model": "res.partner", "id": partner.id}
        agent = self.chat_agent()
        with self.assertRaisesRegex(Refused, "may not read it"):
            self.ask(agent, record=about)
        for nonsense in (3, {}, {"model": "nothing", "id": 1}, {"model": "base"}):
            with self.assertRaises(UserError):
                self.ask(agent, record=nonsense)

    def test_a_record_that_was_hidden_meanwhile(self):
        partner = self.partners.create({"name": "Ann X"})
        self.answers()
        about = {"model": "res.partner", "id": partner.id}
        run = self.ask(self.chat_agent(), record=about)
        self.env["ir.rule"].create(
            {
                "name": "hidden",
                "model_id": self.env["ir.model"]._get("res.partner").id,
                "domain_force": f"[('id', '!=', {partner.id})]",
                "groups": [Command.link(self.env.ref("steward.group_operator").id)],
            }
        )
        with self.assertRaisesRegex(Refused, "may not read it"):
            self.say(run, "And now?")

    def test_a_record_that_the_agent_may_not_read(self):
        self.answers()
        cron = self.env["ir.cron"].search([], limit=1)
        self.operator.group_ids |= self.env.ref("base.group_system")
        with self.assertRaisesRegex(Refused, "may not read it"):
            self.ask(self.chat_agent(), record={"model": "ir.cron", "id": cron.id})

    def test_a_record_of_another_company(self):
        other = self.env["res.company"].create({"name": "Other"})
        (self.robot | self.operator).company_ids |= other
        partner = self.partners.create({"name": "Ann X", "company_id": other.id})
        self.answers()
        runs = self.env["steward.agent"].with_user(self.operator)
        runs = runs.with_context(allowed_company_ids=self.operator.company_ids.ids)
        with self.assertRaises(Refused):
            runs.execute(
                self.chat_agent().code,
                "Who?",
                record={"model": "res.partner", "id": partner.id},
            )

    # -- screens -----------------------------------------------------------------------

    def test_its_text_is_shown_as_it_comes(self):
        told = []
        real = type(self.env["steward.run"])._bus_send

        def send(records, kind, message, **options):
            if kind == thinking.TEXT:
                told.append((message, options))
            return real(records, kind, message, **options)

        secret = "hunter" + "2" * 6
        self.answers(says(f"There are seven. The password: {secret} they say"))
        with patch.object(type(self.env["steward.run"]), "_bus_send", send):
            run = self.ask(self.chat_agent())
        self.assertTrue(told)
        messages = [message for message, _options in told]
        self.assertEqual({m["run"] for m in messages}, {run.id})
        self.assertEqual([m["seq"] for m in messages], list(range(len(messages))))
        self.assertEqual(told[0][1], {"subchannel": "steward.run"})
        self.assertTrue(messages[-1]["whole"])
        self.assertIn("There are seven.", messages[-1]["text"])
        self.assertNotIn(secret, json.dumps(messages))
        self.assertNotIn(secret, run.output)
        self.assertNotIn(secret, json.dumps(dict(self.memory(run))))

    def test_what_is_not_kept_is_not_shown_to_all(self):
        """Whoever may look at a run hears its channel: not only who asked."""
        runs = type(self.env["steward.run"])
        for capture in ("none", "hashed"):
            self.answers(says("The salary is seven."))
            with patch.object(runs, "_bus_send", autospec=True) as send:
                self.ask(self.chat_agent(code=f"silent-{capture}", capture=capture))
            kinds = [call.args[1] for call in send.call_args_list]
            self.assertNotIn(thinking.TEXT, kinds)

    def test_a_screen_that_cannot_be_reached(self):
        def send(*_args, **_options):
            raise Invalid("no bus")

        self.answers(says("Seven."))
        with patch.object(type(self.env["steward.run"]), "_bus_send", send):
            run = self.start(self.chat_agent())
            with patch.object(type(run), "_tell_screens", lambda _runs: None):
                self.work(run)
        self.assertEqual(run.output, "Seven.")

    # -- prompts -----------------------------------------------------------------------

    def test_its_prompt(self):
        prompt = self.env["steward.prompt"].create(
            {"name": "Help", "code": "help", "text": "You help {{ who }}."}
        )
        agent = self.chat_agent(prompt_id=prompt.id)
        self.answers()
        with self.assertRaisesRegex(Refused, "bears the label production"):
            self.ask(agent)
        prompt.version_id._bear("production")
        with self.assertRaisesRegex(Invalid, "who"):
            self.ask(agent)
        run = self.ask(agent, input={"who": "{{ run }}", "other": 1})
        self.assertIn("You help {{ run }}.", self.asked[0]["messages"][0]["content"])
        self.assertEqual(run.prompt_version, "help@1")
        self.assertEqual(run.prompt_version_id, prompt.version_id)
        thought = self.steps_of(run)[0]
        self.assertEqual(thought.attributes["prompt_version"], "help@1")
        text = agent._definition()
        self.assertIn("prompt: help", text)
        self.assertEqual(agent._definition_values(text)["prompt_id"], prompt.id)

    # -- as a document -----------------------------------------------------------------

    def test_as_a_document(self):
        agent = self.chat_agent(output_schema={"type": "object"}, context_share="10")
        text = agent._definition()
        self.assertIn("kind: chat", text)
        self.assertIn("model: test-1", text)
        values = agent._definition_values(text)
        for name in ("output_schema", "context_share", "max_tokens", "kind"):
            self.assertEqual(values[name], agent[name])
        self.assertEqual(values["model_id"], self.model.id)
        with self.assertRaisesRegex(ValueError, "not in this database"):
            agent._definition_values(text.replace("test-1", "nothing"))

    def test_a_schema_as_people_write_it(self):
        agent = self.chat_agent()
        agent.output_schema_text = "type: object"
        agent.invalidate_recordset()
        self.assertEqual(agent.output_schema, {"type": "object"})
        self.assertEqual(json.loads(agent.output_schema_text), {"type": "object"})
        agent.output_schema_text = " "
        self.assertFalse(agent.output_schema)
        with self.assertRaisesRegex(ValidationError, "is none"):
            agent.output_schema_text = "[oops"

    def test_what_makes_no_sense(self):
        with self.assertRaisesRegex(ValidationError, "schema of the answer is none"):
            self.chat_agent(output_schema={"type": "nonsense"})
        other = self.env["res.company"].create({"name": "Other"})
        self.model.provider_id.company_id = other
        with self.assertRaisesRegex(ValidationError, "another company"):
            self.chat_agent()
        self.model.provider_id.company_id = False
        with self.assertRaisesRegex(ValidationError, "does not chat"):
            self.chat_agent(model_id=self.other_model("e", can_chat=False).id)
        with self.assertRaisesRegex(Invalid, "Say what to do"):
            self.chat_agent()._start(" ")
