"""Has something like this been asked before? A few thousand questions, in memory.

A vector becomes 256 bits: on which side of 256 random planes it lies. The share of bits
in which two differ is about their angle divided by π, so the nearest signature is about
the nearest vector, and 4,000 of them are compared in some microseconds.

Only good for suggestions. That two questions are alike does not mean that one answer
fits both: nobody may answer from it.

>>> import numpy as np
>>> known = Signatures(3)
>>> known.replace([7, 8], np.array([[1.0, 0, 0], [0, 1, 0]]))
>>> [number for number, cosine in known.nearest(np.array([0.9, 0.1, 0]), limit=1)]
[7]
>>> len(known)
2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

BITS = 256
MOST = 4_000  # signatures kept
SEED = 19  # the same planes in every process


@lru_cache(maxsize=8)
def planes(dimensions: int) -> Any:
    """The planes by which vectors of a length are signed: always the same ones."""
    import numpy as np

    draw = np.random.default_rng(SEED)
    return draw.standard_normal((dimensions, BITS), dtype=np.float32)


def sign(vectors: Any) -> Any:
    """Signatures of vectors: four unsigned numbers of 64 bits for each.

    >>> import numpy as np
    >>> once = sign(np.array([[1.0, 2, 3], [2, 4, 6], [-1, -2, -3]]))
    >>> once.shape, bool((once[0] == once[1]).all()), bool((once[0] == ~once[2]).all())
    ((3, 4), True, True)
    """
    import numpy as np

    found = np.asarray(vectors, np.float32)
    bits = found @ planes(found.shape[-1]) > 0
    return np.packbits(bits, axis=-1).view(np.uint64)


def cosine(distance: int) -> float:
    """About which cosine belongs to so many different bits.

    >>> cosine(0), round(cosine(BITS // 2), 9), cosine(BITS)
    (1.0, 0.0, -1.0)
    """
    return math.cos(math.pi * distance / BITS)


class Signatures:
    """Questions that are known, by their signatures.

    :param dimensions: of the vectors
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.ids: list[int] = []
        self._signed: Any = None

    def __len__(self) -> int:
        return len(self.ids)

    def replace(self, ids: Sequence[int], vectors: Any) -> None:
        """Know these from now on, and no others; of too many, the first ones."""
        import numpy as np

        self.ids = [int(number) for number in ids[:MOST]]
        # word by word: sums down long columns are several times as quick
        self._signed = np.ascontiguousarray(sign(vectors[:MOST]).T)

    def nearest(
        self, vector: Any, limit: int = 3, least: float = 0.0
    ) -> list[tuple[int, float]]:
        """The known ones nearest to a vector, the best first, with about their cosine.

        :param least: cosine under which none counts as alike
        """
        import numpy as np

        if not self.ids or limit < 1:
            return []
        if np.shape(vector) != (self.dimensions,):
            raise ValueError(f"a vector of {self.dimensions} dimensions is compared")
        counts = np.bitwise_count(self._signed ^ sign(vector)[:, None])
        differing = counts.sum(axis=0, dtype=np.uint16)
        limit = min(limit, len(self.ids))
        if limit < len(self.ids):
            best = np.argpartition(differing, limit - 1)[:limit]
        else:
            best = np.arange(limit)
        best = best[np.lexsort((best, differing[best]))]
        found = [(self.ids[n], cosine(int(differing[n]))) for n in best]
        return [(number, score) for number, score in found if score >= least]
