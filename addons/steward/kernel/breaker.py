"""A circuit breaker that a whole cluster of workers shares.

While a provider is down, asking it again costs every caller a timeout and keeps the
provider down. A breaker counts results; when too many calls of the last minute failed
or were slow it *opens*: calls are refused at once. After a cool-down a few trial calls
are let through (*half-open*): they decide between *closed* and open for longer.

Two objects share the work:

- `Shared` is the truth, one row in the database, changed by the rules of a `Breaker`
  while the row is locked. Its clock is the database's.
- `Local` is what one worker process knows. It answers `Local.check` and counts
  `Local.record` without any I/O, and now and then exchanges what it counted (a
  `Delta`) for the newest `Shared`. Its clock is ``time.monotonic``.

A guarded call, from the side of the record that owns the row::

    verdict = local.check(monotonic())
    if verdict.answer is Answer.SYNC:
        verdict = ask()
    if verdict.answer is Answer.REFUSED:
        raise CircuitOpen(verdict.wait)
    ...                                      # the call: an outcome, and its seconds
    if verdict.permit:
        ...                                  # lock, breaker.settle(…), write, accept
    else:
        local.record(outcome, seconds, monotonic(), verdict.generation)
        if local.due(monotonic()):
            tell()

    def ask():
        try:
            ...                              # lock and read the row: shared, and now
            shared, verdict = breaker.admit(shared, uuid4().hex, now)
            ...                              # write the row if shared has changed
        except DatabaseError:                # away, or the lock was not to be had
            local.away(monotonic())
            return local.check(monotonic())  # now answers from its own counts
        local.accept(shared, now, monotonic())
        return verdict

    def tell():
        delta = local.take(monotonic())
        try:
            ...                              # lock and read the row: shared, and now
            shared = breaker.merge(shared, delta, now)
            ...                              # write the row if shared has changed
        except DatabaseError:
            local.put_back(delta, monotonic())
        else:
            local.accept(shared, now, monotonic())

(Asking may first read without a lock: only a verdict with a permit changes the row.)

**How fast.** A worker in use exchanges its counts every `LAZY` seconds, a failure at
once but not twice within `EAGER`, and believes what it read for `FRESH` seconds: a
breach is known to all within 10 s.
The window is what decides how long an outage takes to become a breach: at even traffic
a total outage makes up half of the last minute after 30 s; without earlier traffic,
after 20 calls.

**How often by mistake.** With independent failures at rate p, 20 calls that happen to
hold 10 failures come up with probability 2e-15 at p = 1 %, 1e-8 at 5 %, 7e-6 at 10 %;
a larger window only makes it rarer. The rule for quiet circuits is the nervous one:
five failures in a row are expected 0.0001 times in a million calls at p = 1 %, 0.3
times at 5 % and 9 times at 10 %, if there are never 20 calls in a minute. A provider
which fails one call in ten in good times deserves a larger ``consecutive``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from operator import add
from typing import Any, NamedTuple

from .backoff import Backoff
from .windows import Window, is_count, is_number

EAGER = 1.0  # seconds between two writes of a worker, at least
LAZY = 3.0  # seconds between two writes of a worker to which nothing bad happened
FRESH = 5.0  # seconds for which a worker believes what it has read
AWAY = 5.0  # seconds before a database that did not answer is asked again
FULL = 1.0  # seconds before asking again for a permit when all are given out

NOTHING = Window(width=10, size=6, columns=3)  # calls, failures, slow calls


class State(StrEnum):
    """Where a circuit stands; a refusal is possible in all but the first."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Mode(StrEnum):
    """What an administrator said; it speaks before the state does."""

    AUTO = "auto"
    FORCED_OPEN = "forced_open"  # refuse everything
    FORCED_CLOSED = "forced_closed"  # let everything pass, count nothing
    METRICS_ONLY = "metrics_only"  # let everything pass, and see what it would do


class Reason(StrEnum):
    """Why a circuit opened."""

    FAILURE_RATE = "failure_rate"
    SLOW_RATE = "slow_rate"
    CONSECUTIVE = "consecutive"


class Outcome(Enum):
    """What a call says about the health of what was called.

    A time-out, a 5xx, a 429 and an answer that makes no sense are failures. A user who
    cancels, a request that was invalid and an exhausted budget say nothing: ignored.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


class Answer(Enum):
    """What a caller is told."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    SYNC = "sync"  # ask the database: what this worker knows is too old


# up to Python 3.11 finding a member of an Enum takes as long as the rest of a check
_ALLOWED, _IGNORED, _FAILURE = Answer.ALLOWED, Outcome.IGNORED, Outcome.FAILURE


class Verdict(NamedTuple):
    """An answer, and what must be shown again when the result is in.

    >>> Verdict(Answer.REFUSED, wait=12.5).answer.value
    'refused'
    """

    answer: Answer
    generation: int = 0  # of the circuit, when the call began
    wait: float = 0.0  # seconds to wait, when refused
    permit: str = ""  # lease of a trial call, to be settled


@dataclass(frozen=True, slots=True)
class Policy:
    """When to open, for how long, and what it takes to close.

    >>> Policy(consecutive=10, slow_seconds=20).min_calls
    20
    """

    bucket_seconds: float = 10
    buckets: int = 6  # together a window of 60 s
    min_calls: int = 20  # in the window, before a rate means anything
    failure_rate: float = 0.5  # share of calls that failed, at which to open
    slow_rate: float = 0.8  # share of calls that were slow, at which to open
    slow_seconds: float = 30  # a call that takes this long is slow; inf: none is
    consecutive: int = 5  # failures in a row that open below min_calls
    cooldown: float = 30  # seconds open, the first time; doubles each time
    cooldown_cap: float = 600  # seconds open, at most, jitter included
    jitter: float = 0.1  # share of the cool-down added at random, at most
    permits: int = 5  # trial calls at once, and results needed to decide
    permit_ttl: float = 120  # seconds; longer than the time-out of the call


@dataclass(frozen=True, slots=True)
class Delta:
    """What one worker counted since it last wrote."""

    generation: int  # under which the calls began
    at: float  # when it was taken, by the worker's clock
    window: Window  # calls, failures, slow calls; by the worker's clock
    streak: int  # failures since the last success
    succeeded: bool  # whether there was a success


@dataclass(frozen=True, slots=True)
class Shared:
    """The state of one circuit, as all workers see it; a value, never changed.

    >>> new = Shared()
    >>> new.state.value, new.mode.value, new.generation
    ('closed', 'auto', 0)
    """

    state: State = State.CLOSED
    mode: Mode = Mode.AUTO
    generation: int = 0  # grows with each transition
    reason: Reason | None = None  # of being open; in METRICS_ONLY, of a would-be open
    opens: int = 0  # times opened in a row, without closing in between
    until: float = 0.0  # end of the cool-down
    streak: int = 0  # failures in a row
    window: Window = NOTHING
    permits: Mapping[str, float] = field(default_factory=dict)  # lease -> expiry
    trial: tuple[int, ...] = (0, 0, 0)  # calls, failures, slow calls when half-open

    def to_json(self) -> dict[str, Any]:
        """Say it in plain JSON, for a ``jsonb`` column.

        >>> Shared(state=State.OPEN, generation=1, until=130.0).to_json()["state"]
        'open'
        >>> Shared.from_json(Shared(generation=4).to_json()) == Shared(generation=4)
        True
        """
        return {
            "state": self.state.value,
            "mode": self.mode.value,
            "generation": self.generation,
            "reason": self.reason and self.reason.value,
            "opens": self.opens,
            "until": self.until,
            "streak": self.streak,
            "window": self.window.to_json(),
            "permits": dict(self.permits),
            "trial": list(self.trial),
        }

    @classmethod
    def from_json(cls, data: Any) -> Shared:
        """Read what `to_json` said; anything else is a circuit that starts anew.

        A row nobody can read must not stop the calls it was meant to protect.

        >>> Shared.from_json({"state": "ajar"}) == Shared.from_json(None) == Shared()
        True
        """
        try:
            reason = data["reason"]
            shared = cls(
                state=State(data["state"]),
                mode=Mode(data["mode"]),
                generation=data["generation"],
                reason=reason and Reason(reason),
                opens=data["opens"],
                until=data["until"],
                streak=data["streak"],
                window=Window.from_json(data["window"]),
                permits=dict(data["permits"]),
                trial=tuple(data["trial"]),
            )
        except (KeyError, TypeError, ValueError):
            return cls()
        counts = (shared.generation, shared.opens, shared.streak, *shared.trial)
        moments = (shared.until, *shared.permits.values())
        sound = (
            all(map(is_count, counts))
            and all(map(is_number, moments))
            and len(shared.trial) == shared.window.columns == NOTHING.columns
        )
        return shared if sound else cls()


@dataclass(frozen=True, slots=True)
class Breaker:
    """The rules: how the shared state of a circuit changes. Every method is pure.

    >>> breaker = Breaker(Policy(jitter=0))
    >>> local = Local(breaker)
    >>> local.accept(Shared(), now=1000, monotonic=0)

    Five calls fail in a row on a quiet circuit, and it opens for 30 s.

    >>> for second in range(5):
    ...     verdict = local.check(second)
    ...     local.record(Outcome.FAILURE, 0.2, second, verdict.generation)
    >>> shared = breaker.merge(Shared(), local.take(4), now=1004)
    >>> shared.state.value, shared.reason.value, shared.until
    ('open', 'consecutive', 1034.0)

    Then trial calls are let through. Five good results close it.

    >>> breaker.admit(shared, "permit-0", now=1014)[1].wait
    20.0
    >>> for number in range(5):
    ...     shared, verdict = breaker.admit(shared, f"permit-{number}", now=1034)
    ...     shared = breaker.settle(shared, verdict, Outcome.SUCCESS, 0.2, now=1035)
    >>> shared.state.value, shared.generation
    ('closed', 3)
    """

    policy: Policy
    rng: random.Random = field(default_factory=random.Random, compare=False)

    def merge(self, shared: Shared, delta: Delta, now: float) -> Shared:
        """Add what a worker counted, and open the circuit if that is too much.

        Results of calls that began under another generation are late: they speak of a
        time that has been judged already, and change nothing.

        >>> window = NOTHING.add(50, 20, 10, 0)
        >>> delta = Delta(generation=0, at=50, window=window, streak=0, succeeded=True)
        >>> breaker = Breaker(Policy())
        >>> breaker.merge(Shared(), delta, now=1000).state.value
        'open'
        >>> breaker.merge(Shared(generation=2), delta, now=1000).state.value
        'closed'
        """
        shared = self.expire(shared, now)
        counting = shared.mode in (Mode.AUTO, Mode.METRICS_ONLY)
        if (
            not (counting and delta.window.rows)
            or shared.state is not State.CLOSED
            or shared.generation != delta.generation
        ):
            return shared
        # the policy's buckets, whatever those of the policy the row was written under
        window = (
            self.empty()
            .merge(shared.window, now)
            .merge(delta.window, now, shift=now - delta.at)
        )
        streak = delta.streak if delta.succeeded else shared.streak + delta.streak
        reason = self.breach(window, streak, now)
        if reason and shared.mode is Mode.AUTO:
            return self._opened(shared, reason, now)
        return replace(shared, window=window, streak=streak, reason=reason)

    def admit(self, shared: Shared, permit: str, now: float) -> tuple[Shared, Verdict]:
        """Let a call through, or not.

        ``permit`` is a new, unique id. If the verdict bears it, the call is a trial of
        a half-open circuit and its result must be settled.

        >>> breaker = Breaker(Policy(permits=1))
        >>> cooled = Shared(State.OPEN, until=1000.0)
        >>> trying, verdict = breaker.admit(cooled, "a", now=1000)
        >>> verdict.answer.value, verdict.permit, trying.state.value
        ('allowed', 'a', 'half_open')
        >>> breaker.admit(trying, "b", now=1001)[1].answer.value
        'refused'
        """
        shared = self.expire(shared, now)
        refused = Verdict(Answer.REFUSED, shared.generation)
        if shared.mode is Mode.FORCED_OPEN:
            return shared, refused._replace(wait=self.policy.cooldown)
        if shared.mode is not Mode.AUTO or shared.state is State.CLOSED:
            return shared, Verdict(Answer.ALLOWED, shared.generation)
        if shared.state is State.OPEN:
            if now < shared.until:
                return shared, refused._replace(wait=shared.until - now)
            generation = shared.generation + 1
            shared = replace(shared, state=State.HALF_OPEN, generation=generation)
        elif len(shared.permits) >= self.policy.permits:
            return shared, refused._replace(wait=FULL)
        permits = {**shared.permits, permit: now + self.policy.permit_ttl}
        verdict = Verdict(Answer.ALLOWED, shared.generation, permit=permit)
        return replace(shared, permits=permits), verdict

    def settle(
        self,
        shared: Shared,
        verdict: Verdict,
        outcome: Outcome,
        seconds: float,
        now: float,
    ) -> Shared:
        """Take the result of a trial call, and decide once there are enough.

        It reopens as soon as good results can no longer outweigh the bad ones, for
        twice as long. A permit that expired, was settled already or belongs to an
        earlier generation decides nothing.

        >>> breaker = Breaker(Policy(permits=2, jitter=0))
        >>> trying = Shared(State.HALF_OPEN, opens=1)
        >>> trying, verdict = breaker.admit(trying, "a", now=1000)
        >>> again = breaker.settle(trying, verdict, Outcome.FAILURE, 0.2, now=1001)
        >>> again.state.value, again.until, again.opens
        ('open', 1061.0, 2)
        """
        shared = self.expire(shared, now)
        if (
            verdict.generation != shared.generation
            or verdict.permit not in shared.permits
        ):
            return shared
        permits = {k: v for k, v in shared.permits.items() if k != verdict.permit}
        shared = replace(shared, permits=permits)
        if outcome is Outcome.IGNORED:
            return shared
        policy = self.policy
        result = (1, outcome is Outcome.FAILURE, seconds >= policy.slow_seconds)
        calls, failures, slow = trial = tuple(map(add, shared.trial, result))
        # measured against all trial calls, not those so far: it cannot get better
        if failures / policy.permits >= policy.failure_rate:
            return self._opened(shared, Reason.FAILURE_RATE, now)
        if slow / policy.permits >= policy.slow_rate:
            return self._opened(shared, Reason.SLOW_RATE, now)
        if calls >= policy.permits:
            return Shared(mode=shared.mode, generation=shared.generation + 1)
        return replace(shared, trial=trial)

    def expire(self, shared: Shared, now: float) -> Shared:
        """Take the permits of dead workers back, and believe the clock.

        Nothing lasts longer from ``now`` than the policy allows: a clock that stepped
        back must not keep a circuit open for as long as the step was wide.

        >>> breaker = Breaker(Policy())
        >>> breaker.expire(Shared(State.OPEN, until=9000.0), now=1000).until
        1600
        >>> breaker.expire(Shared(permits={"a": 990, "b": 1010}), now=1000).permits
        {'b': 1010}
        """
        latest = now + self.policy.permit_ttl
        permits = {
            permit: min(expiry, latest)
            for permit, expiry in shared.permits.items()
            if expiry > now
        }
        until = min(shared.until, now + self.policy.cooldown_cap)
        return replace(shared, permits=permits, until=until)

    def switch(self, shared: Shared, mode: Mode) -> Shared:
        """Obey the administrator. A change of mode starts with a clean slate.

        >>> breaker = Breaker(Policy())
        >>> shut = breaker.switch(Shared(generation=3), Mode.FORCED_OPEN)
        >>> shut.mode.value, shut.generation, breaker.switch(shut, shut.mode) is shut
        ('forced_open', 4, True)
        """
        if shared.mode is mode:
            return shared
        return Shared(mode=mode, generation=shared.generation + 1)

    def breach(self, window: Window, streak: int, now: float) -> Reason | None:
        """Say why a circuit with these counts must open, if it must.

        >>> breaker = Breaker(Policy())
        >>> breaker.breach(NOTHING.add(0, 19, 4, 0), streak=4, now=0)
        >>> breaker.breach(NOTHING.add(0, 19, 5, 0), streak=5, now=0).value
        'consecutive'
        >>> breaker.breach(NOTHING.add(0, 20, 5, 16), streak=5, now=0).value
        'slow_rate'
        """
        policy = self.policy
        calls, failures, slow = window.total(now)
        if calls < policy.min_calls:
            return Reason.CONSECUTIVE if streak >= policy.consecutive else None
        if failures / calls >= policy.failure_rate:
            return Reason.FAILURE_RATE
        return Reason.SLOW_RATE if slow / calls >= policy.slow_rate else None

    def empty(self) -> Window:
        """Make the window this policy counts in.

        >>> Breaker(Policy(bucket_seconds=5, buckets=4)).empty()
        Window(width=5, size=4, columns=3, rows={})
        """
        policy = self.policy
        return Window(policy.bucket_seconds, policy.buckets, NOTHING.columns)

    def _opened(self, shared: Shared, reason: Reason, now: float) -> Shared:
        policy = self.policy
        # jitter, so that the circuits of one provider do not all try it at once; and
        # room for it below the cap, or the longest cool-downs would have none
        stretch = 1 + policy.jitter
        backoff = Backoff(policy.cooldown, policy.cooldown_cap / stretch)
        cooldown = backoff.ceiling(shared.opens) * self.rng.uniform(1, stretch)
        return Shared(
            state=State.OPEN,
            mode=shared.mode,
            generation=shared.generation + 1,
            reason=reason,
            opens=shared.opens + 1,
            until=now + cooldown,
        )


class _Snapshot(NamedTuple):
    """What a worker last read: good from ``since`` to ``until``, by its own clock."""

    mode: Mode
    verdict: Verdict
    since: float
    until: float
    end: float  # of the refusal, if it is one


class Local:
    """What one worker process knows and has counted about one circuit.

    It never does any I/O; the module says how its owner does. All times are readings
    of one monotonic clock. Threads may share it.

    >>> local = Local(Breaker(Policy()))
    >>> local.check(0).answer.value  # it knows nothing yet
    'sync'
    >>> local.accept(Shared(), now=1000, monotonic=0)
    >>> verdict = local.check(1)
    >>> verdict.answer.value
    'allowed'
    >>> local.record(Outcome.SUCCESS, 0.2, 1.5, verdict.generation)
    >>> local.due(1.5), local.due(2)
    (True, False)
    """

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._width = breaker.policy.bucket_seconds
        self._slow = breaker.policy.slow_seconds
        self._lock = threading.Lock()
        never = float("-inf")
        self._snapshot = _Snapshot(Mode.AUTO, Verdict(Answer.SYNC), never, never, never)
        self._told_at = never  # when it last handed over what it counted
        self._away_at = never  # when it did not answer
        self._tripped_at = never  # when this worker opened by itself
        # not yet written: bucket -> [calls, failures, slow calls]
        self._rows: dict[int, list[float]] = {}
        self._streak = 0
        self._succeeded = False
        self._trouble = False

    def check(self, now: float) -> Verdict:
        """Say whether a call may be made; read one attribute, and mostly no more.

        >>> local = Local(Breaker(Policy()))
        >>> local.accept(Shared(State.OPEN, until=1020.0), now=1000, monotonic=0)
        >>> local.check(4)
        Verdict(answer=<Answer.REFUSED: 'refused'>, generation=0, wait=16.0, permit='')
        >>> local.check(6).answer.value  # it may have been forced closed meanwhile
        'sync'
        """
        snapshot = self._snapshot
        verdict = snapshot.verdict
        if snapshot.since <= now < snapshot.until:
            if verdict.answer is _ALLOWED:
                return verdict
            return verdict._replace(wait=snapshot.end - now)
        if 0 <= now - self._away_at < AWAY:
            return self._alone(now)
        return Verdict(Answer.SYNC, verdict.generation)

    def record(
        self, outcome: Outcome, seconds: float, now: float, generation: int
    ) -> None:
        """Count the result of a call that was allowed under ``generation``.

        >>> local = Local(Breaker(Policy(slow_seconds=10)))
        >>> local.accept(Shared(generation=2), now=1000, monotonic=0)
        >>> local.record(Outcome.SUCCESS, 12, now=1, generation=2)
        >>> local.record(Outcome.IGNORED, 60, now=1, generation=2)
        >>> local.record(Outcome.FAILURE, 60, now=1, generation=1)  # late
        >>> local.take(1).window.total(1)
        (1, 0, 1)
        """
        if outcome is _IGNORED:
            return
        bucket = int(now // self._width)
        with self._lock:
            if generation != self._snapshot.verdict.generation:
                return
            row = self._rows.get(bucket)
            if row is None:
                row = self._rows[bucket] = [0, 0, 0]
            row[0] += 1
            if outcome is _FAILURE:
                row[1] += 1
                self._streak += 1
                self._trouble = True
            else:
                self._streak = 0
                self._succeeded = True
            if seconds >= self._slow:
                row[2] += 1
                self._trouble = True

    def due(self, now: float) -> bool:
        """Say whether it is time to exchange what was counted for what is new.

        True only if there is something, to one thread, and at most once a second.

        >>> local = Local(Breaker(Policy()))
        >>> local.accept(Shared(), now=1000, monotonic=0)
        >>> local.record(Outcome.FAILURE, 0.2, now=1, generation=0)
        >>> local.due(1), local.due(1)
        (True, False)
        """
        pause = EAGER if self._trouble else LAZY
        if 0 <= now - self._told_at < pause or 0 <= now - self._away_at < AWAY:
            return False
        with self._lock:
            if not self._rows or 0 <= now - self._told_at < pause:
                return False  # nothing to say, or another thread says it
            self._told_at = now
        return True

    def take(self, now: float) -> Delta:
        """Hand over what is not yet written; it may be nothing at all.

        >>> Local(Breaker(Policy())).take(0).window.rows
        {}
        """
        with self._lock:
            self._told_at = now
            delta = Delta(
                self._snapshot.verdict.generation,
                now,
                self._window(),
                self._streak,
                self._succeeded,
            )
            self._forget()
        return delta

    def accept(self, shared: Shared, now: float, monotonic: float) -> None:
        """Learn the shared state, read at ``now`` by the database's clock.

        >>> local = Local(Breaker(Policy()))
        >>> local.accept(Shared(mode=Mode.FORCED_OPEN), now=1000, monotonic=0)
        >>> local.check(1).answer.value
        'refused'
        """
        # ask the rules what a call would be told; that it would need a permit cannot
        # be remembered for the next one
        _, verdict = self._breaker.admit(shared, "?", now)
        good = FRESH
        if verdict.permit:
            good = 0.0
        elif verdict.answer is Answer.REFUSED:
            good = min(FRESH, verdict.wait)
        verdict = verdict._replace(generation=shared.generation, permit="")
        with self._lock:
            if shared.generation != self._snapshot.verdict.generation:
                self._forget()
            self._snapshot = _Snapshot(
                shared.mode,
                verdict,
                since=monotonic,
                until=monotonic + good,
                end=monotonic + verdict.wait,
            )
            self._away_at = float("-inf")

    def away(self, now: float) -> None:
        """Do without the database for a while: it did not answer.

        Until it does the worker judges by what it counted itself, by the same
        thresholds, and pauses for the first cool-down when they are breached.

        >>> local = Local(Breaker(Policy()))
        >>> local.away(0)
        >>> for second in range(5):
        ...     verdict = local.check(second)
        ...     local.record(Outcome.FAILURE, 0.2, second, verdict.generation)
        >>> local.check(4)
        Verdict(answer=<Answer.REFUSED: 'refused'>, generation=0, wait=30, permit='')
        """
        self._away_at = now

    def put_back(self, delta: Delta, now: float) -> None:
        """Keep what could not be written, and do without the database for a while.

        >>> local = Local(Breaker(Policy()))
        >>> local.record(Outcome.FAILURE, 0.2, now=0, generation=0)
        >>> local.put_back(local.take(1), now=1)
        >>> local.take(6).window.total(6)
        (1, 1, 0)
        """
        self.away(now)
        with self._lock:
            if delta.generation != self._snapshot.verdict.generation:
                return
            window = self._window().merge(delta.window, now)
            self._rows = {bucket: list(row) for bucket, row in window.rows.items()}
            if not self._succeeded:
                self._streak += delta.streak
            self._succeeded |= delta.succeeded

    def _alone(self, now: float) -> Verdict:
        snapshot, policy = self._snapshot, self._breaker.policy
        allowed = Verdict(Answer.ALLOWED, snapshot.verdict.generation)
        refused = allowed._replace(answer=Answer.REFUSED)
        if snapshot.mode is Mode.FORCED_OPEN:
            return refused._replace(wait=policy.cooldown)
        if snapshot.mode is not Mode.AUTO:
            return allowed
        if snapshot.since <= now < snapshot.end:
            return refused._replace(wait=snapshot.end - now)
        with self._lock:
            if self._breaker.breach(self._window(), self._streak, now):
                self._tripped_at = now
                self._forget()  # what comes after the pause is judged by itself
            end = self._tripped_at + policy.cooldown
            if self._tripped_at <= now < end:
                return refused._replace(wait=end - now)
        return allowed

    def _window(self) -> Window:
        rows = {bucket: tuple(row) for bucket, row in self._rows.items()}
        return replace(self._breaker.empty(), rows=rows)

    def _forget(self) -> None:
        self._rows = {}
        self._streak = 0
        self._succeeded = self._trouble = False
