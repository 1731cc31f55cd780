"""The states of a run, and what becomes of a person's wish.

A run has two states: the one it is in, which only its executor changes, and the one
that somebody wants. Whoever works at a run looks at the wish between two steps.

>>> wish("running", Wish.PAUSE, at_work=True)
Wanted(state=None, desired='paused')
>>> wish("queued", Wish.PAUSE, at_work=False)  # nobody to tell: it is so at once
Wanted(state='paused', desired=None)
>>> wish("paused", Wish.RESUME, at_work=False)
Wanted(state='queued', desired=None)
>>> wish("waiting", Wish.RESUME, at_work=False)  # it goes on already
Wanted(state=None, desired=None)
>>> wish("terminated", Wish.TERMINATE, at_work=False)  # twice the same: nothing to do
Wanted(state=None, desired=None)
"""

from enum import StrEnum
from typing import Final, NamedTuple

STATES: Final = [
    ("queued", "Queued"),
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
DESIRED: Final = [
    ("running", "Go on"),
    ("paused", "Pause"),
    ("terminated", "Stop"),
]

ENDED: Final = frozenset(
    {"completed", "failed", "cancelled", "terminated", "timed_out", "lost"}
)
_NEXT: Final[dict[str, frozenset[str]]] = {
    "queued": frozenset({"running", "paused"}) | ENDED,
    "running": frozenset({"queued", "waiting", "paused"}) | ENDED,
    "waiting": frozenset({"queued", "running", "paused"}) | ENDED,
    "paused": frozenset({"queued", "running", "waiting"}) | ENDED,
    # a late report may tell how it really ended
    "lost": frozenset({"queued", "running"}) | ENDED,
}


def can(state: str, then: str) -> bool:
    """Whether a run may go from one state to another.

    >>> can("running", "paused"), can("lost", "completed")
    (True, True)
    >>> can("completed", "running")  # what has ended, has ended
    False
    """
    return state != then and then in _NEXT.get(state, frozenset())


class Wish(StrEnum):
    """What a person can ask of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    TERMINATE = "terminate"


class Wanted(NamedTuple):
    """What a wish leads to.

    :param state: the state the run goes to at once; None: it stays
    :param desired: what whoever works at it shall read; None: nothing
    """

    state: str | None
    desired: str | None


class Ended(ValueError):
    """The run is over; nobody can ask anything of it."""


def wish(state: str, asked: Wish, at_work: bool) -> Wanted:
    """Decide what a wish does.

    :param at_work: whether somebody works at the run and has to be told: a worker of
        ours between two steps, or an agent elsewhere with its next report
    :raises Ended: when it is too late
    """
    wanted = {Wish.PAUSE: "paused", Wish.RESUME: "running"}.get(asked, "terminated")
    if state == wanted:
        return Wanted(None, None)
    if state in ENDED and not (state == "lost" and asked is Wish.TERMINATE):
        raise Ended(state)
    if asked is Wish.RESUME:
        if state == "paused":
            return Wanted(None, "running") if at_work else Wanted("queued", None)
        return Wanted(None, None)  # it goes on already
    return Wanted(None, wanted) if at_work else Wanted(wanted, None)
