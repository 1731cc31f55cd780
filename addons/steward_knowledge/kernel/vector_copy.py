"""Vectors in the form in which PostgreSQL copies rows fastest.

``COPY … WITH (FORMAT binary)`` takes rows of (integer, halfvec) as they lie in memory:
no number becomes text on the way. See "Binary Format" of PostgreSQL's COPY, and
``halfvec_recv`` of pgvector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
NO_FLAGS = bytes(8)
END = b"\xff\xff"
LARGEST = 65_504.0  # that half precision holds


def rows(ids: Sequence[int], vectors: Any) -> bytes:
    """Return what COPY reads for these ids and vectors.

    :param vectors: array (n, dimensions) of finite numbers

    >>> import numpy as np
    >>> copied = rows([7], np.array([[1.0, -2.0]]))
    >>> copied[19:].hex(" ", 2)
    '0002 0000 0004 0000 0007 0000 0008 0002 0000 3c00 c000 ffff'
    """
    import numpy as np

    found = np.asarray(vectors)
    if found.ndim != 2 or len(found) != len(ids):
        raise ValueError(f"{len(ids)} ids, and vectors of shape {found.shape}")
    if not (np.abs(found) <= LARGEST).all():  # a NaN is not, either
        raise ValueError("a number that half precision cannot hold")
    dimensions = found.shape[1]
    row = np.dtype(
        [
            ("fields", ">i2"),
            ("id_size", ">i4"),
            ("id", ">i4"),
            ("vector_size", ">i4"),
            ("dimensions", ">i2"),
            ("unused", ">i2"),
            ("vector", ">f2", (dimensions,)),
        ]
    )
    copied = np.zeros(len(found), row)
    copied["fields"] = 2
    copied["id_size"] = 4
    copied["id"] = ids
    copied["vector_size"] = 4 + 2 * dimensions
    copied["dimensions"] = dimensions
    copied["vector"] = found
    return SIGNATURE + NO_FLAGS + copied.tobytes() + END


def literal(vector: Any) -> str:
    """Return a vector as SQL writes it, as exactly as half precision can tell.

    >>> import numpy as np
    >>> literal(np.array([0.25, -1 / 3, 0], np.float32))
    '[0.25,-0.33333,0.0]'
    """
    import numpy as np

    numbers = np.asarray(vector, np.float64).round(5).tolist()
    return f"[{','.join(map(repr, numbers))}]"
