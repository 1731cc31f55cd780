"""What can go wrong with an operation, by what Odoo is told."""

from __future__ import annotations


class Problem(Exception):
    """The operation failed.

    :param sentence: for people: what is wrong, and where there is a remedy, which

    >>> Problem("The disk is full.").code
    'failed'
    """

    code = "failed"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Away(Problem):
    """PostgreSQL is not there, or not there again yet."""

    code = "away"


class Refused(Problem):
    """It was not begun: asked of the wrong runner, or for what must not be."""

    code = "refused"


class Corrupt(Problem):
    """A backup is not what its manifest says."""

    code = "corrupt"


class Foreign(Corrupt):
    """A backup was signed with a key that this runner does not have."""

    code = "foreign_key"


class TooNew(Refused):
    """A backup was made by a later version than ours."""

    code = "too_new"


class Interrupted(Exception):
    """The work has to stop now; all it made is taken away."""


class Cancelled(Interrupted):
    """A person asked for it."""


class HandedBack(Interrupted):
    """The runner ends; the next one begins the work anew."""


class LostFence(Interrupted):
    """The row is no longer ours: nothing may be written to it."""
