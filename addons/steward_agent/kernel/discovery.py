"""Who can do a task: descriptions, ranked by the words and meaning they share with it.

>>> texts = ["Tidies partner data: names, addresses", "Chases unpaid invoices"]
>>> [place for place, _score in rank("clean up the addresses of partners", texts)]
[0]
>>> rank("weather", texts)
[]
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

LEAST: Final = 0.15  # a score below this is chance
OF_BEST: Final = 0.4  # share of the best score that others need

_WORD = re.compile(r"[^\W_]+")
# what stands in most tasks and says nothing of them
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        a an and are as at be by can do does each every for from has have how i if in
        into is it its me my no not of on or our so some that the their them then there
        these they this to up us was we what when where which who why will with you your
        """,
    )
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ers", "ed", "es", "er", "s", "y")
_STEM: Final = 3  # letters that stay at least


def stems(text: str) -> list[str]:
    """The words of a text that say something, without their endings.

    >>> stems("Partners and their invoices, tidied")
    ['partn', 'invoic', 'tidi']
    """
    found = []
    for word in _WORD.findall(text.lower()):
        if word in _COMMON:
            continue
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _STEM:
                word = word.removesuffix(ending)
                break
        found.append(word)
    return found


def rank(
    task: str, texts: Sequence[str], closeness: Sequence[float] | None = None
) -> list[tuple[int, float]]:
    """Places of the texts that have to do with a task, with scores from 0 to 1.

    :param closeness: of meaning, from -1 to 1, if anybody can tell
    """
    scores = shared(task, texts)
    if closeness is not None:
        near = [max(0.0, min(1.0, found)) for found in closeness]
        scores = [(a + b) / 2 for a, b in zip(scores, near, strict=True)]
    least = max(LEAST, OF_BEST * max(scores, default=0.0))
    places = sorted(range(len(texts)), key=lambda place: (-scores[place], place))
    return [(place, scores[place]) for place in places if scores[place] >= least]


def shared(task: str, texts: Sequence[str]) -> list[float]:
    """How much of a task's words each text has; rare words count more.

    >>> shared("invoices", ["unpaid invoices", "partners"])
    [1.0, 0.0]
    """
    wanted = set(stems(task))
    known = [set(stems(text)) for text in texts]
    counts = Counter(word for words in known for word in words)
    weights = {
        word: math.log(1 + (len(texts) + 1) / (counts[word] + 1)) for word in wanted
    }
    whole = sum(weights.values())
    if not whole:
        return [0.0] * len(texts)
    return [sum(weights[w] for w in wanted & words) / whole for words in known]
