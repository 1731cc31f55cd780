"""Long work that the runner does: its states, and what can be said while it goes on."""

from datetime import datetime, timedelta

QUEUED, RUNNING = "queued", "running"
DONE, FAILED, CANCELLED, LOST = "done", "failed", "cancelled", "lost"
OPEN = (QUEUED, RUNNING)
ENDED = (DONE, FAILED, CANCELLED, LOST)
STATES = OPEN + ENDED

LEASE_GRACE = timedelta(seconds=60)  # after its end, before work counts as lost
RUNNER_SILENT = timedelta(seconds=60)  # it writes every 20 seconds, also when idle
CODE_VALID = timedelta(minutes=15)
CLOCK_SKEW = 30  # seconds between the runner's clock and the database's: worth a word


def is_silent(seen_at: datetime | None, now: datetime) -> bool:
    """Whether nothing was heard of a runner for too long.

    >>> now = datetime(2026, 3, 4, 10, 0)
    >>> is_silent(now - timedelta(seconds=30), now), is_silent(None, now)
    (False, True)
    """
    return seen_at is None or now - seen_at > RUNNER_SILENT


def is_lost(
    lease_until: datetime | None, seen_at: datetime | None, now: datetime
) -> bool:
    """Whether running work has nobody any more who does it.

    A lease that is over is not enough: a runner that lives takes its work up again.

    >>> now = datetime(2026, 3, 4, 10, 0)
    >>> over, long_ago = now - timedelta(minutes=2), now - timedelta(hours=1)
    >>> is_lost(over, long_ago, now), is_lost(over, now, now), is_lost(now, None, now)
    (True, False, False)
    """
    over = lease_until is None or now - lease_until > LEASE_GRACE
    return over and is_silent(seen_at, now)


def remaining(
    began: datetime | None, eta: datetime | None, progress: float, now: datetime
) -> float | None:
    """Seconds until the end, as far as can be told; None when it cannot.

    What the runner says itself counts; otherwise what is left takes as long as what is
    done did. A guess from less than a twentieth is none.

    >>> now = datetime(2026, 3, 4, 10, 0)
    >>> remaining(now - timedelta(seconds=30), None, 25, now)
    90.0
    >>> remaining(now, now + timedelta(seconds=7), 25, now)
    7.0
    >>> print(remaining(now - timedelta(hours=1), None, 2, now))
    None
    """
    if eta is not None:
        return max(0.0, (eta - now).total_seconds())
    if began is None or progress < 5:
        return None
    spent = max(0.0, (now - began).total_seconds())
    return spent * (100 - min(progress, 100.0)) / progress


def clock_skew(clock: str | None, seen_at: datetime | None) -> float | None:
    """Seconds by which the runner's clock is ahead of the database's; None: unknown.

    :param clock: its own time, ISO 8601, written together with ``seen_at``

    >>> clock_skew("2026-03-04T10:00:40Z", datetime(2026, 3, 4, 10, 0))
    40.0
    >>> print(clock_skew("soon", datetime(2026, 3, 4)), clock_skew(None, None))
    None None
    """
    if not clock or seen_at is None:
        return None
    try:
        told = datetime.fromisoformat(clock)
    except (TypeError, ValueError):
        return None
    offset = told.utcoffset() or timedelta()
    return (told.replace(tzinfo=None) - offset - seen_at).total_seconds()
