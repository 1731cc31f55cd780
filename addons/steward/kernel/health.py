"""What the facts about a running system mean: well, limping, broken, or not known.

The rules alone; who gathers the facts is ``steward.status``. "Not known" is a state of
its own: it is never shown as well.
"""

from __future__ import annotations

from collections.abc import Iterable

OK = "ok"
DEGRADED = "degraded"  # works, but somebody should look
UNKNOWN = "unknown"  # cannot be told from here
FAILED = "failed"
STATUSES = (OK, UNKNOWN, DEGRADED, FAILED)  # from best to worst

# a runner says something to the database at least every 60 s (its SELECT_TIMEOUT)
RUNNER_SILENT = 180  # seconds
WAITS_LONG = 300  # seconds a job may be due before it counts as waiting long
DISK_LOW = 0.10  # share of the disk that is free
DISK_FULL = 0.02
MIB = 1024 * 1024
DISK_PLENTY = 20 * 1024 * MIB  # bytes; so much is enough, whatever share it is


def overall(statuses: Iterable[str]) -> str:
    """The whole is as bad as its worst part; what is not known makes it limp.

    >>> overall(["ok", "ok"]), overall(["ok", "unknown"])
    ('ok', 'degraded')
    >>> overall(["degraded", "failed", "ok"]), overall([])
    ('failed', 'degraded')
    """
    worst = max(statuses, key=STATUSES.index, default=UNKNOWN)
    return DEGRADED if worst == UNKNOWN else worst


def runner_state(standby: bool, connected: bool, silent_for: float | None) -> str:
    """Whether a job runner works on this database.

    :param standby: we look at a copy, where the locks of the primary cannot be seen
    :param connected: a living connection holds the runner's lock
    :param silent_for: seconds since that connection was last used, if we may see that

    >>> runner_state(False, True, 12), runner_state(False, True, None)
    ('alive', 'alive')
    >>> runner_state(False, True, 900), runner_state(False, False, None)
    ('silent', 'absent')
    >>> runner_state(True, False, None)
    'unknown'
    """
    if standby:
        return "unknown"
    if not connected:
        return "absent"
    if silent_for is not None and silent_for > RUNNER_SILENT:
        return "silent"
    return "alive"


def jobs_status(runner: str, waiting_for: float | None, running: int) -> str:
    """What the runner's state and the oldest due job mean together.

    :param runner: as `runner_state` says
    :param waiting_for: seconds that the oldest due job waits; None if none waits
    :param running: jobs at work now

    >>> jobs_status("alive", None, 0), jobs_status("alive", 5000, 2)
    ('ok', 'ok')
    >>> jobs_status("alive", 5000, 0)  # nothing runs, and still it waits
    'degraded'
    >>> jobs_status("absent", None, 0), jobs_status("absent", 5000, 0)
    ('degraded', 'failed')
    >>> jobs_status("silent", 10, 0), jobs_status("unknown", 10, 0)
    ('degraded', 'unknown')
    """
    late = waiting_for is not None and waiting_for > WAITS_LONG
    if runner == "unknown":
        return UNKNOWN
    if runner == "alive":
        return DEGRADED if late and not running else OK
    return FAILED if late else DEGRADED


def disk_status(free: int, total: int) -> str:
    """How full a disk is.

    >>> disk_status(50 * MIB, 10_000 * MIB), disk_status(900 * MIB, 10_000 * MIB)
    ('failed', 'degraded')
    >>> disk_status(5000 * MIB, 10_000 * MIB)
    'ok'
    >>> disk_status(30_000 * MIB, 10_000_000 * MIB)  # 0.3 %, but plenty
    'ok'
    """
    if free >= DISK_PLENTY:
        return OK
    share = free / total if total else 0.0
    if share < DISK_FULL:
        return FAILED
    return DEGRADED if share < DISK_LOW else OK
