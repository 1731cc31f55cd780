"""With and without: whether what agents are told does them good.

A stable share of the runs that a skill fits goes without it. What the two arms show is
a result only when enough of both have ended, over some days, in the shares that were
meant; until then it is a number on its way. See "A/B" in ``semantics.md``.

>>> told = Arm(300, 285, cost=Moments.of([0.02] * 150 + [0.03] * 150))
>>> untold = Arm(100, 70, cost=Moments.of([0.02] * 50 + [0.03] * 50))
>>> result = compare(told, untold, share=0.25, days=9)
>>> result.verdict, round(result.effect, 2)
('helps', 0.25)
>>> compare(told, untold, share=0.25, days=1).verdict
'early'
"""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from odoo.addons.steward.kernel.statistics import (
    Interval,
    Moments,
    difference,
    sample_ratio,
    sequential_interval,
    wilson,
)

LEAST: Final = 100  # runs of each arm
EVENTS: Final = 5  # runs of each arm that went well, and of both that did not
DAYS: Final = 3

Verdict = Literal["helps", "harms", "same", "early", "uneven"]
VERDICTS: Final = [
    ("helps", "It helps"),
    ("harms", "It does harm"),
    ("same", "No difference seen"),
    ("early", "Too early to tell"),
    ("uneven", "Runs are missing: no result"),
]


@dataclass
class Arm:
    """The runs that ended in one arm.

    :param good: those that went well
    """

    runs: int = 0
    good: int = 0
    cost: Moments = field(default_factory=Moments)
    steps: Moments = field(default_factory=Moments)
    seconds: Moments = field(default_factory=Moments)

    @property
    def success(self) -> float | None:
        """The share that went well; of no runs nobody knows it."""
        return self.good / self.runs if self.runs else None


class Result(NamedTuple):
    """What a trial shows.

    :param effect: how much larger the share that went well is with it
    :param interval: what the true effect lies within, at whatever time one looks
    """

    verdict: Verdict
    effect: float | None
    interval: Interval | None


def compare(told: Arm, untold: Arm, share: float, days: float) -> Result:
    """Compare the arms; the interval holds however often one looks.

    :param share: of the runs that go without, as it was set
    :param days: since the first of them
    """
    effect = None
    if told.success is not None and untold.success is not None:
        effect = told.success - untold.success
    if sample_ratio([told.runs, untold.runs], [1 - share, share]).verdict == "mismatch":
        return Result("uneven", effect, None)
    arms = told, untold
    enough = all(arm.runs >= LEAST for arm in arms) and days >= DAYS
    bad = sum(arm.runs - arm.good for arm in arms)
    if not enough or min(bad, *(arm.good for arm in arms)) < EVENTS:
        return Result("early", effect, None)
    with_, without = (Moments.of_binary(arm.good, arm.runs).estimate() for arm in arms)
    interval = sequential_interval(difference(with_, without, minimum=LEAST))
    if interval is None:
        return Result("early", effect, None)
    if interval.low > 0:
        return Result("helps", effect, interval)
    return Result("harms" if interval.high < 0 else "same", effect, interval)


def confidence(good: int, runs: int, approved: int = 0) -> float:
    """How far a skill can be relied upon: what it surely reaches, from 0 to 1.

    It begins in the middle, and grows with runs that went well; those that it was
    learnt from count too, as people approved them.

    >>> confidence(0, 0), round(confidence(30, 30, 3), 2), round(confidence(2, 10), 2)
    (0.5, 0.9, 0.06)
    """
    interval = wilson(good + approved, runs + approved)
    if interval is None:
        return 0.5
    # few runs say little, so they move it little
    weight = min(1.0, (runs + approved) / 10)
    return 0.5 * (1 - weight) + interval.low * weight
