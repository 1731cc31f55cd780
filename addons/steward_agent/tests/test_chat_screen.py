from unittest.mock import patch

from odoo import Command
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.kernel.context import Item
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .chat_common import ChatCase, says

COUNT = ("count_records", {"model": "res.partner"})
FIND = ("find_records", {"model": "res.partner", "domain": [["name", "=", "Azure X"]]})
MAKE = ("create_record", {"model": "res.partner", "values": {"name": "Ann X"}})


@tagged("post_install", "-at_install")
class TestTranscript(ChatCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["steward.approval.rule"].search([]).active = False

    def told(self, run, user=None):
        runs = self.env["steward.run"].with_user(user or self.operator)
        self.env.invalidate_all()
        return runs.transcript(run.trace_id)

    def say(self, run, text):
        runs = self.env["steward.run"].with_user(self.operator)
        answer = runs.say(run.trace_id, text)
        return self.work(self.env["steward.run"].browse(answer["run_id"]))

    def test_what_was_said_and_done(self):
        self.answers(says("Let me see.", COUNT), says("There are **7**."))
        run = self.ask(self.chat_agent())
        told = self.told(run)
        self.assertEqual(
            [(line["by"], line["text"], line["place"]) for line in told["lines"]],
            [
                ("person", "How many partners?", ""),
                ("agent", "Let me see.", "0"),
                ("tool", "count_records", "0.0"),
                ("agent", "There are **7**.", "1"),
            ],
        )
        call = told["lines"][2]
        self.assertEqual(call["status"], "ok")
        step = self.env["steward.step"].with_user(self.operator).browse(call["step"])
        self.assertIn("res.partner", step.input)
        self.assertGreater(told["run"]["tokens"], 0)
        self.assertGreater(told["run"]["cost"], 0)
        self.assertTrue(told["run"]["may_judge"])
        self.assertTrue(told["run"]["may_speak"])
        self.assertFalse(told["run"]["may_steer"])

    def test_a_call_that_failed(self):
        self.answers(
            says("", ("read_records", {"model": "no.such", "record_ids": [1]}))
        )
        call = self.told(self.ask(self.chat_agent()))["lines"][1]
        self.assertEqual(call["status"], "error")
        self.assertIn("no.such", call["problem"])

    def test_records_an_answer_is_about(self):
        azure = self.partners.create({"name": "Azure X"})
        self.answers(says("", FIND), says("It is Azure X."))
        answer = self.told(self.ask(self.chat_agent()))["lines"][-1]
        [source] = answer["sources"]
        self.assertEqual((source["model"], source["id"]), ("res.partner", azure.id))

    def test_records_that_were_changed(self):
        """Screens show them anew; to read, to try and to fail changes nothing."""
        azure = self.partners.create({"name": "Azure X"})
        about = {"model": "res.partner", "record_ids": azure.ids}
        write = {**about, "values": {"city": "Bergen"}}
        self.answers(
            says(
                "",
                ("read_records", about),
                ("write_records", {**write, "preview": True}),
                ("write_records", write),
                ("write_records", {**write, "values": {"no_such": 1}}),
                MAKE,
            )
        )
        told = self.told(self.ask(self.chat_agent()))["lines"]
        changed = [line.get("changed") for line in told if line["by"] == "tool"]
        wanted = {"model": "res.partner", "ids": azure.ids}
        self.assertEqual(changed, [None, None, wanted, None, None])

    def knows(self, *items):
        providers = {"passages": lambda task, budget: items}
        context = type(self.env["steward.context"])
        return patch.object(context, "_get_providers", lambda _self: providers)

    def test_what_is_known_from_earlier_turns(self):
        """A number means the same all through a conversation."""
        self.answers(says("By a credit note [1]."), says("See [1] and [2]."))
        agent = self.chat_agent(context_share="100")
        with self.knows(Item("Press Credit Note.", "Refunds", "/odoo/refunds")):
            first = self.ask(agent)
        with self.knows(Item("Put it back.", "Returns", "/odoo/returns")):
            second = self.say(first, "And the goods?")
        known = self.asked[1]["messages"][-2]["content"]
        self.assertIn("[2] Returns", known)
        answer = self.told(second)["lines"][-1]
        self.assertEqual(
            [(one["number"], one["title"]) for one in answer["sources"]],
            [(1, "Refunds"), (2, "Returns")],
        )

    def test_records_found_in_earlier_turns(self):
        azure = self.partners.create({"name": "Azure X"})
        self.answers(says("", FIND), says("It is one."), says("It is Azure X."))
        second = self.say(self.ask(self.chat_agent()), "Which?")
        [source] = self.told(second)["lines"][-1]["sources"]
        self.assertEqual((source["model"], source["id"]), ("res.partner", azure.id))

    def test_passages_an_answer_cites(self):
        item = Item("Press Credit Note.", "Refunds", "/odoo/refunds")
        context = type(self.env["steward.context"])
        providers = {"passages": lambda task, budget: [item]}
        self.enterContext(
            patch.object(context, "_get_providers", lambda _self: providers)
        )
        self.answers(says("By a credit note [1], not so [2]."))
        told = self.told(self.ask(self.chat_agent(context_share="100")))
        self.assertEqual(
            told["lines"][-1]["sources"],
            ({"number": 1, "title": "Refunds", "url": "/odoo/refunds"},),
        )

    def test_a_conversation_of_several_runs(self):
        """Each run tells what was said in it, and which come before and after."""
        agent = self.chat_agent()
        self.answers(says("One.", COUNT), says("Two."), says("Three.", COUNT))
        first = self.ask(agent)
        second = self.say(first, "And now?")
        told = self.told(second)
        self.assertEqual(
            [line["text"] for line in told["lines"]],
            ["And now?", "Three.", "count_records", "Done."],
        )
        self.assertIn("step", told["lines"][2])
        self.assertEqual(told["before"], [first.trace_id])
        self.assertNotIn("next", told)
        self.assertEqual(self.told(first)["next"], second.trace_id)

    def test_about_a_record(self):
        azure = self.partners.create({"name": "Azure X"})
        self.answers(says("It is fine."), says("Still."))
        record = {"model": "res.partner", "id": azure.id}
        run = self.ask(self.chat_agent(), "What of it?", record=record)
        told = self.told(run)
        self.assertEqual(told["run"]["about"]["name"], "Azure X")
        said = ["What of it?", "It is fine."]
        self.assertEqual([line["text"] for line in told["lines"]], said)
        told = self.told(self.say(run, "And now?"))
        said = ["And now?", "Still."]
        self.assertEqual([line["text"] for line in told["lines"]], said)

    def test_an_approval_stands_at_its_call(self):
        self.env["steward.approval.rule"].create(
            {"agents": "all", "when": "always", "risk": "write"}
        )
        self.answers(says("", MAKE), says("Made."))
        run = self.ask(self.chat_agent())
        for user, can in ((self.operator, False), (self.reviewer, True)):
            line = self.told(run, user)["lines"][1]
            self.assertNotIn("step", line)
            self.assertEqual(line["approval"]["state"], "pending")
            self.assertEqual(line["approval"]["can_decide"], can)
            self.assertTrue(line["approval"]["what"])
        with self.assertRaises(AccessError):
            approvals = self.env["steward.approval"].with_user(self.operator)
            approvals.decide(line["approval"]["id"], "approve")
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(line["approval"]["id"], "approve")
        line = self.told(self.work(run))["lines"][1]
        self.assertEqual(line["approval"]["state"], "approved")
        self.assertEqual(line["approval"]["what"], [])
        self.assertEqual(line["status"], "ok")

    def test_a_playbook_that_stood_in(self):
        playbook = self.env["steward.playbook"].create(
            {
                "name": "Instead",
                "code": "instead",
                "text": "name: Instead\nsteps:\n"
                "  - {tool: count_records, arguments: {model: res.partner}, save: n}\n"
                "  - stop: 'Without a model.'\n",
            }
        )
        self.answers(*[Invalid("No model.")] * 9)
        told = self.told(self.ask(self.chat_agent(playbook_id=playbook.id)))
        self.assertEqual(
            [line["by"] for line in told["lines"]], ["person", "tool", "agent"]
        )
        self.assertIn("No model.", told["run"]["degraded"])

    def test_an_agent_that_keeps_nothing(self):
        """While it goes on it is heard by who asked it; then by nobody."""
        self.env["steward.approval.rule"].create(
            {"agents": "all", "when": "always", "risk": "write"}
        )
        self.answers(says("A secret.", MAKE))
        run = self.ask(self.chat_agent(capture="none"))
        self.assertEqual(self.told(run)["lines"][1]["text"], "A secret.")
        self.assertEqual(self.told(run, self.viewer)["lines"], [])
        run.with_user(self.operator).terminate(run.trace_id, "Enough.")
        told = self.told(run)
        self.assertEqual(told["lines"], [])
        self.assertFalse(told["run"]["may_speak"])

    def test_what_was_not_heard_yet(self):
        self.env["steward.approval.rule"].create(
            {"agents": "all", "when": "always", "risk": "write"}
        )
        self.answers(says("Let me.", MAKE), says("I do not."))
        run = self.ask(self.chat_agent())
        runs = self.env["steward.run"].with_user(self.operator)
        runs.say(run.trace_id, "Leave it, password: hunter2")
        last = self.told(run)["lines"][-1]
        self.assertTrue(last["unheard"])
        self.assertNotIn("hunter2", last["text"])
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(run.approval_ids.id, "refuse")
        lines = self.told(self.work(run))["lines"]
        self.assertFalse([line for line in lines if "unheard" in line])
        self.assertIn("Leave it", lines[-2]["text"])

    def test_secrets_are_masked(self):
        self.answers(says("It is password: hunter2"))
        told = self.told(self.ask(self.chat_agent(), "Use password: hunter2"))
        self.assertNotIn("hunter2", str(told))

    def test_who_may_read_it(self):
        self.answers(says("Seven."))
        run = self.ask(self.chat_agent())
        told = self.told(run, self.viewer)
        self.assertEqual(told["lines"][1]["text"], "Seven.")
        self.assertFalse(told["run"]["may_speak"])
        self.assertFalse(told["run"]["may_judge"])
        employee = new_test_user(self.env, "emp", "base.group_user")
        for user, error in ((employee, Invalid), (self.robot, AccessError)):
            with self.subTest(user=user.login), self.assertRaises(error):
                self.told(run, user)
        company = self.env["res.company"].create({"name": "Other"})
        other = new_test_user(
            self.env,
            "other",
            "steward.group_operator",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        with self.assertRaises(Invalid):
            self.told(run, other)

    # -- whom to chat with ---------------------------------------------------------

    def test_whom_to_chat_with(self):
        agent, other = self.chat_agent(), self.chat_agent()
        self.robot.active = False
        agents = self.env["steward.agent"].with_user(self.operator)
        told = {row["code"]: row for row in agents.to_chat_with()["agents"]}
        self.assertIn("archived", told[agent.code]["problem"])
        self.robot.active = True
        told = {row["code"]: row for row in agents.to_chat_with()["agents"]}
        self.assertNotIn("problem", told[other.code])
        self.assertFalse(
            set(told) & set(agents.search([("kind", "!=", "chat")]).mapped("code"))
        )
        for user in (self.viewer, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                agents.with_user(user).to_chat_with()

    def test_the_last_conversations(self):
        """One line for each, with what was said last; those of others are theirs."""
        agent = self.chat_agent()
        self.answers()
        first = self.ask(agent, "First")
        self.ask(agent, "Second")
        last = self.say(first, "Once more")
        agents = self.env["steward.agent"].with_user(self.operator)
        recent = agents.to_chat_with()["recent"]
        self.assertEqual([row["title"] for row in recent], ["Once more", "Second"])
        self.assertEqual(recent[0]["trace_id"], last.trace_id)
        other = new_test_user(self.env, "op2", "steward.group_operator")
        self.assertEqual(agents.with_user(other).to_chat_with()["recent"], [])

    def test_a_record_to_ask_about(self):
        agent = self.chat_agent()
        agents = self.env["steward.agent"].with_user(self.operator)
        azure = self.partners.create({"name": "Azure X"})
        record = {"model": "res.partner", "id": azure.id}
        self.assertEqual(agents.can_be_told(agent.code, record), {"name": "Azure X"})
        cron = {"model": "ir.cron", "id": self.env["ir.cron"].search([], limit=1).id}
        self.assertIn("reason", agents.can_be_told(agent.code, cron))
        with self.assertRaises(AccessError):
            agents.with_user(self.viewer).can_be_told(agent.code, record)

    def test_buttons(self):
        agent = self.chat_agent()
        action = agent.with_user(self.operator).action_chat()
        self.assertEqual(
            (action["tag"], action["params"]["agent"]), ("steward_chat", agent.code)
        )
        self.answers()
        run = self.ask(agent)
        params = run.with_user(self.viewer).action_chat()["params"]
        self.assertEqual(params, {"trace_id": run.trace_id})
