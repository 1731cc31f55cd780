from unittest.mock import patch

from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.kernel.context import Item
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import AgentCase


@tagged("post_install", "-at_install")
class TestAgentContext(AgentCase):
    def ask(self, user, **arguments):
        def passages(task, _tokens):
            return [Item(f"About {task}.", "Handbook")]

        model = self.registry["steward.context"]
        with patch.object(model, "_get_providers", lambda _s: {"passages": passages}):
            agents = self.env["steward.agent"].with_user(user)
            return agents.context("returns", **arguments)

    def test_who_works_here_is_told(self):
        for user in (self.robot, self.viewer):
            told = self.ask(user)
            self.assertIn("About returns.", told["text"])

    def test_nobody_else(self):
        with self.assertRaises(AccessError):
            self.ask(new_test_user(self.env, "plain", "base.group_user"))

    def test_for_an_agent(self):
        agent = self.agent("- stop: done")
        for user in (self.robot, self.operator):
            self.assertTrue(self.ask(user, agent=agent.code)["passages"])
        other = new_test_user(self.env, "other", "steward.group_agent")
        with self.assertRaises(AccessError):
            self.ask(other, agent=agent.code)
        with self.assertRaises(Invalid):
            self.ask(self.operator, agent="nobody")
