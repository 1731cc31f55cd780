"""Misspelt words, corrected by the words that the texts themselves use.

Symmetric deletes (W. Garbe): two words that are one or two edits apart become the same
when as many letters are left out of both, so that near words are found by looking up a
few of their remains, not by comparing with all.

    >>> speller = Speller({"invoice": 12, "invoices": 7, "order": 9, "odor": 1})
    >>> [speller.correct(word) for word in ("invocie", "ordre", "invoice", "xyzzy")]
    ['invoice', 'order', None, None]

What is never touched: a word that the texts or the language know, a short one, one
with anything but letters in it. Near words count only if they occur some times: a
misspelling in the texts corrects nobody's.
"""

from array import array
from collections.abc import Container, Iterator, Mapping
from itertools import combinations

import numpy as np

SHORTEST = 4  # letters of a word that is corrected
LONG = 6  # letters from which on two edits are allowed
SEEN = 3  # passages that must know a word before it corrects others
MOST = 30_000  # words, the most frequent ones
BEGINNING = 7  # letters that are looked up; the rest is only compared


class Speller:
    """The words that may be meant, and the remains by which they are found."""

    def __init__(
        self, counts: Mapping[str, int], known: Container[str] = frozenset()
    ) -> None:
        """Take a vocabulary.

        :param counts: word -> in how many passages it is
        :param known: more words that are right as they are
        """
        self._known, self._counts = known, counts
        fit = [w for w, n in counts.items() if n >= SEEN and _correctable(w)]
        self.words = sorted(fit, key=lambda word: (-counts[word], word))[:MOST]
        keys, places = array("q"), array("l")
        for place, word in enumerate(self.words):
            for remains in _remains(word):
                keys.append(hash(remains))
                places.append(place)
        found = np.array(keys, np.int64)
        order = np.argsort(found, kind="stable")
        self._keys = found[order]
        self._places = np.array(places, np.int32)[order]

    def knows(self, word: str) -> bool:
        """Return whether a word is right as it is."""
        return (
            word in self._counts
            or word in self._known
            or (word.endswith("s") and word[:-1] in self._known)
        )

    def correct(self, word: str) -> str | None:
        """Return the nearest, then most frequent word; None when there is no doubt."""
        if not _correctable(word) or self.knows(word):
            return None
        best: tuple[int, int] | None = None
        allowed = _allowed(word)
        for place in self._near(word):
            other = self.words[place]
            apart = distance(word, other, allowed)
            if apart <= allowed and (best is None or (apart, place) < best):
                best = apart, place
        return None if best is None else self.words[best[1]]

    def _near(self, word: str) -> set[int]:
        keys = np.array([hash(remains) for remains in _remains(word)], np.int64)
        lows = np.searchsorted(self._keys, keys, "left")
        highs = np.searchsorted(self._keys, keys, "right")
        return {
            int(place)
            for low, high in zip(lows, highs, strict=True)
            for place in self._places[low:high]
        }


def distance(one: str, other: str, most: int = 2) -> int:
    """Count the edits between two words; a swap of neighbours is one.

    :param most: more are not counted to their end

    >>> distance("invocie", "invoice"), distance("tax", "taxes"), distance("a", "xyz")
    (1, 2, 3)
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, theirs in enumerate(other, 1):
            edits = min(row[-1] + 1, before[j] + 1, before[j - 1] + (letter != theirs))
            swapped = (
                i > 1 and j > 1 and letter == other[j - 2] and theirs == one[i - 2]
            )
            row.append(min(edits, last[j - 2] + 1) if swapped else edits)
        if min(row) > most:
            return most + 1
    return row[-1]


def _correctable(word: str) -> bool:
    return len(word) >= SHORTEST and word.isalpha()


def _allowed(word: str) -> int:
    return 1 if len(word) < LONG else 2


def _remains(word: str) -> Iterator[str]:
    """The beginning of a word, with up to two letters left out."""
    beginning = word[:BEGINNING]
    found = {beginning}
    for out in range(1, _allowed(word) + 1):
        for kept in combinations(beginning, len(beginning) - out):
            found.add("".join(kept))
    yield from found
