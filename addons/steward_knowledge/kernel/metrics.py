"""How good an answer of search is, told by numbers.

A case says which documents answer a question; any of them counts alike. Where the
right ones stand among the first ten decides:

>>> score = judge(["b", "a", "x"], {"a"})
>>> score.rank, score.reciprocal, round(score.ndcg, 2), score.recall
(2, 0.5, 0.63, 1.0)
>>> judge([], {"a"})
Score(rank=0, ndcg=0.0, reciprocal=0.0, recall=0.0, zero=True)

>>> both = summary([(1.0, score), (1.0, judge([], {"a"}))])
>>> both.cases, both.reciprocal, both.zero
(2, 0.25, 0.5)

Of no cases nothing is known, which is not zero:

>>> print(summary([]))
None
"""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

from odoo.addons.steward.kernel.statistics import Moments

DEPTH = 10  # places that people look at
ENOUGH = 20  # cases; with fewer, one question more or less decides
SURE = 1.96  # standard errors: 95 % of chance lies within

Verdict = Literal["better", "worse", "same", "unknown"]


class Score(NamedTuple):
    """How one question was answered."""

    rank: int  # of the first right document; 0: none among the first
    ndcg: float
    reciprocal: float
    recall: float
    zero: bool  # nothing was found at all


class Summary(NamedTuple):
    """How all of them were, each by its weight."""

    cases: int
    ndcg: float
    reciprocal: float
    recall: float
    zero: float


class Difference(NamedTuple):
    """What became of the answers: by how much, and how far chance reaches."""

    value: float
    margin: float
    cases: int


def judge(
    found: Sequence[object], right: Collection[object], depth: int = DEPTH
) -> Score:
    """Score one answer.

    :param found: documents, best first; one that is there twice counts at its best
    :param right: documents that answer the question, at least one

    >>> judge(["a", "a", "b"], {"b"}).rank
    2
    >>> judge(["x"] * 3 + list("abcdefghi") + ["right"], {"right"})
    Score(rank=0, ndcg=0.0, reciprocal=0.0, recall=0.0, zero=False)

    All right ones in front are a perfect answer, and more than fit need not be there:

    >>> judge(range(20), set(range(15)))[:4]
    (1, 1.0, 1.0, 1.0)
    """
    if not right:
        raise ValueError("a question without a right answer says nothing")
    right = set(right)
    first = list(dict.fromkeys(found))[:depth]
    ranks = [rank for rank, one in enumerate(first, 1) if one in right]
    possible = min(len(right), depth)
    ideal = sum(_gain(rank) for rank in range(1, possible + 1))
    return Score(
        rank=ranks[0] if ranks else 0,
        ndcg=sum(_gain(rank) for rank in ranks) / ideal,
        reciprocal=1 / ranks[0] if ranks else 0.0,
        recall=len(ranks) / possible,
        zero=not first,
    )


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def summary(scores: Iterable[tuple[float, Score]]) -> Summary | None:
    """Return the mean of scores by weight; None when nothing weighs anything.

    >>> good, bad = judge("a", "a"), judge("b", "a")
    >>> summary([(3, good), (1, bad)]).ndcg
    0.75
    """
    weighed = [(weight, score) for weight, score in scores if weight > 0]
    total = math.fsum(weight for weight, _score in weighed)
    if not total:
        return None

    def mean(name: str) -> float:
        return math.fsum(w * getattr(score, name) for w, score in weighed) / total

    return Summary(
        len(weighed), mean("ndcg"), mean("reciprocal"), mean("recall"), mean("zero")
    )


def difference(pairs: Iterable[tuple[float, float]]) -> Difference | None:
    """Compare numbers of the same questions, before and after.

    >>> change = difference([(0.5, 0.6), (1.0, 1.0), (0.2, 0.4)])
    >>> f"{change.value:+.2f} ± {change.margin:.2f}"
    '+0.10 ± 0.11'
    >>> print(difference([]))
    None
    """
    moments = Moments.of(after - before for before, after in pairs)
    if not moments.count:
        return None
    margin = math.inf
    if moments.variance is not None:
        margin = SURE * math.sqrt(moments.variance / moments.count)
    return Difference(moments.mean, margin, moments.count)


def verdict(change: Difference | None) -> Verdict:
    """Say in a word what a difference means; too few cases say nothing.

    >>> verdict(Difference(0.10, 0.02, 100)), verdict(Difference(0.01, 0.02, 100))
    ('better', 'same')
    >>> verdict(Difference(-0.10, 0.02, 100)), verdict(Difference(-0.5, 0.1, 19))
    ('worse', 'unknown')
    """
    if change is None or change.cases < ENOUGH:
        return "unknown"
    if abs(change.value) <= change.margin or not change.value:
        return "same"
    return "better" if change.value > 0 else "worse"


def worsens(before: float, after: float, cases: int, most: float) -> bool:
    """Whether a change costs more than allowed, as far as that can be told.

    >>> worsens(0.70, 0.67, 100, most=0.02), worsens(0.70, 0.69, 100, most=0.02)
    (True, False)
    >>> worsens(0.70, 0.10, 19, most=0.02)  # too few cases to tell
    False
    """
    return cases >= ENOUGH and before - after > most + 1e-9
