"""Conversations with the ready-made agents, for demonstration databases.

What the models and the tools said is written down here; everything else happens as in a
real run: the executor's machine goes through the conversation, and each of its moves
becomes a step of the ledger. No model and no network is needed.
"""

import uuid
from datetime import timedelta
from typing import NamedTuple

from odoo import Command, fields

from ..kernel.approval import fingerprint
from ..kernel.conversation import Conversation, Recall, Think, as_text
from ..kernel.machine import Act, Done
from ..models.steward_approval import YES_OR_NO
from .week import iso

MODEL = {"model": "gpt-4o", "provider": "openai"}
HANDBOOK = """## Passages
[1] Quotations and orders
Orders above 5,000 € need a deposit of 40 %. Confirm the order when the deposit has
arrived, not before. A discount above 10 % has been approved by Ines, in the chatter of
the order. The drawing is attached, and the customer has signed it."""


class Call(NamedTuple):
    """The use of a tool, and what came of it.

    :param changes: of a record, which a person approved: (field, before, after)
    """

    tool: str
    arguments: dict
    result: dict
    changes: tuple = ()


class Answer(NamedTuple):
    """What a model said, and what it wanted to be done."""

    text: str
    calls: tuple = ()
    tokens: tuple = (1200, 90)


class Talks:
    """Tells the conversations of the last days."""

    def __init__(self, env):
        self.env = env
        self.now = fields.Datetime.now().replace(second=0, microsecond=0)
        companies = env["res.partner"].search([("is_company", "=", True)], limit=3)
        self.partners = companies or env.company.partner_id

    def tell(self):
        self._review()
        self._tidy()
        self._explain()
        self._ask()

    # -- what was said -----------------------------------------------------------------

    def _ask(self):
        """The guide answers from the handbook, and then from the database."""
        began = self.now - timedelta(hours=1)
        first = self._talk(
            *("guide", "base.user_admin", began),
            "When may I confirm an order of 6,000 €?",
            [
                Answer(
                    "When the deposit of 40 % has arrived, not before: that holds for"
                    " all orders above 5,000 € [1]. The signed drawing must be there,"
                    " too, and a discount above 10 % needs Ines's yes in the chatter"
                    " [1]."
                )
            ],
            known=(HANDBOOK, [{"number": 1, "title": "Quotations and orders"}]),
        )
        found = [{"id": p.id, "display_name": p.display_name} for p in self.partners]
        names = "\n".join(f"- {one['display_name']}" for one in found)
        asked = {"model": "res.partner", "domain": [["is_company", "=", True]]}
        self._talk(
            *("guide", "base.user_admin", began + timedelta(minutes=4)),
            "Which companies stand first in our contacts?",
            [
                Answer(
                    "I look them up.",
                    (Call("find_records", {**asked, "limit": 3}, {"records": found}),),
                ),
                Answer(f"These three:\n\n{names}"),
            ],
            session=first.session,
        )

    def _tidy(self):
        """The tidier found a slip, asked, and put it right."""
        partner = self.partners[-1]
        name = partner.display_name
        slip = f" {name.upper()}"
        look = {"model": "res.partner", "record_ids": partner.ids}
        write = {**look, "values": {"name": partner.name}}
        self._talk(
            *("partner_tidier", "steward.demo_operator", self.now - timedelta(days=1)),
            "Look through our companies for slips",
            [
                Answer(
                    "One name looks wrong; I read the record first.",
                    (
                        Call(
                            "read_records",
                            {**look, "fields": ["name"]},
                            {"records": [{"id": partner.id, "name": slip}]},
                        ),
                    ),
                ),
                Answer(
                    "It has a blank in front and is in capitals.",
                    (
                        Call(
                            *("write_records", write, {"written": 1}),
                            (("name", slip, partner.name),),
                        ),
                    ),
                ),
                Answer(
                    f"Corrected: {name}, after Rita's approval. Nothing else found."
                ),
            ],
        )

    def _explain(self):
        partner = self.partners[0]
        record = {"model": "res.partner", "id": partner.id}
        user = partner.create_uid.name
        facts = {"name": partner.display_name, "created": {"by": user}}
        self._talk(
            *("explainer", "base.user_admin", self.now - timedelta(hours=3)),
            "Who made this contact, and who sees it?",
            [
                Answer(
                    "",
                    (
                        Call(
                            "explain_record",
                            {**record, "record_id": record["id"]},
                            facts,
                        ),
                    ),
                ),
                Answer(
                    f"{user} made **{partner.display_name}**. No automation has touched"
                    " it. Everybody who may read contacts of your company sees it;"
                    " nothing narrows that."
                ),
            ],
            record=record,
        )

    def _review(self):
        health = {"status": "ok", "parts": []}
        self._talk(
            *(
                "system_reviewer",
                "steward.demo_operator",
                self.now - timedelta(hours=5),
            ),
            "Look whether all is well",
            [
                Answer("", (Call("check_health", {}, health),), (700, 20)),
                Answer("All parts are well.", tokens=(760, 8)),
            ],
        )

    # -- how it is told ----------------------------------------------------------------

    def _talk(self, agent, user, began, task, answers, known=("", []), **about):
        """One run, from its task to its end."""
        agent = self.env.ref(f"steward_agent.agent_{agent}")
        values, variables = agent._prepare(task, {}, **about)
        trace = uuid.uuid4().hex
        run = self.env["steward.run"]._create_own(
            {
                **values,
                "trace_id": trace,
                "session": about.get("session") or trace,
                "company_id": agent.company_id.id,
                "month": fields.Date.today().replace(day=1),
                "agent_id": agent.id,
                "agent_name": agent.name,
                "agent_version": agent._current_version().number,
                "source": "here",
                "user_id": agent.user_id.id,
                "asked_by_id": self.env.ref(user).id,
                "task": task,
                "state": "running",
                "started_at": began,
            }
        )
        Course(run, variables, answers, known).go()
        return run


class Course:
    """How one of these conversations went, move by move."""

    def __init__(self, run, variables, answers, known):
        self.run, self.variables, self.now = run, variables, run.started_at
        self.talk = Conversation({}, variables)
        self.answers = iter(answers)
        self.known, self.sources = known
        self.calls = iter(())

    def go(self):
        while True:
            move = self.talk.next(self.now.timestamp())
            match move:
                case Recall():
                    self._recall(move)
                case Think():
                    self._think(move)
                case Act():
                    self._act(move)
                case Done():
                    return self._end(move.output)
                case _:
                    raise ValueError(f"This conversation goes wrong: {move}")

    def _recall(self, move):
        if self.known:
            self.variables["#sources"] = [{"url": "", **one} for one in self.sources]
            self._step(move, "retrieval", "What is known", 40, output=self.known)
            self.run._write_own({"context_used": True, "context_tokens": 110})
        self.talk.succeed(self.known)

    def _think(self, move):
        answer = next(self.answers)
        self.calls = iter(answer.calls)
        wanted = [
            {"id": f"call_{number}", "name": call.tool, "arguments": call.arguments}
            for number, call in enumerate(answer.calls)
        ]
        said = {"role": "assistant", "content": answer.text, "tool_calls": wanted}
        tokens_in, tokens_out = answer.tokens
        self._step(
            *(move, "llm_inference", "Answer", 900 + 12 * tokens_out),
            **MODEL,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            input=as_text(self.talk.messages[-1:]),
            output=as_text([said]),
        )
        finish = "tool_calls" if wanted else "stop"
        self.talk.succeed({"text": answer.text, "tool_calls": wanted, "finish": finish})

    def _act(self, move):
        call = next(self.calls)
        if call.changes:
            self._approved(move, call)
        self._step(
            *(move, "tool_call", call.tool, 35),
            input=call.arguments,
            output=call.result,
        )
        self.talk.succeed(call.result)

    def _approved(self, move, call):
        """A Reviewer was asked, and agreed some minutes later."""
        env, run = self.run.env, self.run
        approvals = env["steward.approval"]
        tool = run.agent_id._tool_named(call.tool)
        reviewer = env.ref("steward.demo_reviewer")
        self.now += timedelta(minutes=6)
        changes = [
            {"field": field, "before": before, "after": after}
            for field, before, after in call.changes
        ]
        [record] = call.arguments["record_ids"]
        model = call.arguments["model"]
        approvals._create_own(
            {
                "run_id": run.id,
                "company_id": run.company_id.id,
                "step_key": move.step,
                "iteration": move.iteration,
                "kind": "tool",
                "question": approvals._question_for(run, tool, call.arguments),
                "choices": YES_OR_NO,
                "tool_id": tool.id,
                "tool_name": tool.name,
                "risk": tool.risk,
                "rule_id": env.ref("steward_agent.approval_rule_partner_tidier").id,
                "decider_ids": [Command.clear()],
                "arguments": call.arguments,
                "fingerprint": fingerprint(tool._meaning(), call.arguments),
                "changes": [{"model": model, "id": record, "changes": changes}],
                "state": "approved",
                "choice": "approve",
                "comment": "Plainly a slip.",
                "decided_by_id": reviewer.id,
                "decided_at": self.now,
                "used": True,
            }
        )

    def _step(self, move, kind, name, took, **content):
        self.run._ingest(
            [],
            [
                {
                    "trace_id": self.run.trace_id,
                    "span_id": f"{move.step}-{move.iteration}".rstrip("-"),
                    "kind": kind,
                    "name": name,
                    "started_at": iso(self.now),
                    "duration_ms": took,
                    "step_key": move.step,
                    "iteration": move.iteration,
                    "attempt": 1,
                    **content,
                }
            ],
        )
        self.now += timedelta(milliseconds=took)

    def _end(self, output):
        run = self.run
        run._keep_variables(self.variables.take_changes()[0])
        run._write_own(
            {
                "state": "completed",
                "ended_at": self.now,
                "duration_ms": (self.now - run.started_at).total_seconds() * 1000,
                "output": output,
            }
        )
        run._count_ended()
