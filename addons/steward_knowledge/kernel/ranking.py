"""How well a passage and its page fit a question: words, vectors, and both together.

BM25F (Robertson, Zaragoza, Taylor 2004): a word in the title counts thrice, in a
heading twice; the more often it stands there, the less another one adds; the rarer it
is, the more it counts. Scores of different kinds are brought to 0..1 each and added
(relative-score fusion): unlike ranks, they keep how much better the best is.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

TITLE, HEADING, TEXT = 3, 2, 1  # what one occurrence counts
SATURATION = 1.2  # k1 of a passage
PAGE_SATURATION = 1.6  # and of a page
LENGTH = 0.75  # b: how much a long text is held against it
POOL = (1.0, 0.5, 0.25)  # what a page's best passages count
PAGE_SHARE = 0.5  # of the words' score: how the page fits, not its best passage
MEAN_SHARE = 0.4  # of the vectors' score: how near the whole page is


def rater(
    length: float, average: float, saturation: float = SATURATION
) -> Callable[[float], float]:
    """Return what so many occurrences of a word count in a text of such a length.

    >>> rate = rater(100, 100)
    >>> rate(1), round(rate(9), 2)
    (1.0, 1.94)
    """
    norm = saturation * (1 - LENGTH + LENGTH * length / max(average, 1.0))

    @cache
    def rate(count: float) -> float:
        return round(count * (saturation + 1) / (count + norm), 4)

    return rate


def rarity(holding: int, texts: int) -> float:
    """Return what a word counts that so many of the texts hold.

    >>> round(rarity(1, 1000), 2), round(rarity(900, 1000), 2)
    (6.5, 0.11)
    """
    holding = min(max(holding, 0), texts)
    return math.log(1 + (texts - holding + 0.5) / (holding + 0.5))


def pooled(scores: Iterable[float]) -> float:
    """Return what several passages of a page count together.

    >>> pooled([0.2, 0.8, 0.4, 0.4])
    1.1
    """
    best = sorted(scores, reverse=True)[: len(POOL)]
    return sum(s * w for s, w in zip(best, POOL, strict=False))


def relative(
    scores: Mapping[int, float], floor: float | None = None
) -> dict[int, float]:
    """Bring scores to 0..1 between the worst (or a floor) and the best.

    >>> relative({1: 4.0, 2: 3.0, 3: 2.0})
    {1: 1.0, 2: 0.5, 3: 0.0}
    >>> relative({1: 4.0}), relative({1: 0.0}, floor=0.0), relative({})
    ({1: 1.0}, {1: 0.0}, {})
    """
    if not scores:
        return {}
    high = max(scores.values())
    low = min(scores.values()) if floor is None else floor
    if high <= low:
        return dict.fromkeys(scores, float(high > 0))
    return {key: max(0.0, (s - low) / (high - low)) for key, s in scores.items()}


class Scores(NamedTuple):
    """A page's, before anything was made relative."""

    words: float  # of its best passage
    page_words: float
    vectors: Sequence[float]  # cosines of its passages; empty without vectors


def fuse(
    pages: Mapping[int, Scores], words: float = 0.5, vectors: float = 0.5
) -> dict[int, float]:
    """Return one score for each page, between 0 and 1.

    :param words: weight of what words say
    :param vectors: weight of what vectors say; nobody has any: words alone count

    >>> fuse({1: Scores(8, 9, []), 2: Scores(4, 0, [])})
    {1: 1.0, 2: 0.25}
    """
    best = relative({page: s.words for page, s in pages.items()}, floor=0.0)
    whole = relative({page: s.page_words for page, s in pages.items()}, floor=0.0)
    near = relative({p: pooled(s.vectors) for p, s in pages.items() if s.vectors})
    mean = relative(
        {p: sum(s.vectors) / len(s.vectors) for p, s in pages.items() if s.vectors}
    )
    if not near:
        vectors = 0.0
    elif not any(best.values()):
        words = 0.0
    total = words + vectors or 1.0
    return {
        page: (
            words * ((1 - PAGE_SHARE) * best[page] + PAGE_SHARE * whole[page])
            + vectors
            * (
                (1 - MEAN_SHARE) * near.get(page, 0.0)
                + MEAN_SHARE * mean.get(page, 0.0)
            )
        )
        / total
        for page in pages
    }


def freshness(days: float, boost: float, half_life: float) -> float:
    """Return by what factor a page counts that is so old.

    >>> freshness(0, 0.2, 365), freshness(365, 0.2, 365), freshness(9e9, 0.2, 365)
    (1.2, 1.1, 1.0)
    """
    return 1 + boost * math.exp2(-max(days, 0.0) / half_life)


def merged(spans: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Join spans that touch or overlap, in their order.

    >>> merged([(5, 9), (0, 3), (8, 12)])
    [[0, 3], [5, 12]]
    """
    found: list[list[int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1][1] = max(end, found[-1][1])
        else:
            found.append([start, end])
    return found
