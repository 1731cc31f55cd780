"""How long to wait before trying again.

A failed call is repeated later and later (exponential), never later than a cap, and
never by everybody at the same moment (jitter): a thousand clients that fail together
and return together knock the provider down again. See "Exponential Backoff And
Jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
When the provider itself says when to come back (`retry_after`), it knows better.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

# RFC 9110 asks for whole seconds; some providers send "0.5"
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow from ``base`` by ``factor`` an attempt, up to ``cap`` seconds.

    Attempts are numbered from 0, the first repetition.

    >>> backoff = Backoff(base=1, cap=60)
    >>> [backoff.ceiling(attempt) for attempt in range(8)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60, 60]
    >>> rng = random.Random(7)
    >>> [round(backoff.full(attempt, rng), 2) for attempt in range(4)]
    [0.32, 0.3, 2.6, 0.58]
    >>> [round(backoff.equal(attempt, rng), 2) for attempt in range(4)]
    [0.77, 1.37, 2.12, 6.03]
    """

    base: float  # seconds
    cap: float  # seconds
    factor: float = 2.0

    def ceiling(self, attempt: int) -> float:
        """Seconds to wait before repetition ``attempt``, without jitter.

        Any number of attempts is fine: it never overflows.

        >>> Backoff(base=30, cap=600).ceiling(10**6)
        600
        """
        try:
            return min(self.base * self.factor**attempt, self.cap)
        except OverflowError:
            return self.cap

    def full(self, attempt: int, rng: random.Random) -> float:
        """Between nothing and the ceiling: spreads a crowd best; the usual choice.

        >>> 0 <= Backoff(base=1, cap=60).full(3, random.Random()) <= 8
        True
        """
        return rng.uniform(0, self.ceiling(attempt))

    def equal(self, attempt: int, rng: random.Random) -> float:
        """Between half the ceiling and the ceiling: for who must not return at once.

        >>> 4 <= Backoff(base=1, cap=60).equal(3, random.Random()) <= 8
        True
        """
        ceiling = self.ceiling(attempt)
        return rng.uniform(ceiling / 2, ceiling)


def retry_after(value: str | None, now: float, cap: float) -> float | None:
    """Seconds to wait as a ``Retry-After`` header asks for; None if it says nothing.

    ``now`` is in seconds since the epoch, for the header that names a date. More than
    ``cap`` seconds is more than we believe anybody; a date in the past means now.

    >>> retry_after("120", now=0, cap=600)
    120.0
    >>> retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now=1445412470, cap=600)
    10.0
    >>> retry_after("31536000", now=0, cap=600)  # a year
    600
    >>> retry_after("soon", now=0, cap=600), retry_after(None, now=0, cap=600)
    (None, None)
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), cap)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a second of ten digits
        return None
    # an HTTP date is always GMT, also in the asctime form that does not say so
    moment = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now, 0.0), cap)
