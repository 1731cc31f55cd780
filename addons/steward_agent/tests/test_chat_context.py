from unittest.mock import patch

from odoo.addons.steward.exceptions import BadAnswer
from odoo.addons.steward.kernel.context import Item
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..thinking import bucket
from .chat_common import ChatCase, says


@tagged("post_install", "-at_install")
class TestChatContext(ChatCase):
    """What is known about a task is told to the model, in as many runs as is wished."""

    def knows(self, *texts, saved=None, fails=False):
        def passages(_task, _tokens):
            if fails:
                raise ValueError("no index")
            return [Item(text, "Handbook") for text in texts]

        kind = type(self.env["steward.context"])
        for name, value in (
            ("_get_providers", lambda _this: {"passages": passages}),
            ("_saved_tokens", lambda _this, _context: saved),
        ):
            patcher = patch.object(kind, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)

    def test_it_is_told_before_the_task(self):
        self.knows("Close the period first.", saved=700)
        self.answers()
        run = self.ask(self.chat_agent(context_share="100"), "Close the year")
        _system, known, task = self.asked[0]["messages"]
        self.assertEqual((known["role"], task["content"]), ("user", "Close the year"))
        self.assertIn("[1] Handbook\nClose the period first.", known["content"])
        self.assertTrue(known["content"].startswith("<<data "))
        self.assertTrue(run.context_used)
        self.assertGreater(run.context_tokens, 5)
        self.assertEqual(run.context_saved, 700)
        step = self.steps_of(run)[0]
        self.assertEqual((step.kind, step.status), ("retrieval", "ok"))
        self.assertEqual(step.attributes["saved"], 700)

    def test_it_goes_on_without(self):
        self.knows(fails=True)
        self.answers()
        with (
            self.assertLogs("odoo.addons.steward.models.steward_context", "WARNING"),
            self.assertLogs("odoo.addons.steward.exceptions", "ERROR"),
        ):
            run = self.ask(self.chat_agent(context_share="100"))
        self.assertEqual(run.output, "Done.")
        self.assertEqual(len(self.asked[0]["messages"]), 2)
        self.assertIn("degraded", self.steps_of(run)[0].attributes)

    def test_it_goes_on_even_if_all_of_it_fails(self):
        self.answers()
        kind = type(self.env["steward.context"])
        with (
            patch.object(kind, "_assemble", side_effect=ValueError("broken")),
            self.assertLogs("odoo.addons.steward.exceptions", "ERROR"),
        ):
            run = self.ask(self.chat_agent(context_share="100"))
        self.assertEqual(run.output, "Done.")
        self.assertEqual(self.steps_of(run)[0].status, "error")

    def test_as_its_user(self):
        seen = []

        def passages(this, _task, _tokens):
            seen.append((this.env.user, this.env.companies, this.env.su))
            return []

        kind = type(self.env["steward.context"])
        with patch.object(
            kind,
            "_get_providers",
            lambda this: {"passages": lambda *about: passages(this, *about)},
        ):
            self.answers()
            self.ask(self.chat_agent(context_share="100"))
        self.assertEqual(seen, [(self.robot, self.env.company, False)])

    def test_a_share_of_the_runs(self):
        self.knows("Close the period first.")
        agent = self.chat_agent(context_share="50")
        used = []
        for _run in range(12):
            self.answers()
            run = self.ask(agent)
            used.append(run.context_used)
            spot = bucket(run.trace_id, f"context-{agent.id}")
            self.assertEqual(run.context_used, spot < 0.5)
            self.assertEqual(bool(run.context_tokens), run.context_used)
        agent.context_share = "10"
        # who is told with a tenth, is told with a half and with all
        for run in agent.env["steward.run"].search([("agent_id", "=", agent.id)]):
            if bucket(run.trace_id, f"context-{agent.id}") < 0.1:
                self.assertTrue(run.context_used)
        self.answers()
        agent.context_share = "0"
        self.assertFalse(self.ask(agent).context_used)

    def test_with_and_without(self):
        self.knows("Close the period first.", saved=300)
        agent = self.chat_agent(context_share="100")
        self.answers(says("Yes."))
        told = self.ask(agent)
        agent.context_share = "0"
        self.answers(says(" "), says(" "), says(" "))
        untold = self.ask(agent)
        self.assertEqual(untold.state, "failed")
        self.env.flush_all()
        report = self.env["steward.context.report"].with_user(self.viewer)
        rows = report._read_group(
            [("agent_id", "=", agent.id)],
            ["context"],
            ["success:avg", "tokens:avg", "cost:avg", "context_saved:sum"],
        )
        found = {context: values for context, *values in rows}
        self.assertEqual(found["with"][0], 100.0)
        self.assertEqual(found["with"][1], told.tokens_in + told.tokens_out)
        self.assertAlmostEqual(found["with"][2], told.cost, 6)
        self.assertEqual(found["with"][3], 300)
        self.assertEqual(found["without"][0], 0.0)
        self.assertEqual(found["without"][3], 0)
        untold_cost = found["without"][2]
        self.assertGreater(untold_cost, found["with"][2])
        clerk = new_test_user(self.env, "clerk", "base.group_user")
        with self.assertRaises(AccessError):
            report.with_user(clerk).search([])

    def test_playbooks_are_not_compared(self):
        by_playbook = self.run_agent(self.agent("\n  - stop: x\n"))
        self.answers(BadAnswer("No model answers."))
        playbook = by_playbook.agent_id.playbook_id
        instead = self.ask(self.chat_agent(playbook_id=playbook.id))
        self.assertTrue(instead.degraded)
        self.env.flush_all()
        report = self.env["steward.context.report"]
        runs = (by_playbook | instead).ids
        self.assertFalse(report.search([("run_id", "in", runs)]))
