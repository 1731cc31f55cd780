"""When a job that failed is tried again, by what its error means."""

from __future__ import annotations

import math
import random

from .backoff import Backoff

MAX_TRIES = 20  # of a job that was made without a limit of its own
LONGEST_WAIT = 24 * 3600  # seconds; whoever asks for more is not believed

# by what the error means, see exceptions.py
PATTERNS = {
    "locked": Backoff(base=2, cap=60),
    "busy": Backoff(base=10, cap=600),
    "limit": Backoff(base=30, cap=1800),
    "remote": Backoff(base=30, cap=3600),
}


def tries(wanted: int | None) -> int:
    """How often a job is tried at most: there is always an end.

    >>> tries(5), tries(0), tries(None), tries(1000)
    (5, 20, 20, 20)
    """
    return min(wanted or MAX_TRIES, MAX_TRIES)


def wait(kind: str, tried: int, asked: float | None, rng: random.Random) -> int:
    """Seconds until the next try.

    :param kind: a key of `PATTERNS`
    :param tried: how often it was tried so far, at least once
    :param asked: what the other side asked for; it knows better than the pattern

    >>> [wait("remote", tried, None, random.Random(7)) for tried in (1, 2, 3, 9)]
    [20, 40, 80, 2383]
    >>> 120 <= wait("limit", 1, 120, random.Random()) <= 133  # not all at once
    True
    >>> wait("limit", 1, 10**9, random.Random(7)) <= LONGEST_WAIT * 1.1 + 1
    True
    """
    if asked is None:
        seconds = PATTERNS[kind].equal(max(tried, 1) - 1, rng)
    else:
        asked = min(max(asked, 0.0), LONGEST_WAIT)
        seconds = asked + rng.uniform(0, asked / 10)
    return max(1, math.ceil(seconds))
