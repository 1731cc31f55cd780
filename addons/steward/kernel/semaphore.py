"""At most so many at once, although holders may die: a semaphore made of leases.

A counter that is raised and lowered leaks a place whenever a worker is killed between
the two. Here each place is a lease with an expiry: the living renew theirs, the dead
lose theirs one TTL later, and nobody has to notice the death. The leases are plain JSON
in one row; lock the row, apply one method, write the result back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from .windows import is_number


class Lease(NamedTuple):
    """Who holds a place, and until when (seconds since the epoch)."""

    holder: str
    expires: float


@dataclass(frozen=True, slots=True)
class Semaphore:
    """The places taken: lease id -> `Lease`; a value, never changed.

    ``bound`` and ``ttl`` are the rule, in force from the next method on; only the
    leases are state. If the bound is lowered, nobody is thrown out: no one is let in
    until there is room again.

    >>> free = Semaphore(bound=1, ttl=30)
    >>> taken, granted = free.acquire("run-1", "worker A", now=100)
    >>> granted
    True
    >>> taken.acquire("run-2", "worker B", now=110)[1]
    False

    Worker A is killed. Its place is free again 30 s after its last sign of life, and
    if it was only asleep, it is told that it has lost the place:

    >>> retaken, granted = taken.acquire("run-2", "worker B", now=130)
    >>> granted, retaken.renew("run-1", now=131)[1]
    (True, False)
    """

    bound: int  # places
    ttl: float  # seconds a lease lasts unless renewed
    leases: Mapping[str, Lease] = field(default_factory=dict)

    def acquire(self, lease: str, holder: str, now: float) -> tuple[Semaphore, bool]:
        """Take a place, and say whether there was one.

        ``lease`` is an id of the caller's choice, unique to this piece of work: asking
        again with it (an answer got lost) renews the place instead of taking another.

        >>> semaphore, _ = Semaphore(bound=2, ttl=30).acquire("x", "A", now=0)
        >>> semaphore, granted = semaphore.acquire("x", "A", now=10)
        >>> granted, semaphore.leases
        (True, {'x': Lease(holder='A', expires=40)})
        """
        alive = self.expire(now)
        if lease not in alive.leases and len(alive.leases) >= self.bound:
            return alive, False
        return alive._granted(lease, holder, now), True

    def renew(self, lease: str, now: float) -> tuple[Semaphore, bool]:
        """Keep a place for another TTL, and say whether it was still held.

        >>> semaphore, _ = Semaphore(bound=1, ttl=30).acquire("x", "A", now=0)
        >>> semaphore, held = semaphore.renew("x", now=20)
        >>> held, semaphore.renew("x", now=49)[1], semaphore.renew("x", now=50)[1]
        (True, True, False)
        """
        alive = self.expire(now)
        if lease not in alive.leases:
            return alive, False
        return alive._granted(lease, alive.leases[lease].holder, now), True

    def release(self, lease: str) -> Semaphore:
        """Give a place back; one that is no longer held changes nothing.

        >>> semaphore, _ = Semaphore(bound=1, ttl=30).acquire("x", "A", now=0)
        >>> semaphore.release("x").release("x").leases
        {}
        """
        kept = {key: value for key, value in self.leases.items() if key != lease}
        return replace(self, leases=kept)

    def expire(self, now: float) -> Semaphore:
        """Free the places of those who did not renew in time.

        No lease ends later than one TTL from now: after the clock stepped back, the
        dead would otherwise keep their places for as long as the step was wide.

        >>> semaphore, _ = Semaphore(bound=1, ttl=30).acquire("x", "A", now=7200)
        >>> semaphore.expire(7230).leases
        {}
        >>> semaphore.expire(3600).leases
        {'x': Lease(holder='A', expires=3630)}
        """
        kept = {
            key: lease._replace(expires=min(lease.expires, now + self.ttl))
            for key, lease in self.leases.items()
            if lease.expires > now
        }
        return replace(self, leases=kept)

    def to_json(self) -> dict[str, Any]:
        """Say the leases in plain JSON, for a ``jsonb`` column.

        >>> semaphore, _ = Semaphore(bound=1, ttl=30).acquire("x", "A", now=0)
        >>> semaphore.to_json()
        {'x': ['A', 30]}
        >>> Semaphore.from_json(semaphore.to_json(), bound=1, ttl=30) == semaphore
        True
        """
        return {key: list(lease) for key, lease in self.leases.items()}

    @classmethod
    def from_json(cls, data: Any, bound: int, ttl: float) -> Semaphore:
        """Read what `to_json` said; leases that cannot be read are not held.

        >>> Semaphore.from_json({"x": ["A", 30], "y": 5}, bound=2, ttl=30).leases
        {'x': Lease(holder='A', expires=30)}
        >>> Semaphore.from_json(None, bound=2, ttl=30).leases
        {}
        """
        leases = {}
        for key, value in data.items() if isinstance(data, dict) else ():
            match value:
                case [str(holder), expires] if is_number(expires):
                    leases[key] = Lease(holder, expires)
        return cls(bound, ttl, leases)

    def _granted(self, lease: str, holder: str, now: float) -> Semaphore:
        granted = Lease(holder, now + self.ttl)
        return replace(self, leases={**self.leases, lease: granted})
