import math
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic

import psycopg2
import requests

from odoo import api, fields, models

from ..exceptions import CircuitOpen, Locked, StewardError
from ..kernel.breaker import (
    Answer,
    Breaker,
    Local,
    Mode,
    Outcome,
    Policy,
    Reason,
    Shared,
    State,
    Verdict,
)

AWAY = (psycopg2.Error, Locked)  # the row could not be had; judge without it
REMOTE_ERRORS = (requests.RequestException, TimeoutError, ConnectionError)


class StewardCircuit(models.Model):
    """A service that is left alone for a while when it fails too often."""

    _name = "steward.circuit"
    _inherit = ["steward.shared", "mail.thread"]
    _description = "Circuit Breaker"
    _order = "state desc, name"
    _steward_own_fields = (
        *("shared", "state", "reason", "open_until", "opens"),
        *("calls", "failures", "slow_calls", "seen_at"),
    )

    mode = fields.Selection(
        [
            (Mode.AUTO.value, "Automatic"),
            (Mode.FORCED_OPEN.value, "Forced open: refuse every call"),
            (Mode.FORCED_CLOSED.value, "Forced closed: let every call pass"),
            (Mode.METRICS_ONLY.value, "Count only: never refuse"),
        ],
        default=Mode.AUTO.value,
        required=True,
        tracking=True,
    )
    # the names sort as the list wants them: open, half open, closed (desc)
    state = fields.Selection(
        [
            (State.CLOSED.value, "Closed"),
            (State.HALF_OPEN.value, "Trying"),
            (State.OPEN.value, "Open"),
        ],
        default=State.CLOSED.value,
        readonly=True,
    )
    reason = fields.Selection(
        [
            (Reason.FAILURE_RATE.value, "Too many failures"),
            (Reason.SLOW_RATE.value, "Too many slow calls"),
            (Reason.CONSECUTIVE.value, "Several failures in a row"),
        ],
        string="Opened because",
        readonly=True,
    )
    open_until = fields.Datetime(readonly=True, help="The next trial comes after this.")
    opens = fields.Integer("Opened in a row", readonly=True)
    calls = fields.Integer("Calls (1 min)", readonly=True)
    failures = fields.Integer("Failures (1 min)", readonly=True)
    slow_calls = fields.Integer("Slow (1 min)", readonly=True)
    seen_at = fields.Datetime("Last news", readonly=True)
    # zero in each of these: the default
    min_calls = fields.Integer(
        help="Calls within a minute before a share means anything. 0: 20."
    )
    failure_rate = fields.Float(help="Share of failed calls that opens. 0: 0.5.")
    slow_rate = fields.Float(help="Share of slow calls that opens. 0: 0.8.")
    slow_seconds = fields.Float(help="A call this long is slow. 0: 30 seconds.")
    consecutive = fields.Integer(
        help="Failures in a row that open it when there are few calls. 0: 5."
    )
    cooldown = fields.Float(
        "Cool-down",
        help="Seconds it stays open the first time; doubles each time. 0: 30.",
    )

    _name_uniq = models.UniqueIndex("(name, COALESCE(company_id, 0))")
    _not_negative = models.Constraint(
        "CHECK (COALESCE(min_calls, 0) >= 0 AND COALESCE(failure_rate, 0) BETWEEN 0 AND"
        " 1 AND COALESCE(slow_rate, 0) BETWEEN 0 AND 1 AND COALESCE(slow_seconds, 0) >="
        " 0 AND COALESCE(consecutive, 0) >= 0 AND COALESCE(cooldown, 0) >= 0)",
        "Shares lie between 0 and 1, and nothing is negative.",
    )

    # -- hooks of steward.shared ---------------------------------------------------

    @property
    def _rule_columns(self):
        return ("mode", *_POLICY_COLUMNS)

    def _rules_of(self, _mode, *values):
        told = zip(_POLICY_COLUMNS, values, strict=True)
        return Policy(**{name: value for name, value in told if value})

    def _lease_of(self, rules):
        return Local(Breaker(rules))

    @api.model
    def _defaults_to_insert(self):
        return {"mode": Mode.AUTO.value, "state": State.CLOSED.value}

    # -- the guard -----------------------------------------------------------------

    @contextmanager
    def _guard(self, name, company=None):
        """Let a call pass and count how it ends.

        Failures are what says that the *service* is ill: errors of the tree that blame
        the remote side, broken connections, time-outs. Everything else that is raised
        within, refusals and our own mistakes, is not counted.

        :param str name: what is called, as ``openai`` or ``agent/invoices/web_search``
        :param company: a company with a circuit of its own
        :raises CircuitOpen: at once, when the service is left alone
        """
        known, verdict = self._enter(name, company)
        began = monotonic()
        outcome = Outcome.SUCCESS
        try:
            yield
        except BaseException as error:
            outcome = self._outcome_of(error)
            raise
        finally:
            self._leave(known, verdict, outcome, monotonic() - began)

    @api.model
    def _outcome_of(self, error) -> Outcome:
        """Say whether an error blames the service; hook for other kinds of error."""
        if isinstance(error, StewardError):
            ill = error.blames_remote
        else:
            ill = isinstance(error, REMOTE_ERRORS)
        return Outcome.FAILURE if ill else Outcome.IGNORED

    def _enter(self, name, company=None):
        known = self._known(name, company)
        local = known.lease
        verdict = local.check(monotonic())
        if verdict.answer is Answer.SYNC:
            verdict = self._ask(known)
        if verdict.answer is Answer.REFUSED:
            raise CircuitOpen(
                self.env._(
                    "%(name)s failed too often lately and is left alone for"
                    " %(seconds)s more seconds.",
                    name=name,
                    seconds=max(1, math.ceil(verdict.wait)),
                ),
                retry_after=verdict.wait,
            )
        return known, verdict

    def _leave(self, known, verdict, outcome, seconds):
        if verdict.permit:
            self._settle(known, verdict, outcome, seconds)
            return
        known.lease.record(outcome, seconds, monotonic(), verdict.generation)
        if known.lease.due(monotonic()):
            self._tell(known)

    # -- exchanges with the row ----------------------------------------------------

    def _ask(self, known):
        def admit(breaker, shared, now):
            return breaker.admit(shared, uuid.uuid4().hex, now)

        try:
            return self._exchange(known, admit)
        except AWAY:
            known.lease.away(monotonic())
            verdict = known.lease.check(monotonic())
            if verdict.answer is Answer.SYNC:  # the lease was renewed meanwhile
                return Verdict(Answer.ALLOWED, verdict.generation)
            return verdict

    def _tell(self, known):
        delta = known.lease.take(monotonic())

        def merge(breaker, shared, now):
            return breaker.merge(shared, delta, now), None

        try:
            self._exchange(known, merge)
        except AWAY:
            known.lease.put_back(delta, monotonic())

    def _settle(self, known, verdict, outcome, seconds):
        def settle(breaker, shared, now):
            return breaker.settle(shared, verdict, outcome, seconds, now), None

        try:
            self._exchange(known, settle)
        except AWAY:
            known.lease.away(monotonic())  # the permit expires by itself

    def _exchange(self, known, step):
        """Apply a step of the kernel to the locked row, and learn the new state."""

        def change(state, now, columns):
            mode, *_ = columns
            rules = self._rules_of(*columns)
            if rules != known.rules:  # an administrator changed them
                known.rules, known.lease = rules, self._lease_of(rules)
            breaker = Breaker(rules)
            before = Shared.from_json(state)
            shared, answer = step(breaker, breaker.switch(before, Mode(mode)), now)
            known.lease.accept(shared, now, monotonic())
            return answer, {} if shared == before else _columns(shared, now)

        try:
            return self._change(known, change)
        except LookupError:  # somebody deleted the row: a circuit that starts anew
            self._forget_known()
            return Verdict(Answer.ALLOWED)

    # -- actions -------------------------------------------------------------------

    def action_reset(self) -> None:
        """Close the circuit now and forget what it counted."""
        self.check_access("write")
        for circuit in self:
            known = self._known(circuit.name, circuit.company_id)

            def close(_breaker, shared, _now):
                return Shared(mode=shared.mode, generation=shared.generation + 1), None

            self._exchange(known, close)
            # sudo: mail.message - who may reset may also leave the note of it
            circuit.sudo().message_post(body=self.env._("Closed by hand."))


_POLICY_COLUMNS = (
    *("min_calls", "failure_rate", "slow_rate"),
    *("slow_seconds", "consecutive", "cooldown"),
)


def _columns(shared, now):
    """The row as people read it, beside the state itself."""
    calls, failures, slow = shared.window.total(now)
    until = None
    if shared.state is State.OPEN:
        until = datetime.fromtimestamp(shared.until, UTC).replace(tzinfo=None)
    return {
        "shared": shared.to_json(),
        "state": shared.state.value,
        "reason": shared.reason and shared.reason.value,
        "open_until": until,
        "opens": shared.opens,
        "calls": calls,
        "failures": failures,
        "slow_calls": slow,
        "seen_at": datetime.fromtimestamp(now, UTC).replace(tzinfo=None),
    }
