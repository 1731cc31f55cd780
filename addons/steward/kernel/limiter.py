"""A rate limit that all workers share: a token bucket, leased in slices.

A provider allows so many calls (or tokens of text) a minute to the whole company. One
row in the database counts them exactly, but asking it before each call would cost more
than many a call. So a worker takes a slice of about a second's worth, as much as it
used lately, and spends it without any I/O.

- `Bucket` is the truth, in that row; lock it, apply `Bucket.take`, write it back. Its
  clock is the database's.
- `Local` is what one worker process holds. Its clock is ``time.monotonic``.

A limited call, from the side of the record that owns the row::

    while (wait := local.acquire(1, monotonic())) != 0:
        if wait is not None:
            sleep(wait)          # or raise, or put the job off for so long
            continue
        request = local.ask(1, monotonic())
        try:
            ...                  # lock and read the row: bucket, and now
            bucket, grant = bucket.take(request, limit, now)
            ...                  # write the row
        except DatabaseError:    # away, or the lock was not to be had
            local.put_back(request, monotonic())
        else:
            local.accept(request, grant, monotonic())

A token is given out once, so that what the workers spend together is never more than
the bucket earned. What a worker does not need any more goes back when it next asks; a
slice that is `LEASE` seconds old is lost. For so long a burst may exceed the bucket, by
the slices that are out; a slice is never more than `HORIZON` seconds' worth of the
whole limit. At a call a minute this means: no slices, each token is fetched by itself.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

from .windows import is_number

HORIZON = 1.0  # seconds of its own demand that a worker asks for
LEASE = 2.0  # seconds in which a slice must be spent
PATIENCE = 0.25  # seconds before a worker that emptied the bucket asks again
AWAY = 1.0  # seconds before a database that did not answer is asked again
BLINK = 1e-6  # seconds; less than this is an error of rounding, not a wait


@dataclass(frozen=True, slots=True)
class Limit:
    """``rate`` tokens per ``per`` seconds, of which ``burst`` may be saved up.

    A rate per minute is said as such: 1 / 60 a second would be rounded.

    >>> Limit(rate=1, burst=1, per=60).interval
    60.0
    """

    rate: float  # tokens
    burst: float  # tokens; how many a full bucket holds
    per: float = 1  # seconds

    @property
    def interval(self) -> float:
        """Seconds in which one token is earned.

        >>> Limit(rate=50, burst=100).interval
        0.02
        """
        return self.per / self.rate


class Request(NamedTuple):
    """What a worker asks for, and what it gives back."""

    need: float  # tokens, without which it cannot go on
    want: float  # tokens it will use soon: a multiple of the need
    surplus: float = 0.0  # tokens it holds and returns
    expires: float = 0.0  # when it would have lost them, by its own clock


class Grant(NamedTuple):
    """What a worker gets: at least all it needs, or else nothing but a time to wait."""

    tokens: float
    wait: float  # seconds until there will be what it needs


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket told by one number: the moment at which it will be full.

    Nothing is added up as time goes by, hence nothing drifts, however low the rate.
    (So does the generic cell rate algorithm of ITU-T I.371.)

    >>> limit = Limit(rate=1, burst=1, per=60)
    >>> bucket, grant = Bucket().take(Request(need=1, want=1), limit, now=1000)
    >>> grant
    Grant(tokens=1, wait=0.0)
    >>> bucket, grant = bucket.take(Request(need=1, want=1), limit, now=1020)
    >>> grant
    Grant(tokens=0.0, wait=40.0)
    >>> bucket.take(Request(need=1, want=1), limit, now=1060)[1].tokens
    1
    """

    full_at: float = 0.0  # seconds since the epoch

    def take(self, request: Request, limit: Limit, now: float) -> tuple[Bucket, Grant]:
        """Give what is wanted, or what there is of it if that meets the need.

        >>> limit = Limit(rate=10, burst=10)
        >>> bucket, grant = Bucket().take(Request(need=1, want=8), limit, now=1000)
        >>> grant.tokens
        8
        >>> bucket, grant = bucket.take(Request(need=1, want=8), limit, now=1000)
        >>> grant.tokens
        2.0

        A clock that steps back finds an empty bucket at worst, not one that stays
        empty for as long as the step was wide:

        >>> bucket.take(Request(need=1, want=1), limit, now=1000 - 3600)[1].wait
        0.1
        """
        interval = limit.interval
        capacity = limit.burst * interval  # seconds it takes to fill
        # neither fuller than full (after a return or a pause), nor emptier than empty
        full_at = self.full_at - request.surplus * interval
        full_at = min(max(full_at, now), now + capacity)
        earned = now + capacity - full_at  # seconds' worth of tokens that are there
        if request.need * interval > earned + BLINK:
            return Bucket(full_at), Grant(0.0, request.need * interval - earned)
        tokens = request.want
        if tokens * interval > earned + BLINK:
            tokens = request.need * ((earned + BLINK) // (request.need * interval))
        return Bucket(full_at + tokens * interval), Grant(tokens, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Say it in plain JSON, for a ``jsonb`` column.

        >>> Bucket.from_json(Bucket(1030.5).to_json())
        Bucket(full_at=1030.5)
        """
        return {"full_at": self.full_at}

    @classmethod
    def from_json(cls, data: Any) -> Bucket:
        """Read what `to_json` said; anything else is a full bucket.

        >>> Bucket.from_json({"full_at": "?"}) == Bucket.from_json(None) == Bucket()
        True
        """
        full_at = data.get("full_at") if isinstance(data, dict) else None
        return cls(full_at) if is_number(full_at) else cls()


class Local:
    """The slice of one worker process. It never does any I/O; threads may share it.

    >>> local = Local(Limit(rate=10, burst=10))
    >>> local.acquire(1, now=0)  # None: it must ask
    >>> request = local.ask(1, now=0)
    >>> bucket, grant = Bucket().take(request._replace(want=3), local.limit, now=1000)
    >>> local.accept(request, grant, now=0)
    >>> [local.acquire(1, now=0.5) for _ in range(4)]
    [0.0, 0.0, 0.0, None]
    """

    def __init__(self, limit: Limit, rng: random.Random | None = None) -> None:
        self.limit = limit
        self._rng = rng or random.Random()
        self._lock = threading.Lock()
        self._tokens = 0.0
        self._expires = float("-inf")
        self._demand = 0.0  # tokens asked of us since we last asked
        self._asked_at = float("-inf")
        # who needs so many has no reason to ask before then
        self._need = 0.0
        self._since = self._until = float("-inf")

    def acquire(self, n: float, now: float) -> float | None:
        """Spend ``n`` tokens: 0.0 if done, else seconds to wait, or None: ask first.

        >>> local = Local(Limit(rate=1, burst=1, per=60))
        >>> local.acquire(1, now=0)
        >>> local.accept(local.ask(1, now=0), Grant(tokens=0.0, wait=40.0), now=0)
        >>> local.acquire(1, now=10)
        30.0
        >>> local.acquire(2, now=10)
        Traceback (most recent call last):
        ValueError: 2 tokens will never be there at once: the burst is 1
        """
        if n > self.limit.burst:
            raise ValueError(
                f"{n} tokens will never be there at once: "
                f"the burst is {self.limit.burst}"
            )
        with self._lock:
            if n <= self._left(now):
                self._tokens -= n
                self._demand += n
                return 0.0
            if n >= self._need and self._since <= now < self._until:
                self._demand += n
                return self._until - now
        return None

    def ask(self, n: float, now: float) -> Request:
        """Say what to ask of the bucket for somebody who needs ``n`` tokens.

        That is what was asked of us in the last second. A worker that has just woken
        up has no last second: it doubles what it got, until it has enough.

        >>> local = Local(Limit(rate=100, burst=100))
        >>> local.ask(1, now=0)
        Request(need=1, want=1, surplus=0.0, expires=-inf)
        >>> local.accept(Request(1, 40), Grant(40, 0.0), now=0)
        >>> [local.acquire(1, now=second / 20) for second in range(30)].count(0.0)
        30
        >>> local.ask(2, now=1.5)
        Request(need=2, want=20.0, surplus=10.0, expires=2.0)
        """
        with self._lock:
            elapsed = now - self._asked_at
            growth = HORIZON / elapsed if elapsed > HORIZON / 2 else 2
            useful = min(
                self._demand * growth,
                HORIZON / self.limit.interval,
                self.limit.burst,
            )
            request = Request(
                n, n * max(1, useful // n), self._left(now), self._expires
            )
            self._tokens = self._demand = 0.0
            self._asked_at = now
        return request

    def accept(self, request: Request, grant: Grant, now: float) -> None:
        """Take the slice.

        Who got less than it wanted has emptied the bucket, and does not come back for
        each drop: it lets some gather, but not so many that a small bucket overflows.
        Not always for the same time, or one worker might always come just before
        another and leave it nothing.

        >>> local = Local(Limit(rate=100, burst=100))
        >>> local.accept(Request(1, 40), Grant(tokens=1, wait=0.0), now=0)
        >>> local.acquire(1, now=0)
        0.0
        >>> PATIENCE / 2 <= local.acquire(1, now=0) <= PATIENCE
        True
        """
        pause = 0.0
        if grant.tokens < request.want:
            fill = request.want * self.limit.interval  # at most the whole bucket
            pause = min(fill, PATIENCE) * self._rng.uniform(0.5, 1)
        with self._lock:
            self._tokens += grant.tokens
            self._expires = now + LEASE
            self._need = 0.0 if grant.tokens else request.need
            self._since, self._until = now, now + max(grant.wait, pause)

    def put_back(self, request: Request, now: float) -> None:
        """Keep what could not be returned, and let the database rest for a while.

        >>> local = Local(Limit(rate=100, burst=100))
        >>> local.put_back(local.ask(1, now=0), now=0)
        >>> local.acquire(1, now=0.25)
        0.75
        """
        with self._lock:
            self._tokens += request.surplus
            self._expires = request.expires
            self._need = 0.0
            self._since, self._until = now, now + AWAY

    def _left(self, now: float) -> float:
        """Tokens that can still be spent; a lease too long is of another time."""
        return self._tokens if 0 < self._expires - now <= LEASE else 0.0
