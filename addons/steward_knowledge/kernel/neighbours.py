"""Which documents say the same: MinHash to find them, shingles to be sure.

The signature of a document is 16 numbers; two that share five-word sequences to 80 %
(Jaccard) have at least one number in common with probability .992, and those that have
are compared exactly. Kept as ``bigint[]`` with a GIN index, finding candidates is one
overlap query.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

SIMILAR: Final = 0.8  # Jaccard from which on documents say the same
SHINGLE: Final = 5  # words
BANDS: Final = 16
ROWS: Final = 6
FEW: Final = 20  # words; with fewer the title counts, too, and only equality does
_AT_ONCE: Final = 4_096  # shingles, so that memory stays small

Hashes: TypeAlias = NDArray[np.uint64]

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of a text, without the case and the marks between them.

    >>> words("The **Sales** order: `sale.order`!")
    ['the', 'sales', 'order', 'sale', 'order']
    """
    return _WORD.findall(text.lower())


def fingerprint(tokens: list[str], title: str = "") -> str:
    """Return what equal texts have in common.

    >>> fingerprint(["a"] * 30, "One") == fingerprint(["a"] * 30, "Two")
    True
    >>> fingerprint(["a"] * 9, "One") == fingerprint(["a"] * 9, "Two")
    False
    """
    if len(tokens) < FEW:
        tokens = [*words(title), "", *tokens]
    said = " ".join(tokens).encode("utf-8", "replace")
    return blake2b(said, digest_size=16).hexdigest()


def shingles(tokens: list[str]) -> Hashes:
    """Return the distinct sequences of five words, as sorted numbers; none for few.

    >>> len(shingles(["a", "b", "c", "d", "e", "f"] * 4))
    6
    """
    if len(tokens) < FEW:
        return np.empty(0, np.uint64)
    known = np.fromiter(map(_number, tokens), np.uint64, len(tokens))
    count = len(tokens) - SHINGLE + 1
    found = np.zeros(count, np.uint64)
    for place in range(SHINGLE):
        found = found * _ODD + known[place : place + count]
    return np.unique(_mixed(found))


def signature(found: Hashes) -> list[int]:
    """Return the 16 numbers to compare documents by; none without shingles."""
    if not len(found):
        return []
    least = np.full(BANDS * ROWS, np.iinfo(np.uint64).max, np.uint64)
    for begin in range(0, len(found), _AT_ONCE):
        some = found[begin : begin + _AT_ONCE]
        values = some[:, None] * _FACTORS + _ADDENDS
        least = np.minimum(least, values.min(axis=0))
    bands = least.reshape(BANDS, ROWS)
    numbers = np.arange(1, BANDS + 1, dtype=np.uint64)
    for row in range(ROWS):
        numbers = _mixed(numbers * _ODD + bands[:, row])
    return [int(number) for number in numbers.view(np.int64)]


def similarity(one: Hashes, other: Hashes) -> float:
    """Return how much of what either says both say: Jaccard's index.

    >>> similarity(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    if not len(one) or not len(other):
        return 0.0
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def _mixed(values: Hashes) -> Hashes:
    """Spread each bit over all (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: Hashes = values ^ (values >> np.uint64(33))
    return mixed


@lru_cache(maxsize=200_000)
def _number(word: str) -> int:
    """Return the same number for a word in each process."""
    digest = blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest)


def _constants(name: str) -> Any:
    digests = (
        blake2b(f"{name} {number}".encode(), digest_size=8).digest()
        for number in range(BANDS * ROWS)
    )
    return np.array([int.from_bytes(digest) for digest in digests], np.uint64)


_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_FACTORS: Final[Hashes] = _constants("factor") | np.uint64(1)
_ADDENDS: Final[Hashes] = _constants("addend")
