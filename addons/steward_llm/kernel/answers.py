"""Whether an answer can be used: what a server calls embeddings, above all."""

from __future__ import annotations

import math
from collections.abc import Mapping


class Unusable(Exception):
    """What is wrong with an answer, in words; `detail` is for who asks."""

    def __init__(self, what: str, detail: str | None = None) -> None:
        super().__init__(what)
        self.detail = detail


class Broken(Unusable):
    """An error in the place of an answer, though the status said that all is well.

    >>> error = Broken({"message": "Overloaded", "code": 529})
    >>> str(error), error.status
    ('Overloaded', 529)

    :param told: the error, whatever it is
    """

    def __init__(self, told: object) -> None:
        message = told.get("message") if isinstance(told, Mapping) else told
        super().__init__(" ".join(str(message or "no reason given").split())[:300])
        code = told.get("code") if isinstance(told, Mapping) else None
        known = isinstance(code, int) and 400 <= code < 600
        self.status = code if known else 500


def embeddings(
    data: object, count: int, dimensions: int | None = None
) -> list[list[float]]:
    """The vectors, in the order of the texts.

    :param data: the ``data`` of an answer, whatever it is
    :param count: how many texts were sent
    :param dimensions: how long each vector must be; unknown: all alike

    >>> data = [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]
    >>> embeddings(data, 2)
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not isinstance(data, list):
        raise Unusable("there are no embeddings in it")
    if len(data) != count:
        raise Unusable(f"{len(data)} embeddings for {count} texts")
    found: dict[int, list[float]] = {}
    for place, entry in enumerate(data):
        if not isinstance(entry, Mapping):
            raise Unusable("an embedding is not an object")
        index = entry.get("index", place)  # some servers leave it out, in order
        if not isinstance(index, int) or not 0 <= index < count or index in found:
            raise Unusable("the numbers of the embeddings are not those of the texts")
        vector = found[index] = _vector(entry.get("embedding"))
        dimensions = dimensions or len(vector)
        if len(vector) != dimensions:
            raise Unusable(f"{len(vector)} dimensions instead of {dimensions}")
    return [found[index] for index in range(count)]


def _vector(told: object) -> list[float]:
    if not isinstance(told, list) or not told:
        raise Unusable("an embedding is no list of numbers")
    vector = []
    for number in told:
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise Unusable("an embedding is no list of numbers")
        try:
            vector.append(float(number))
        except OverflowError as error:
            raise Unusable("an embedding has a number that is none") from error
    if not all(map(math.isfinite, vector)):
        raise Unusable("an embedding has a number that is none")
    if not any(vector):
        raise Unusable("an embedding is all zero, so it has no direction")
    return vector
