"""A kit for tests of agents and their runs."""

import time
from unittest.mock import patch

from odoo import Command
from odoo.addons.steward.tests.common import StewardCase
from odoo.tests import new_test_user

from .. import executor


class AgentCase(StewardCase):
    """A company with an agent's account, and playbooks that a test writes itself."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context={**cls.env.context, "queue_job__no_delay": False})
        cls.robot = new_test_user(
            cls.env, "robot", "steward.group_agent,base.group_partner_manager"
        )
        cls.operator = new_test_user(cls.env, "op", "steward.group_operator")
        cls.reviewer = new_test_user(cls.env, "rev", "steward.group_reviewer")
        cls.viewer = new_test_user(cls.env, "see", "steward.group_viewer")
        cls.partners = cls.env["res.partner"]
        # the other built-in one needs a file that is there or not
        cls.env.company.steward_embedding_model_id = cls.env.ref(
            "steward_llm.model_hash"
        )

    def setUp(self):
        super().setUp()
        # on a slow machine, too, a run makes room only where a test wants it to
        self.startPatcher(patch.object(executor, "SLICE", 3600))

    def agent(self, steps, inputs="{}", tools=None, **values):
        """An agent that follows these steps.

        :param steps: YAML, of the list of steps
        """
        n = self.env["steward.agent"].search_count([("code", "=like", "test-%")])
        tools = self.env["steward.tool"].search([])
        playbook = self.env["steward.playbook"].create(
            {
                "name": f"Test {n}",
                "code": f"test-{n}",
                "text": f"name: Test {n}\ninputs: {inputs}\nsteps:\n{steps}",
            }
        )
        return self.env["steward.agent"].create(
            {
                "name": f"Test {n}",
                "code": f"test-{n}",
                "user_id": self.robot.id,
                "playbook_id": playbook.id,
                "tool_ids": [Command.set(tools.ids)],
                **values,
            }
        )

    def start(self, agent, **inputs):
        return agent._start("a task", inputs)

    def work(self, run):
        """One job: until the run ends, waits, or its time is over."""
        run.sudo()._execute()
        return run

    def run_agent(self, agent, **inputs):
        return self.work(self.start(agent, **inputs))

    def time_stands_still(self):
        """The seconds before something is tried again are not over meanwhile."""
        now = time.time()
        return patch("time.time", lambda: now)

    def steps_of(self, run):
        return self.env["steward.step"].search([("run_id", "=", run.id)], order="id")

    def jobs_of(self, run):
        """The jobs that wait to work at a run."""
        return self.env["queue.job"].search(
            [
                ("model_name", "=", "steward.run"),
                ("state", "=", "pending"),
                ("identity_key", "=like", f"steward.run/{run.id}/%"),
            ]
        )

    def dies_at(self, method, times=1):
        """Let the executor's process die when it gets there."""
        real = getattr(executor.Executor, method)
        left = [times]

        def die(this, *args, **kwargs):
            if left[0]:
                left[0] -= 1
                raise Killed
            return real(this, *args, **kwargs)

        return patch.object(executor.Executor, method, die)


class Killed(BaseException):
    """What no `except Exception` catches, as no process survives kill -9."""
