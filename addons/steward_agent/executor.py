"""Does what a machine decides: one step, one transaction, one checkpoint.

A worker holds a *claim* on a run. Its fence is a number that grows with each claim; a
worker that finds another number in the row has been declared dead meanwhile, and stops
without writing anything.

What a step does to this database is committed together with the step's record and the
machine's new position: either all of it happened, or none. What leaves the database
cannot be part of a transaction; there the intent is committed first, and a worker that
finds the intent of a dead one calls again only if the tool is idempotent.
"""

import json
import logging
import random
import time
from datetime import UTC, datetime
from hashlib import blake2b
from time import monotonic
from typing import NamedTuple

from odoo.addons.steward.exceptions import (
    Bug,
    External,
    Refused,
    StewardError,
    converted,
)
from odoo.modules import module
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY as COLLISIONS
from odoo.tools import SQL

from .exceptions import Outdated
from .kernel.control import ENDED
from .kernel.conversation import Conversation, Recall, Think
from .kernel.failure import category_of
from .kernel.machine import Act, Ask, Done, Failed, Machine, Variables, Wait
from .models.steward_guard import AT_WORK, Attempt, RunId
from .thinking import Note, Outcome, Thinking

_logger = logging.getLogger(__name__)

SLICE = 30  # seconds after which a run makes room and goes on in another job
LEASE = 120  # seconds without a sign after which a worker counts as dead
TRIES = 5  # of a step that collides with somebody else's transaction
CATCH_UP = 2  # seconds until a worker at a run knows what others changed in caches
DENIALS = 3  # by people, after which the run of an agent that thinks is ended
NEWS_EVERY = 0.3  # seconds between two messages to the screens about one run


class Claim(NamedTuple):
    """The right to work at a run, until somebody has a higher fence."""

    fence: int


class Limits(NamedTuple):
    """What a run may take, as its agent has it when a worker begins."""

    steps: int
    seconds: int
    cost: float  # US dollars; 0: no limit
    tokens: int  # in and out; 0: no limit


class Fenced(Exception):
    """Somebody else works at this run by now."""


class Executor(Thinking):
    """Works at one run.

    :param run: as the superuser, in the job's own transaction
    """

    def __init__(self, run, claim):
        self.run, self.claim = run, claim
        self.env, self.cr = run.env, run.env.cr
        self.machine = self.cost = None
        self.now = self.news_at = 0.0
        self.caught_up_at = monotonic()  # as the job began

    def work(self):
        """Step by step, until it ends, has to wait, or others shall have their turn."""
        self._commit()  # a fresh look at what was claimed
        self._load()
        began = monotonic()
        while self._turn():
            if monotonic() - began > SLICE:
                self.run._write_own({"state": "queued"})
                self.run._enqueue()
                self._commit()
                break
        self.run._let_others()
        self._commit()

    # -- one step --------------------------------------------------------------------

    def _turn(self) -> bool:
        """One step, again if its transaction collides. False: no more for now."""
        done = []  # what cannot be undone is not done twice
        for tries_left in reversed(range(TRIES)):
            try:
                return self._step(done)
            except Fenced:
                self._rollback()
                _logger.info("run %s: another worker has it", self.run.id)
                return False
            except COLLISIONS:
                self._rollback()
                if not tries_left:
                    raise
                time.sleep(random.uniform(0.0, 0.1 * 2 ** (TRIES - tries_left)))
                self._load()
        raise AssertionError  # the loop returns or raises

    def _step(self, done) -> bool:
        self._catch_up()
        wish = self._look()
        if wish:
            return self._obey(*wish)
        self.now = time.time()
        move = self.machine.next(self.now)
        # what is done already counts, whatever it took
        if not isinstance(move, Done) and (reason := self._limit_reached()):
            return self._finish("timed_out", reason)
        match move:
            case Act():
                return self._act(move, done)
            case Recall():
                return self._recall(move)
            case Think():
                return self._think(move, done)
            case Ask():
                return self._ask(move)
            case Wait():
                return self._sleep(move)
            case Done():
                return self._heard_late() or self._complete(move.output)
            case Failed():
                return self._fall_back(move) or self._finish(
                    "failed", move.message, category=move.category
                )

    def _catch_up(self):
        """What other workers changed holds here, too: rules, guardrails, rights."""
        if monotonic() - self.caught_up_at > CATCH_UP:
            self.env.registry.check_signaling(self.cr)
            self.caught_up_at = monotonic()

    def _look(self):
        """Whether the run is still ours, and what somebody wishes of it."""
        self.cr.execute(
            """
            SELECT run.fence, run.cost, wish.desired_state, wish.reason
              FROM steward_run AS run
         LEFT JOIN steward_run_wish AS wish ON wish.run_id = run.id
             WHERE run.id = %s AND run.state = 'running'
            """,
            [self.run.id],
        )
        row = self.cr.fetchone()
        if row is None or row[0] != self.claim.fence:
            raise Fenced
        _fence, self.cost, desired, reason = row
        return (desired, reason) if desired in ("paused", "terminated") else None

    def _obey(self, desired, reason):
        # the wish is fulfilled; a newer one would collide here and be read again
        self.cr.execute(
            "UPDATE steward_run_wish SET desired_state = NULL WHERE run_id = %s",
            [self.run.id],
        )
        if desired == "terminated":
            return self._finish("terminated", reason)
        self.run._write_own({"state": "paused"})
        return self._let_go()

    def _limit_reached(self):
        """Why the run must stop, or nothing. Waiting takes no time."""
        position, limits = self.machine.position, self.limits
        if position["moves"] > limits.steps:
            return self.env._("More than %(n)s steps.", n=limits.steps)
        if position.get("worked", 0) > limits.seconds:
            return self.env._("More than %(n)s seconds of work.", n=limits.seconds)
        if limits.cost and (self.cost or 0) >= limits.cost:
            return self.env._("More than %(cost)s USD.", cost=limits.cost)
        return ""

    # -- moves -------------------------------------------------------------------------

    def _act(self, move, done):
        tool = self.agent._tool_named(move.tool)
        denied = False
        if done:
            outcome = done[0]
        else:
            attempt = self._attempt(move, tool)
            outcome = self._lost_outcome(move, tool)
            if outcome is None:
                approval, outcome = self._permission(attempt, move)
                if approval.state == "pending":
                    return self._wait_for_person()
                denied = bool(approval and outcome)
            if outcome is None:
                if tool.risk == "external":
                    self._intend(move)
                outcome = self._perform(attempt, move)
                if tool.risk == "external":
                    done.append(outcome)
        self.machine.position.pop("intent", None)
        self._record(
            kind="tool_call",
            name=move.tool,
            move=move,
            outcome=outcome,
            input=move.arguments,
        )
        self._tell_machine(outcome, tool)
        self._use_up_approval(move)
        worked = self.machine.position.get("worked", 0) + outcome.seconds
        self.machine.position["worked"] = round(worked, 3)
        if denied and self._denied_too_often():
            reason = self.env._("People refused what it wanted to do too often.")
            return self._finish("failed", reason, category="rights")
        self._checkpoint()
        return True

    def _attempt(self, move, tool):
        env = self.env(user=self.user.id, su=False, context=self.context)
        return Attempt(
            self.run, self.agent, self.company, tool, move.tool, move.arguments, env
        )

    def _perform(self, attempt, move):
        """Do it as the run's own user, and say how it went."""
        tool = attempt.tool
        began, clock = time.time(), monotonic()
        value = error = None
        try:
            with self.env["steward.guard"]._watch(attempt):
                value = (
                    tool.with_env(attempt.env)
                    ._call(move.arguments, self._key(move), move.timeout)
                    .value
                )
        except Exception as failure:  # noqa: BLE001 - whatever a tool raises is told
            error = converted(failure)
            collided = isinstance(error.__cause__ or failure, COLLISIONS)
            if collided and tool.risk != "external":
                raise error.__cause__ or failure from None  # the whole step again
        return Outcome(began, monotonic() - clock, value, error)

    # -- approvals ---------------------------------------------------------------------

    def _permission(self, attempt, move):
        """What people say to it: an approval if they are asked; and why not, if so.

        What could not be done anyway is not asked about: it fails at once.
        """
        approvals = self.env["steward.approval"]
        position = self.machine.position
        try:
            try:
                approval = approvals._for_attempt(attempt, move, position.get("asked"))
            except Outdated as error:
                if isinstance(self.machine, Conversation):
                    raise  # who thinks shall look again
                self._record_void(move, error)
                approval = approvals._for_attempt(attempt, move)
        except StewardError as error:
            if isinstance(error.__cause__, COLLISIONS):
                raise error.__cause__ from None
            return approvals, Outcome(time.time(), 0.0, error=error)
        if not approval:
            return approval, None
        position["asked"] = True
        _answer, error = approval._answer()
        return approval, error and Outcome(time.time(), 0.0, error=error)

    def _record_void(self, move, error):
        """Tell in the trace why people are asked again."""
        position = self.machine.position
        position["voided"] = position.get("voided", 0) + 1
        self._record(
            kind="human",
            name=self.env._("The approval is void"),
            move=Note(f"{move.step}/void", move.iteration, position["voided"]),
            outcome=Outcome(time.time(), 0.0, error=error),
        )

    def _wait_for_person(self):
        self.machine.position["as_of"] = self.now
        self.run._write_own({"state": "waiting", "waits_for": "person"})
        return self._let_go()

    def _use_up_approval(self, move):
        """An approval is for one call: when that is over, so is the approval."""
        position = self.machine.position
        if position.get("asked") and position.get("attempt", 1) == 1:
            approvals = self.env["steward.approval"]
            approvals._of_step(self.run, move.step, move.iteration)._use_up()

    def _denied_too_often(self):
        """Who chooses what to do may go on asking for ever; a playbook ends."""
        position = self.machine.position
        position["denials"] = position.get("denials", 0) + 1
        return self.agent.kind == "chat" and position["denials"] >= DENIALS

    def _key(self, move):
        """What tells a repetition of this step from another step."""
        return f"{self.trace_id}:{move.step}:{move.iteration}"

    def _intend(self, move):
        """Say what is about to leave the database, before it does."""
        self.machine.position["intent"] = [move.step, move.iteration, move.attempt]
        self._checkpoint()

    def _lost_outcome(self, move, tool):
        """What became of a call whose worker died; None: it may be made."""
        intent = self.machine.position.get("intent")
        if intent != [move.step, move.iteration, move.attempt] or tool.idempotent:
            return None
        sentence = self.env._(
            "Its worker died while it called %(tool)s: nobody knows whether that was"
            " done.",
            tool=move.tool,
        )
        return Outcome(time.time(), 0.0, error=External(sentence))

    def _tell_machine(self, outcome, tool):
        if tool.risk != "read" and not isinstance(outcome.error, Refused):
            self.machine.position["changed"] = True  # or nobody knows
        if outcome.error is None:
            self.machine.succeed(self._tellable(outcome.value))
        else:
            error = outcome.error
            self.machine.fail(
                category_of(error.code, error.sentence),
                error.sentence,
                time.time(),
                retry_after=error.retry_after,
                may_repeat=tool.idempotent or tool.risk != "external",
            )

    def _ask(self, move):
        """Ask once; then see whether there is an answer."""
        approvals = self.env["steward.approval"]
        approval = approvals._of_step(self.run, move.step, move.iteration)
        if not approval:
            approval = approvals._ask(self.run, move)
        if approval.state == "pending":
            return self._wait_for_person()
        asked = approval.create_date.replace(tzinfo=UTC).timestamp()
        answer, error = approval._answer()
        outcome = Outcome(asked, time.time() - asked, answer, error)
        self._record(
            kind="human",
            name=move.name or self.env._("Question"),
            move=move,
            outcome=outcome,
            input={"question": move.question},
        )
        self._tell_machine(outcome, self.env["steward.tool"])
        approval._use_up()
        self._checkpoint()
        return True

    def _sleep(self, move):
        until = datetime.fromtimestamp(move.until, UTC).replace(tzinfo=None)
        self.run._write_own(
            {
                "state": "waiting",
                "waits_for": "time",
                "wakes_at": until,
            }
        )
        self.run._enqueue(eta=until)
        return self._let_go()

    def _complete(self, output):
        if self.run.degraded:
            self.run._remember(output)
        return self._finish("completed", output=output)

    def _finish(self, state, reason="", **how):
        self.run._end(state, reason, **how)
        return self._let_go()

    # -- keeping -----------------------------------------------------------------------

    def _load(self):
        """The machine as it was kept."""
        run = self.run
        self.cr.execute(
            "SELECT name, value FROM steward_run_variable WHERE run_id = %s", [run.id]
        )
        variables = Variables(dict(self.cr.fetchall()))
        self.facts = {
            "task": variables.get("#task"),
            "record": variables.get("#record"),
            "trace_id": run.trace_id,
            "agent": run.agent_name,
            "user": {"id": run.user_id.id, "name": run.user_id.name},
            "company": {"id": run.company_id.id, "name": run.company_id.name},
        }
        versions = self.env["steward.playbook.version"]
        self.playbooks = {
            code: versions.browse(pinned)._parsed()
            for code, pinned in variables["#playbooks"].items()
        }
        # what stays as it is in each step, so that no step has to read it again
        self.trace_id, self.company = run.trace_id, run.company_id
        self.row = {"id": run.id, "trace_id": run.trace_id, "month": run.month}
        self.agent, self.user = agent, user = run.agent_id, run.user_id
        self.limits = Limits(
            agent.max_steps, agent.max_seconds, agent.max_cost, agent.max_tokens
        )
        self.context = {
            "allowed_company_ids": self.company.ids,
            "lang": user.lang,
            "tz": user.tz,
            AT_WORK: RunId(run.id),
        }
        self.ledger = self.env["steward.run"].with_company(self.company)
        position = run.position or {}
        if variables.get("#strategy") == "chat":
            self.machine = Conversation(position, variables)
        else:
            self.machine = Machine(self.playbooks, position, variables, self.facts)

    def _record(self, kind, name, move, outcome, **content):
        """Put a step into the ledger, in this transaction."""
        error = outcome.error
        step = {
            "trace_id": self.trace_id,
            "span_id": blake2b(
                f"{self._key(move)}:{getattr(move, 'attempt', 1)}".encode(),
                digest_size=8,
            ).hexdigest(),
            "kind": kind,
            "name": name,
            "started_at": outcome.began * 1000,
            "duration_ms": outcome.seconds * 1000,
            "status": "error" if error else "ok",
            "output": outcome.value,
            "step_key": move.step,
            "iteration": move.iteration,
            "attempt": getattr(move, "attempt", 1),
            **content,
        }
        if error:
            detail = {"detail": error.detail} if error.detail else {}
            step |= {
                "error_type": error.code,
                "error_message": error.sentence,
                "attributes": {**content.get("attributes", {}), **detail},
            }
        known = [(self.row, self.agent)]
        if refused := self.ledger._ingest([], [step], known)["rejected"]:
            raise Bug("The ledger does not take a step.", detail=str(refused))

    def _checkpoint(self):
        """Keep where the machine is, with all that the step did."""
        self._keep(self.machine.position, LEASE)
        if monotonic() - self.news_at > NEWS_EVERY:
            self.news_at = monotonic()
            self.run._tell_screens()
        self._commit()

    def _let_go(self) -> bool:
        """Keep everything, and work no longer; what was wished just now is done."""
        self._keep(None if self.run.state in ENDED else self.machine.position, None)
        self.run._tell_screens()
        self._commit()
        self.run._fulfil_wish()
        self.run._answer_late()
        return False

    def _keep(self, position, lease):
        """Write the position and what changed beside it, if the run is still ours.

        :param position: None when the run is over: then nothing is needed any more
        """
        self.env.flush_all()
        kept, gone = self.machine.variables.take_changes()
        if position is not None and gone:
            self.run._keep_variables({}, gone)
        rows = [(self.run.id, name, json.dumps(value)) for name, value in kept.items()]
        self.cr.execute(
            SQL(
                """
                %(variables)s UPDATE steward_run
                   SET position = %(position)s, deaths = 0,
                       lease_until = clock_timestamp() AT TIME ZONE 'utc'
                                   + make_interval(secs => %(lease)s)
                 WHERE id = %(id)s AND fence = %(fence)s
                """,
                variables=SQL("WITH kept AS (%s)", self.run._variables_sql(rows))
                if rows and position is not None
                else SQL(),
                position=None if position is None else json.dumps(position),
                lease=lease,
                id=self.run.id,
                fence=self.claim.fence,
            )
        )
        if not self.cr.rowcount:
            raise Fenced
        self.run.invalidate_recordset()

    def _commit(self):
        self.env.flush_all()
        if not module.current_test:  # a test's transaction is the test's own
            # ok: the run executor, which commits after each step
            self.cr.commit()  # ok: see above; pylint: disable=invalid-commit

    def _rollback(self):
        self.cr.rollback()
        self.env.invalidate_all()
