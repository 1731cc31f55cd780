import time
from typing import Any, NamedTuple

from odoo import api, models
from odoo.addons.steward.exceptions import (
    BadAnswer,
    CircuitOpen,
    Exhausted,
    External,
    Invalid,
    Refused,
    SecretUnavailable,
)
from odoo.addons.steward.kernel.schema import SchemaProblem
from odoo.fields import Domain

from ..const import REPAIR
from ..exceptions import BudgetExhausted, NoAnswer, Withheld
from ..kernel import structured
from ..kernel.chat import Answer, Delta, Question
from ..kernel.pricing import Cost, together
from ..kernel.usage import Usage
from .steward_budget import LEASE_SECONDS
from .steward_model import CAN
from .steward_usage import ABOUT

MINUTE = 60  # seconds
REPAIRS = 2  # of an answer that does not fit its schema
MAX_TOKENS = 4_096  # put aside for an answer of which nobody knows how long it may be
# after which another model may do better; a budget that says no is another matter
FALL_BACK = (External, CircuitOpen, Exhausted, Refused, Invalid, SecretUnavailable)


class Chatted(NamedTuple):
    """What became of a question.

    :param value: of an answer with a schema: it fits
    :param model: which answered, a `steward.model`
    :param cost: of all calls that it took
    :param cached: whether no model was asked, as the answer was known
    :param repairs: how often it was asked again for the right shape
    :param tried: models that failed before: ``{"model", "error"}``
    """

    answer: Answer
    value: Any
    model: Any
    cost: Cost
    cached: bool
    seconds: float
    repairs: int
    tried: list[dict]


class _Talk:
    """One question on its way from model to model."""

    def __init__(self, question, on_delta, subject, about, deadline, cache):
        self.question = question
        self.on_delta = on_delta
        self.subject = subject
        self.about = about
        self.deadline = deadline
        self.cache = cache
        self.seen = set()  # ids of the models that had their turn
        self.costs = []
        self.repairs = 0
        self.has_told = False  # from then on, nobody else may answer

    def tell(self, delta):
        self.has_told = True
        self.on_delta(delta)


class StewardModel(models.Model):
    _inherit = "steward.model"

    def _chat(
        self,
        messages,
        tools=(),
        schema=None,
        max_tokens=None,
        on_delta=None,
        subject=None,
        seconds=None,
        cache=False,
    ):
        """Let the model answer, or one that stands in for it.

        What it costs is put aside before and entered after each call, whatever becomes
        of the caller's transaction. Once a word was told, nothing is repeated.

        :param messages: see `kernel.chat`
        :param tools: which the model may call
        :param schema: JSON Schema of the answer, which is put right at most `REPAIRS`
            times; an answer that calls tools has no value yet
        :param max_tokens: of the answer
        :param on_delta: is called with each `Delta` of the text while it comes
        :param dict subject: who pays, ids by scope of `steward.budget` (``company``,
            ``user``: the current ones), and what the ledger keeps: see `ABOUT`
        :param seconds: for all of it
        :param cache: whether an answer that is known will do
        :rtype: Chatted
        :raises Invalid: when the question cannot be asked, or no model fits
        :raises BudgetExhausted: when a budget has too little left
        :raises Withheld: when the provider's filter kept the answer back
        :raises NoAnswer: when several models failed
        :raises StewardError: as the only model failed
        """
        self.ensure_one()
        began = time.monotonic()
        subject = {"company": self.env.company.id, "user": self.env.uid} | (
            subject or {}
        )
        # sudo: steward.model - whoever may let an agent work need not see its models
        model = self.sudo().with_company(subject["company"])
        scopes = model.env["steward.budget"]._get_scopes()
        talk = _Talk(
            model._sound_question(messages, tools, schema, max_tokens),
            on_delta,
            {scope: subject[scope] for scope in scopes if scope in subject},
            {"user_id": subject["user"]}
            | {name: subject[name] for name in ABOUT if name in subject},
            began + seconds if seconds else None,
            cache,
        )
        answering, answer, value, cached, tried = model._ask_in_turn(talk)
        return Chatted(
            answer,
            value,
            self.browse(answering.id),
            together(talk.costs),
            cached,
            time.monotonic() - began,
            talk.repairs,
            tried,
        )

    @api.model
    def _route(self, needs=frozenset({"tools"}), tokens=0, company=None):
        """The models that could do it, the cheapest first; unknown prices last.

        :param needs: of `catalog.CAPABILITIES`, beside chat
        :param tokens: how long the question is
        :param company: whose models; the current one's
        :rtype: steward.model
        """
        company = company or self.env.company
        found = self._routable(needs, tokens, company)
        return self.browse(found._cheapest_first(tokens or 1_000).ids)

    @api.model
    def _routable(self, needs, tokens=0, company=None):
        """The same in any order: enough to know whether there are any."""
        company = company or self.env.company
        domain = Domain(
            [
                ("is_offered", "=", True),
                ("provider_id.active", "=", True),
                ("company_id", "in", [company.id, False]),
            ]
        )
        for name in {"chat", *needs}:
            domain &= Domain(CAN[name], "=", True)
        domain &= Domain("context_size", "=", 0) | Domain("context_size", ">", tokens)
        # sudo: steward.model - whoever may let an agent work need not see its models
        return self.sudo().with_company(company).search(domain)

    # -- which model ---------------------------------------------------------------

    def _is_able(self, needs):
        """Whether this model, or one that stands in for it, can do all of these.

        :param needs: of `catalog.CAPABILITIES`, beside chat
        """
        abilities = [CAN[need] for need in {"chat", *needs}]
        return any(
            all(model[ability] for ability in abilities)
            for model in self._get_candidates()
        )

    def _sound_question(self, messages, tools, schema, max_tokens):
        question = Question(list(messages), list(tools), schema, max_tokens)
        try:
            question.check()
        except ValueError as error:
            raise Invalid(
                self.env._("Nobody can answer that: %(problem)s.", problem=error)
            ) from error
        if schema is None:
            return question
        try:
            structured.check(schema)
        except SchemaProblem as error:
            raise Invalid(
                self.env._(
                    "The answer's schema cannot be used: %(problem)s.", problem=error
                )
            ) from error
        return question._replace(
            messages=structured.instructed(question.messages, schema)
        )

    def _ask_in_turn(self, talk):
        """Ask one model after the other until one answers."""
        waiting, tried, errors, refusal = self._able(talk), [], [], None
        while waiting:
            model, *waiting = waiting
            talk.seen.add(model.id)
            try:
                return model, *model._ask(talk), tried
            except BudgetExhausted as error:
                if talk.has_told or error.action != "downgrade":
                    raise
                waiting = model._downgraded(talk, waiting, error)
                refusal = refusal or error
            except FALL_BACK as error:
                if talk.has_told or isinstance(error, Withheld):
                    raise
                errors.append(error)
                tried.append({"model": model.display_name, "error": error.sentence})
                if talk.deadline and time.monotonic() >= talk.deadline:
                    break
        if refusal or len(errors) == 1:
            raise refusal or errors[0]
        told = "; ".join(f"{each['model']}: {each['error']}" for each in tried)
        raise NoAnswer(
            self.env._(
                "None of %(count)s models answered. %(told)s",
                count=len(tried),
                told=told,
            ),
            errors,
        )

    def _able(self, talk):
        """This model and those that stand in for it, as far as they can do it."""
        candidates = self._get_candidates()
        if not candidates:
            raise Invalid(
                self.env._(
                    "%(name)s or its provider is archived, and nothing stands in.",
                    name=self.display_name,
                )
            )
        able = [model for model in candidates if not model._why_unable(talk)]
        if not able:
            raise Invalid(candidates[0]._why_unable(talk))
        return able

    def _why_unable(self, talk):
        """A sentence why the model cannot answer, or nothing."""
        question, name = talk.question, self.display_name
        if not self.can_chat:
            return self.env._("%(name)s does not chat.", name=name)
        if self.company_id and self.company_id != self.env.company:
            return self.env._("%(name)s belongs to another company.", name=name)
        lacking = [need for need in question.needs() if not self[CAN[need]]]
        if lacking:
            return self.env._(
                "%(name)s lacks what this takes: %(what)s.",
                name=name,
                what=", ".join(
                    self._fields[CAN[need]]._description_string(self.env)
                    for need in sorted(lacking)
                ),
            )
        tokens = question.tokens() + (question.max_tokens or 1)
        if self.context_size and tokens > self.context_size:
            return self.env._(
                "The context does not fit: about %(tokens)s tokens with the answer, and"
                " %(name)s takes %(size)s.",
                tokens=tokens,
                name=name,
                size=self.context_size,
            )
        return None

    def _downgraded(self, talk, waiting, refusal):
        """What is asked instead: the budget's own choice, then what costs less."""
        most = self._most(talk.question)
        cheaper = [
            model
            for model in self.browse().union(*waiting)._cheapest_first()
            if (amount := model._most(talk.question)) is not None
            and (most is None or amount < most)
        ]
        chosen = self.browse(refusal.downgrade_model_id)
        is_usable = chosen.active and chosen.provider_id.active
        if not is_usable or chosen.id in talk.seen or chosen._why_unable(talk):
            return cheaper
        return [chosen, *(model for model in cheaper if model != chosen)]

    def _cheapest_first(self, tokens=1_000):
        def price(model):
            amount = model._cost(Usage(tokens, 1_000)).amount
            return amount is None, amount or 0

        return self.sorted(price)

    # -- one model -----------------------------------------------------------------

    def _ask(self, talk):
        """Let this model answer.

        :return: the answer, its value, and whether it was known
        """
        answers = self.env["steward.chat.answer"]
        key = talk.cache and talk.question.key(self._answer_space())
        if key and (known := answers._find(self, key)):
            answer, value = known
        else:
            before = len(talk.costs)
            answer, value = self._shaped(talk)
            if key and answer.finish in ("stop", "tool_calls"):
                cost = together(talk.costs[before:])
                answers._keep(self, key, answer, value, cost)
        # of a model that does not stream, or of no model at all
        if talk.on_delta and answer.text and not talk.has_told:
            talk.tell(Delta(answer.text))
        return answer, value, bool(key and known)

    def _answer_space(self):
        """What decides about an answer beside the question: part of each key."""
        provider = self.provider_id
        return repr((provider.kind, provider.base_url, self.name, self.max_output))

    def _shaped(self, talk):
        """An answer, asked for again until it fits its schema."""
        question = talk.question
        answer = self._call(talk, question.messages)
        for _repair in range(REPAIRS):
            value, problems = self._value_of(question, answer)
            if not problems:
                return answer, value
            talk.repairs += 1
            correction = structured.correction(problems)
            messages = [*question.messages, answer.message(), correction]
            answer = self._call(talk, messages, purpose=REPAIR)
        value, problems = self._value_of(question, answer)
        if problems:
            raise BadAnswer(
                self.env._(
                    "%(name)s did not give the agreed shape, though it was asked"
                    " %(count)s times: %(problem)s.",
                    name=self.display_name,
                    count=REPAIRS + 1,
                    problem=problems[0],
                ),
                detail="\n".join(problems),
            )
        return answer, value

    def _value_of(self, question, answer):
        """The value of an answer that has a schema, and what is wrong with it.

        :raises StewardError: when there is nothing that could be put right
        """
        has_something = bool(answer.text or answer.tool_calls)
        is_asked = question.schema is not None and not answer.tool_calls
        if answer.finish == "filtered" and (is_asked or not has_something):
            sentence = self.env._(
                "%(name)s did not answer: a filter kept it back. Ask in other words.",
                name=self.display_name,
            )
            if answer.text:
                sentence += " " + self.env._(
                    "It says: “%(text)s”", text=answer.text[:300]
                )
            raise Withheld(sentence)
        if answer.finish == "length" and (is_asked or not has_something):
            raise BadAnswer(
                self.env._(
                    "%(name)s did not come to the end of its answer in %(tokens)s"
                    " tokens. Allow longer answers.",
                    name=self.display_name,
                    tokens=answer.usage.tokens_out,
                )
            )
        return structured.read(answer.text, question.schema) if is_asked else (None, [])

    def _call(self, talk, messages, **about):
        """Call the model once, with the money put aside for it."""
        question = talk.question._replace(messages=messages)
        adapter = self.provider_id._adapter()
        streams = self.can_streaming and not talk.has_told
        used = None
        with self._reserved_for(talk, question) as reservation:
            try:
                answer = adapter.chat(
                    self.name,
                    question.messages,
                    question.tools,
                    question.schema,
                    question.max_tokens and self._longest(question),
                    talk.tell if talk.on_delta and streams else None,
                    talk.deadline,
                )
                used = answer.usage
            except Exception as error:  # whatever it is: only its cost is looked at
                used = getattr(error, "usage", None)
                raise
            finally:
                if used:
                    cost = self._cost(used)
                    talk.costs.append(cost)
                    reservation.settle(cost.amount)
                    self._record_lasting(used, "chat", **talk.about | about)
        return answer

    def _reserved_for(self, talk, question):
        subject = {**talk.subject, "provider": self.provider_id.id}
        lease = max(LEASE_SECONDS, self.provider_id._timeout() + MINUTE)
        # sudo: steward.budget - it holds for everybody, who need not see it
        budgets = self.env["steward.budget"].sudo()
        return budgets._reserve(subject, self._most(question), lease)

    def _most(self, question):
        """What a call costs at most, in US dollars; None when nobody knows."""
        usage = Usage(question.tokens(), self._longest(question))
        return self._cost(usage).amount

    def _longest(self, question):
        """Tokens that an answer may have."""
        known = (question.max_tokens, self.max_output)
        return min(filter(None, known), default=MAX_TOKENS)
