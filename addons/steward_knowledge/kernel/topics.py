r"""What a document is about, by rules that a person can read and write.

One rule a line: words, or a place; with a weight where it is not 1.

>>> rules = parsed("journal entry: 3\npath: /accounting/\ntag: invoice: 2")
>>> [tuple(rule) for rule in rules]
[('word', 'journal entry', 3.0), ('path', '/accounting/', 2.0), ('tag', 'invoice', 2.0)]
"""

import math
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)

WEIGHTS: Final = {"word": 1.0, "path": 2.0, "tag": 2.0}
MOST: Final = 10.0  # weight
WORDS: Final = 4  # of a rule
TITLE: Final = 3.0  # times as much as in the text
ENOUGH: Final = 2.0  # score below which a topic is not told
AHEAD: Final = 1.15  # times as much as the next best
READ: Final = 3_000  # words of a document

_RULE = re.compile(
    r"(?:(?P<kind>path|tag)\s*:\s*)?(?P<text>[^\n]+?)(?:\s*:\s*(?P<weight>\d+(?:\.\d+)?))?"
)
_WORD = re.compile(r"[^\W_](?:[\w.]*\w)?")


class Rule(NamedTuple):
    """Words, a part of an address, or a tag; and how much it says."""

    kind: str
    text: str
    weight: float


class Guess(NamedTuple, Generic[Key]):
    """The topic that fits best.

    :param score: from 0 to 1; 1 is beyond doubt
    """

    key: Key
    score: float


def parsed(text: str) -> list[Rule]:
    """Read rules.

    :raises ValueError: with the line that is none
    """
    rules = []
    for each in filter(None, map(str.strip, text.split("\n"))):
        found = _RULE.fullmatch(each)
        assert found  # any line that is not empty
        kind = found["kind"] or "word"
        weight = float(found["weight"] or WEIGHTS[kind])
        said = found["text"].strip().lower()
        folded = " ".join(_folded(said)) if kind == "word" else said
        if not folded or not 0 < weight <= MOST or folded.count(" ") >= WORDS:
            raise ValueError(each)
        rules.append(Rule(kind, folded, weight))
    return rules


class Classifier(Generic[Key]):
    r"""Knows the rules of all topics.

    >>> told = Classifier({"acc": parsed("invoice\njournal entry: 3")})
    >>> told.guess("Journal entries", "How to post them.").key
    'acc'
    >>> told.guess("Lunch", "Soup") is None
    True
    """

    def __init__(self, topics: Mapping[Key, Iterable[Rule]]) -> None:
        # by the first word, so that a text is gone through once
        self._words: dict[str, list[tuple[list[str], Key, float]]] = {}
        self._places: list[tuple[Rule, Key]] = []
        for key, rules in topics.items():
            for rule in rules:
                if rule.kind == "word":
                    first, *rest = rule.text.split()
                    entry = (rest, key, rule.weight)
                    self._words.setdefault(first, []).append(entry)
                else:
                    self._places.append((rule, key))

    def guess(
        self, title: str, text: str, url: str = "", tags: Iterable[str] = ()
    ) -> Guess[Key] | None:
        """Return the topic of a document, unless none or several would do."""
        scores: dict[Key, float] = {}
        for part, factor in ((title, TITLE), (text, 1.0)):
            for (_rule, key, weight), count in self._counted(_folded(part)).items():
                # the tenth time says less than the first
                gain = weight * factor * (1 + math.log(count))
                scores[key] = scores.get(key, 0) + gain
        url, known = url.lower(), {tag.lower() for tag in tags}
        for rule, key in self._places:
            if rule.text in known if rule.kind == "tag" else rule.text in url:
                scores[key] = scores.get(key, 0) + rule.weight * TITLE
        best = sorted(scores.items(), key=lambda item: -item[1])[:2]
        if not best or best[0][1] < ENOUGH:
            return None
        (key, score), second = best[0], best[1][1] if best[1:] else 0.0
        if score < AHEAD * second:
            return None
        return Guess(
            key, round((1 - math.exp(-score / 6)) * (1 - second / score / 2), 3)
        )

    def _counted(self, words: list[str]) -> dict[tuple[str, Key, float], int]:
        counts: dict[tuple[str, Key, float], int] = {}
        for at, word in enumerate(words):
            for rest, key, weight in self._words.get(word, ()):
                if not rest or words[at + 1 : at + 1 + len(rest)] == rest:
                    rule = (" ".join([word, *rest]), key, weight)
                    counts[rule] = counts.get(rule, 0) + 1
        return counts


def _folded(text: str) -> list[str]:
    """Return the words, plural and case aside.

    >>> _folded("Entries of Taxes, Boxes & sale.order lines: bus, process")
    ['entry', 'of', 'tax', 'box', 'sale.order', 'line', 'bus', 'process']
    """
    words = _WORD.findall(text[: 8 * READ].lower())[:READ]
    return [_singular(word) for word in words]


def _singular(word: str) -> str:
    if len(word) < 4 or word[-1] != "s" or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    return word[:-1]
