"""A kit for tests of agents that think: a model whose answers a test writes itself."""

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest.mock import patch

from odoo import Command
from odoo.addons.steward_llm.kernel.chat import Answer, Delta, ToolCall
from odoo.addons.steward_llm.kernel.pricing import Cost
from odoo.addons.steward_llm.kernel.usage import Usage

from .common import AgentCase


class Chatted(NamedTuple):
    """As ``steward.model._chat`` returns it."""

    answer: Answer
    value: Any
    model: Any
    cost: Cost
    cached: bool = False
    seconds: float = 0.01
    repairs: int = 0
    tried: tuple = ()


def says(text="", *calls, finish=None, usage=None, value=None):
    """An answer.

    :param calls: pairs of a tool's name and its arguments; or `ToolCall`s
    """
    found = tuple(
        call if isinstance(call, ToolCall) else ToolCall(f"c{n}", call[0], call[1])
        for n, call in enumerate(calls)
    )
    finish = finish or ("tool_calls" if found else "stop")
    answer = Answer(text, found, finish, usage or Usage(100, 20), "test-1")
    return answer, value


class ChatCase(AgentCase):
    """A provider with a model, and `_chat` in its place."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        provider = cls.env["steward.provider"].create(
            {"name": "Test", "code": "test-chat", "base_url": "https://llm.example.com"}
        )
        cls.model = cls.env["steward.model"].create(
            {
                "name": "test-1",
                "provider_id": provider.id,
                "can_chat": True,
                "can_tools": True,
                "can_json": True,
            }
        )
        cls.env["steward.price"].create(
            {
                "model_name": "test-1",
                "valid_from": "2026-01-01",
                "rate_input": 1.0,
                "rate_output": 10.0,
            }
        )

    def chat_agent(self, tools=None, **values):
        """An agent that thinks; with all tools, if none are named."""
        n = self.env["steward.agent"].search_count([("code", "=like", "chat-%")])
        known = self.env["steward.tool"].search([])
        if tools is not None:
            known = known.filtered(lambda tool: tool.name in tools)
        return self.env["steward.agent"].create(
            {
                "name": f"Chat {n}",
                "code": f"chat-{n}",
                "kind": "chat",
                "description": "You help with partners.",
                "user_id": self.robot.id,
                "model_id": self.model.id,
                "context_share": "0",
                "tool_ids": [Command.set(known.ids)],
                **values,
            }
        )

    def other_model(self, name, **values):
        return self.env["steward.model"].create(
            {
                "name": name,
                "provider_id": self.model.provider_id.id,
                "can_chat": True,
                "can_tools": True,
                **values,
            }
        )

    def answers(self, *answers):
        """Let the model give these, in turn; then "Done.".

        An exception is raised; a function is called with the messages, and returns an
        answer. What the model was asked is in ``self.asked``.
        """
        left = list(answers)
        self.asked = []
        this = self

        def chat(model, messages, tools=(), schema=None, **options):
            this.asked.append(
                {"model": model, "messages": messages, "tools": tools, **options}
            )
            this.asked[-1]["schema"] = schema
            answer = left.pop(0) if left else says("Done.")
            if callable(answer) and not isinstance(answer, type):
                answer = answer(messages)
            if isinstance(answer, BaseException):
                raise answer
            said, value = answer
            if options.get("on_delta"):
                for word in said.text.split(" "):
                    options["on_delta"](Delta(f"{word} "))
            price = model.env["steward.price"]
            cost = price._cost(model.name, "", said.usage, datetime.now(UTC))
            return Chatted(said, value, model, cost)

        def route(models, needs=frozenset(), tokens=0, company=None):
            return models.search([("can_chat", "=", True)], order="id")

        kind = type(self.env["steward.model"])
        stack = ExitStack()
        stack.enter_context(patch.object(kind, "_chat", chat, create=True))
        stack.enter_context(patch.object(kind, "_route", route, create=True))
        self.addCleanup(stack.close)
        return self

    def ask(self, agent, task="How many partners?", **options):
        """Run an agent as an operator would, to its end or until it waits."""
        answer = (
            self.env["steward.agent"]
            .with_user(self.operator)
            .execute(agent.code, task, **options)
        )
        run = self.env["steward.run"].browse(answer["run_id"])
        return self.work(run)

    def go_on(self, run):
        """Work at a run that rests, as if its time had come."""
        run.sudo()._write_own({"state": "queued", "wakes_at": False})
        return self.work(run)

    def memory(self, run):
        return run.sudo()._memory()
