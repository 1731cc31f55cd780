"""Embeddings without any model: words and their parts, hashed into a vector.

Finds texts that share words, or words of one stem or with a slip of the pen; knows
nothing of meaning. The same everywhere and for ever, with nothing but Python.
"""

import math
from collections import Counter
from functools import lru_cache
from hashlib import blake2b

from .common_words import STOP_WORDS
from .wordpiece import words

DIMENSIONS = 512
PARTS = (3, 4, 5)  # characters of a word's parts
VERSION = 1  # another number: other vectors, another space


def embed(text: str) -> list[float]:
    """Embed a text as a vector of length one; all zero when there is no word in it.

    >>> late, again, goat = map(embed, ("overdue invoices", "invoice overdue", "goat"))
    >>> dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    >>> dot(late, again) > 0.6 > 0.1 > abs(dot(late, goat))
    True
    """
    vector = [0.0] * DIMENSIONS
    found = [word for word in words(text) if word.isalnum()]
    telling = [word for word in found if word not in STOP_WORDS] or found
    for word, count in Counter(telling).items():
        often = 1 + math.log(count)
        for place, value in _features(word):
            vector[place] += value * often
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector


@lru_cache(50_000)
def _features(word: str) -> tuple[tuple[int, float], ...]:
    """Where a word adds what: itself, and its parts, together as much."""
    marked = f"^{word}$"
    parts = [marked[i : i + n] for n in PARTS for i in range(len(marked) - n + 1)]
    share = 1 / math.sqrt(len(parts)) if parts else 0.0
    return (_place(f"w:{word}", 1.0), *(_place(f"c:{part}", share) for part in parts))


def _place(feature: str, value: float) -> tuple[int, float]:
    digest = blake2b(feature.encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "little")
    return number % DIMENSIONS, value if number >> 63 else -value
