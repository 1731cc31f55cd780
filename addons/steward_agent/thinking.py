"""What the executor does for agents that think, beside what it does for all.

It looks up what is known, lets the model answer, hears what people say meanwhile,
changes the model when somebody wishes so, and follows the agent's playbook when no
model answers. How a step is kept is the executor's business.

Nobody knows how long a model takes, so the intent to call it is committed before: a
worker that finds the intent of a dead one knows that an answer was paid for and lost,
tells so in the trace, and asks again. What the answer makes the run do is another step,
and happens once.

While the answer comes, its text goes to the run's channel on the bus (`TEXT`), at most
every 50 ms: ``{"run": id, "turn": n, "attempt": n, "seq": n, "text": str, "whole":
bool}``. ``seq`` counts from 0 within a turn and attempt; a piece that is ``whole``
replaces what was shown, and the last one always is.
"""

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import Any, NamedTuple

import psycopg2

from odoo.addons.steward.exceptions import (
    BadAnswer,
    Invalid,
    StewardError,
    Unreachable,
    converted,
)
from odoo.addons.steward.kernel.bucketing import bucket
from odoo.addons.steward.kernel.context import KINDS
from odoo.addons.steward.kernel.redactor import REDACTOR
from odoo.addons.steward.kernel.schema import Document, validate
from odoo.addons.steward_llm.kernel import chat
from odoo.addons.steward_llm.kernel.pricing import charge
from odoo.addons.steward_llm.kernel.usage import Usage

from .kernel.allowance import Money, TooLittle, allowance
from .kernel.conversation import Conversation, as_text, news, shortened
from .kernel.failure import category_of
from .kernel.machine import Machine
from .kernel.pictures import pictures_of, shown
from .kernel.stream import Stream
from .models.steward_run_screen import READABLE

_logger = logging.getLogger(__name__)

TEXT = "steward.run/text"  # the bus's name for: a model is writing
CONTEXT_TOKENS = 2000  # of what is known about a task
SOURCES = 200  # of what was known earlier in the conversation that are remembered
ANSWER = 1000  # tokens that an answer needs at least, for messages to be called fitting
THINK_AT_MOST = 300  # seconds that one answer may take, repairs and fallbacks included
LEAST_ANSWER = 250  # tokens that a model must have left to take a conversation over
GRACE = 120  # seconds without a sign, after an answer is due, before a worker is dead


class Outcome(NamedTuple):
    """How a step went.

    :param value: what it led to, as JSON
    :param error: one of our tree, or None
    """

    began: float
    seconds: float
    value: Any = None
    error: Any = None


class Thought(NamedTuple):
    """How it went to let a model answer.

    :param model: that was asked, or an empty one when there is none
    :param chatted: what ``steward.model._chat`` returned
    """

    outcome: Outcome
    model: Any
    chatted: Any = None


class Call(NamedTuple):
    """What a model is about to be asked."""

    model: Any
    messages: list
    tools: list
    max_tokens: int | None
    seconds: float


class Note(NamedTuple):
    """Where a step stands that is no move of a machine."""

    step: str
    iteration: str
    attempt: int


class Spent(Exception):
    """A limit of the run is reached. Its argument says which, in a sentence."""


class Thinking:
    """Part of the `Executor`."""

    # -- what is known -----------------------------------------------------------------

    def _recall(self, move):
        """Tell the model what is known about the task, in this run or not at all."""
        run, share = self.run, int(self.agent.context_share or 0)
        used = bucket(self.trace_id, f"context-{self.agent.id}") < share / 100
        if not used:
            self.machine.succeed("")
            run._write_own({"context_used": False})
            self._checkpoint()
            return True
        env = self.env(user=self.user.id, su=False, context=self.context)
        began, clock = time.time(), monotonic()
        task = self.machine.variables["#task"]
        context, error = {}, None
        # in a conversation a number means the same in all its runs
        earlier = self.machine.variables.get("#sources", [])
        first = 1 + max((source["number"] for source in earlier), default=0)
        try:
            context = env["steward.context"]._assemble(task, CONTEXT_TOKENS, first)
        except Exception as failure:  # noqa: BLE001 - the run goes on without it
            error = converted(failure)
        saved = env["steward.context"]._saved_tokens(context) if context else None
        seconds = monotonic() - clock
        text = REDACTOR.redact(context.get("text", ""))
        self._record(
            kind="retrieval",
            name=self.env._("What is known"),
            move=move,
            outcome=Outcome(began, seconds, text, error),
            input=task,
            attributes={
                "tokens": context.get("tokens", 0),
                "left_out": context.get("left_out", 0),
                **({"saved": saved} if saved is not None else {}),
                **({"degraded": context["reason"]} if context.get("reason") else {}),
            },
        )
        run._write_own(
            {
                "context_used": True,
                "context_tokens": context.get("tokens", 0),
                "context_saved": saved or 0,
            }
        )
        self.machine.variables["#sources"] = [
            *earlier[-SOURCES:],
            *(
                {name: entry[name] for name in ("number", "title", "url")}
                for kind in KINDS
                for entry in context.get(kind, ())
                if entry["title"]
            ),
        ]
        self.machine.succeed(text)
        self._worked(seconds)
        self._checkpoint()
        return True

    # -- thinking ----------------------------------------------------------------------

    def _think(self, move, done):
        """Let the model answer to what was said so far."""
        if not done:
            thought = self._lost_thought(move)
            if thought is None:
                self._take_in(move)
                try:
                    thought = self._ask_model(move)
                except Spent as limit:
                    return self._finish("timed_out", str(limit))
                # what it cost, it cost; and a fresh look at what others did meanwhile
                self._commit()
            done.append(thought)
        [thought] = done
        talk, error = self.machine, thought.outcome.error
        talk.position.pop("intent", None)
        self._record_thought(move, thought)
        if error is None:
            talk.succeed(thought.outcome.value)
        else:
            talk.fail(
                category_of(error.code, error.sentence),
                error.sentence,
                time.time(),
                retry_after=error.retry_after,
                may_repeat=error.retryable,
            )
        self._worked(thought.outcome.seconds)
        self._checkpoint()
        return True

    def _lost_thought(self, move):
        """What became of an answer whose worker died; None: ask now."""
        intent = self.machine.position.get("intent")
        if intent != [move.step, move.iteration, move.attempt]:
            return None
        error = Unreachable(
            self.env._("Its worker died while the model answered; it is asked again.")
        )
        return Thought(
            Outcome(time.time(), 0.0, error=error), self.env["steward.model"]
        )

    def _ask_model(self, move):
        """Say that it is about to be called, call it, and tell how that went.

        :raises Spent: when the run may take no more
        """
        model = self.env["steward.model"]
        began, clock = time.time(), monotonic()
        try:
            call = self._next_call()
            model = call.model
            self.machine.position["model"] = model.id
            self.machine.position["intent"] = [move.step, move.iteration, move.attempt]
            self._keep(self.machine.position, call.seconds + GRACE)
            self._commit()
            began, clock = time.time(), monotonic()
            chatted = self._chat(move, call)
            value = self._value_of(chatted)
        except StewardError as error:
            seconds = monotonic() - clock
            return Thought(Outcome(began, seconds, error=error), model)
        return Thought(Outcome(began, monotonic() - clock, value), model, chatted)

    def _next_call(self):
        """What the model is asked now, with no more room than the run has left.

        :raises StewardError: when there is no model, or it cannot be asked this
        """
        talk, model = self.machine, self._model()
        tools = self._tools()
        messages = [talk.system, *self._fitting(model, talk.messages, tools)]
        messages = shown(messages, self.run._picture_data)
        question = chat.tokens(messages, tools)
        seconds = self.limits.seconds - talk.position.get("worked", 0)
        room = self._room(model, question)
        return Call(model, messages, tools, room, min(seconds, THINK_AT_MOST))

    def _chat(self, move, call):
        """Ask the model as the run's company; its text is shown as it comes."""
        stream = Stream(REDACTOR.redact)

        def show(delta):
            if piece := stream.feed(delta.text, monotonic()):
                self._show(move, piece)

        try:
            return call.model.with_company(self.company)._chat(
                call.messages,
                tools=call.tools,
                schema=self.agent.output_schema or None,
                max_tokens=call.max_tokens,
                on_delta=show,
                subject=self._subject(),
                seconds=call.seconds,
            )
        except Exception as failure:
            error = converted(failure)
            raise error from failure
        finally:
            self._show(move, stream.close())

    def _subject(self):
        """Who pays, and what the ledger of usage keeps of the call."""
        run = self.run
        return {
            **run._budget_subject(),
            "agent_name": run.agent_name,
            "trace": self.trace_id,
            "prompt_version": run.prompt_version or "",
        }

    def _show(self, move, piece):
        """Send a piece of text to whoever looks at the run, at once."""
        if self.agent.capture not in READABLE:
            return  # who asked reads it in the transcript; others look on, too
        message = {
            "run": self.row["id"],
            "turn": int(move.iteration),
            "attempt": move.attempt,
            **piece._asdict(),
        }
        # a screen that misses a piece is told the whole at the end
        with suppress(psycopg2.Error, StewardError), self.run._own_transaction() as cr:
            # with the company said, it need not be read anew for each piece
            run = self.run.with_env(self.env(cr=cr)).with_company(self.company)
            run._bus_send(TEXT, message, subchannel=run._name)

    def _value_of(self, chatted):
        """The answer as the conversation takes it, without secrets."""
        answer = chatted.answer
        value = {
            "text": REDACTOR.redact(answer.text),
            "finish": answer.finish,
            "tool_calls": [call._asdict() for call in answer.tool_calls],
        }
        schema = self.agent.output_schema
        if schema and not answer.tool_calls and answer.finish == "stop":
            if problems := validate(Document(chatted.value, {}), schema):
                raise BadAnswer(
                    self.env._(
                        "The answer is not what the agent has to give: %(problem)s.",
                        problem=problems[0].message,
                    )
                )
            value["value"] = REDACTOR.redact_value(chatted.value)
        return value

    def _record_thought(self, move, thought):
        """A step of the ledger, with all that is known of the call."""
        outcome, model, chatted = thought
        talk = self.machine
        told = {"turn": int(move.iteration), "model": talk.position.get("model", 0)}
        content = {}
        if chatted:
            answer = chatted.answer
            model = chatted.model
            content = {
                "tokens_in": answer.usage.tokens_in,
                "tokens_out": answer.usage.tokens_out,
                "tokens_cached": answer.usage.tokens_cached,
                "cost": chatted.cost.amount,
                "cost_source": chatted.cost.source,
                "output": as_text(
                    [
                        {
                            "role": "assistant",
                            "content": answer.text,
                            "tool_calls": outcome.value["tool_calls"],
                        }
                    ]
                ),
            }
            told |= {
                "finish": answer.finish,
                "answered_by": answer.model or model.name,
                "repairs": chatted.repairs,
                "cached_answer": chatted.cached,
                **({"tried": chatted.tried} if chatted.tried else {}),
            }
        if self.run.prompt_version:
            told["prompt_version"] = self.run.prompt_version
        self._record(
            kind="llm_inference",
            name=self.env._("Answer"),
            move=move,
            outcome=outcome,
            model=model.name or None,
            provider=model.provider_id.code or None,
            input=as_text(news(talk.messages)),
            **content,
            attributes=told,
        )

    # -- models ------------------------------------------------------------------------

    def _model(self):
        """The model that answers next.

        :raises Invalid: when there is none
        """
        models = self.env["steward.model"].with_company(self.company)
        chosen = models.browse(self.machine.position.get("model")).exists()
        chosen = chosen or self.agent.model_id
        needs = self.agent._needs()
        if any(pictures_of(self.machine.messages)):
            needs |= {"vision"}
        is_free = not self.agent.model_id  # a picture may come after a model was found
        if not chosen or (is_free and "vision" in needs and not chosen._is_able(needs)):
            chosen = models._route(needs=needs, company=self.company)[:1]
        if not chosen:
            raise Invalid(
                self.env._(
                    "No model is connected that could do this. Connect one under"
                    " Steward, Configuration, Providers."
                )
            )
        return chosen

    def _tools(self):
        """The agent's tools as a model is told of them: those that it may use."""
        told = []
        for tool in self.agent._allowed_tools():
            if not self.env["steward.guard"]._allows_risk(self.agent, tool):
                continue
            with suppress(StewardError):  # cannot be used: it is not offered
                schema = tool._schema()
                told.append(
                    {
                        "name": tool.name,
                        "description": tool.description
                        or schema.get("description", ""),
                        "parameters": schema,
                    }
                )
        return told

    def _fitting(self, model, messages, tools):
        """Messages that the model has room for, the oldest data left out if need be."""
        if not model.context_size:
            return messages
        system = chat.tokens([self.machine.system], tools)
        room = model.context_size - system - min(ANSWER, model.context_size // 4)
        return shortened(messages, room, lambda found: chat.tokens(found, ()))

    def _room(self, model, question):
        """How long the answer may be, so that no limit of the run is passed."""
        limits = self.limits
        tokens, cost = self._taken()
        money = None
        if limits.cost:
            left = Decimal(str(limits.cost)) - Decimal(str(cost or 0))
            money = self._money(model, question, left)
        left = limits.tokens - tokens if limits.tokens else None
        wanted = model.max_output or None
        if model.context_size:  # question and answer have to fit in together
            room = max(1, model.context_size - question)
            wanted = min(wanted or room, room)
        try:
            return allowance(question, wanted, left, money)
        except TooLittle as lack:
            if str(lack) == "tokens":
                raise Spent(
                    self.env._(
                        "The next answer would take more than %(n)s tokens in all.",
                        n=limits.tokens,
                    )
                ) from lack
            raise Spent(
                self.env._(
                    "The next answer would cost more than %(cost)s USD in all.",
                    cost=limits.cost,
                )
            ) from lack

    def _taken(self):
        """Tokens and US dollars that the run has taken.

        The usage knows also of answers that were paid for and led to no step.
        """
        self.cr.execute(
            """
            SELECT GREATEST(
                       COALESCE(run.tokens_in, 0) + COALESCE(run.tokens_out, 0),
                       usage.tokens),
                   GREATEST(COALESCE(run.cost, 0), usage.cost)
              FROM steward_run AS run, (
                   SELECT COALESCE(sum(tokens_in + tokens_out), 0) AS tokens,
                          COALESCE(sum(cost), 0) AS cost
                     FROM steward_usage
                    WHERE trace = %s AND company_id = %s AND is_current) AS usage
             WHERE run.id = %s
            """,
            [self.trace_id, self.company.id, self.run.id],
        )
        return self.cr.fetchone()

    def _money(self, model, question, left):
        prices = self.env["steward.price"].with_company(self.company)
        quote = prices._quote(
            model.name, model.provider_id.code or "", datetime.now(UTC)
        )
        asked = charge(Usage(tokens_in=question), quote).amount
        both = charge(Usage(tokens_in=question, tokens_out=1000), quote).amount
        if asked is None or both is None:
            raise Spent(
                self.env._(
                    "Nobody knows what %(model)s costs, so the limit of %(cost)s USD"
                    " cannot be kept. Enter its price, or take the limit away.",
                    model=model.display_name,
                    cost=self.limits.cost,
                )
            )
        return Money(left, asked, (both - asked) / 1000)

    # -- what people say meanwhile -----------------------------------------------------

    def _take_in(self, move):
        """Hear what was said since, and change the model if somebody wishes so."""
        self._hear()
        self.cr.execute(
            "SELECT desired_model FROM steward_run_wish"
            " WHERE run_id = %s AND desired_model IS NOT NULL",
            [self.run.id],
        )
        for (name,) in self.cr.fetchall():
            self._switch(move, name)

    def _hear(self) -> bool:
        """What people said to the run, in their order. False: nothing."""
        self.cr.execute(
            "DELETE FROM steward_run_variable WHERE run_id = %s AND name LIKE 'said:%%'"
            " RETURNING name, value",
            [self.run.id],
        )
        said = sorted(self.cr.fetchall())
        for _name, row in said:
            self.machine.hear(row["text"], row.get("pictures", ()))
        return bool(said)

    def _heard_late(self) -> bool:
        """Whether somebody said something while the last answer was given."""
        if not isinstance(self.machine, Conversation) or not self._hear():
            return False
        self._checkpoint()
        return True

    def _switch(self, move, name):
        """Go on with another model, or say why not and go on with the same."""
        # a newer wish collides here, and is read again
        self.cr.execute(
            "UPDATE steward_run_wish SET desired_model = NULL WHERE run_id = %s",
            [self.run.id],
        )
        error = None
        try:
            model = self.run._switchable(name)
            self._check_fits(model)
            self.machine.position["model"] = model.id
        except StewardError as failure:
            error = failure
        self._record(
            kind="decision",
            name=self.env._("Switch to %(model)s", model=name),
            move=Note("switch", move.iteration, move.attempt),
            outcome=Outcome(time.time(), 0.0, error=error),
        )

    def _check_fits(self, model):
        """Refuse a model without room, or eyes, for what was said so far."""
        talk = self.machine
        if any(pictures_of(talk.messages)):
            self.agent._check_sees(model)
        size = chat.tokens([talk.system, *talk.messages], self._tools())
        if model.context_size and size + LEAST_ANSWER > model.context_size:
            raise Invalid(
                self.env._(
                    "The conversation has about %(size)s tokens and does not fit"
                    " %(model)s, which has room for %(room)s.",
                    size=size,
                    model=model.display_name,
                    room=model.context_size,
                )
            )

    # -- without a model ---------------------------------------------------------------

    def _fall_back(self, failed) -> bool:
        """Follow the agent's playbook when no model answers; False: it cannot be.

        Not after something was changed: the playbook would begin from the start.
        """
        if not isinstance(self.machine, Conversation):
            return False
        variables, before = self.machine.variables, self.machine.position
        inputs = variables.get("#fallback")
        if failed.step != "think" or inputs is None or before.get("changed"):
            return False
        variables["#strategy"] = "playbook"
        for name, value in inputs.items():
            variables[f":{name}"] = value
        self._record(
            kind="decision",
            name=self.env._("The playbook instead of a model"),
            move=Note("fallback", "", 1),
            outcome=Outcome(time.time(), 0.0),
            attributes={"reason": failed.message},
        )
        self.run._write_own({"degraded": failed.message})
        self.machine = Machine(self.playbooks, {}, variables, self.facts)
        for name in ("moves", "worked"):
            self.machine.position[name] = before.get(name, 0)
        self._checkpoint()
        return True

    # -- small things ------------------------------------------------------------------

    def _tellable(self, value):
        """What came of a tool, without the secrets that no provider shall see."""
        thinks = isinstance(self.machine, Conversation)
        return REDACTOR.redact_value(value) if thinks else value

    def _worked(self, seconds):
        worked = self.machine.position.get("worked", 0) + seconds
        self.machine.position["worked"] = round(worked, 3)
