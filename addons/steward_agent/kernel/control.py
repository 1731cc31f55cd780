"""The states of a run, and who may bring it from one to another.

>>> can("running", "paused")
True
>>> can("completed", "running")  # what has ended, has ended
False
"""

from typing import Final

STATES: Final = [
    ("queued", "Queued"),
    ("admitted", "Admitted"),
    ("running", "Running"),
    ("waiting", "Waiting"),
    ("paused", "Paused"),
    ("completed", "Completed"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
    ("terminated", "Terminated"),
    ("timed_out", "Timed out"),
    ("lost", "Lost"),
]
VERDICTS: Final = [("approved", "Approved"), ("rejected", "Rejected")]

ENDED: Final = frozenset(
    {"completed", "failed", "cancelled", "terminated", "timed_out", "lost"}
)
_NEXT: Final[dict[str, frozenset[str]]] = {
    "queued": frozenset({"admitted", "paused", "cancelled", "terminated", "failed"}),
    "admitted": frozenset({"running", "queued", "paused", "terminated", "failed"}),
    "running": frozenset({"waiting", "queued", "paused", "lost"}) | ENDED,
    "waiting": frozenset({"queued", "paused", "lost"}) | ENDED,
    "paused": frozenset({"queued", "terminated", "cancelled", "timed_out"}),
    # a lost run may turn out to be alive, and a late report tells how it ended
    "lost": frozenset({"queued", "running"}) | ENDED,
}


def can(state: str, then: str) -> bool:
    """Whether a run may go from one state to another."""
    return then in _NEXT.get(state, frozenset())
