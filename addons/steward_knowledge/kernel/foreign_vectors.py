"""Exports of other vector databases, read row by row.

Whatever the file's size, no more than a line (of Parquet, a page) is in memory.
What can be told apart needs no setting: points of Qdrant, columns of Chroma, tables of
pgvector and Supabase, each as JSON lines; tables also as CSV and Parquet.

>>> import io
>>> lines = io.BytesIO(b'''{"id": 7, "vector": [1, 0], "payload": {"text": "One"}}
... {"id": 8, "vector": [0, "x"], "payload": {"text": "Two"}}
... ''')
>>> for item, _place in read(lines, "jsonl"):
...     print(item)
Row(line=1, external_id='7', text='One', vector=[1.0, 0.0], title='', url='')
Bad(line=2, reason='its vector is not a list of numbers')
"""

from __future__ import annotations

import csv
import importlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

LONGEST_LINE = 64 * 2**20  # bytes; of Chroma, a page of some thousand passages
MAX_DIMENSIONS = 4_000
TEXTS = ("text", "content", "page_content", "document", "body", "chunk", "passage")
VECTORS = ("vector", "embedding", "embeddings", "values")
IDS = ("id", "uuid", "external_id", "chunk_id")
TITLES = ("title", "name", "heading")
URLS = ("url", "link", "source", "href")
FURTHER = ("payload", "metadata", "metadatas", "meta")
# of Chroma: what stands beside each other in lists
COLUMNS = {
    "ids": "id",
    "documents": "document",
    "embeddings": "embedding",
    "metadatas": "metadata",
}


class Row(NamedTuple):
    """A passage with its vector.

    :param line: where it stands: the line of a text, the row of a Parquet file
    """

    line: int
    external_id: str
    text: str
    vector: list[float]
    title: str = ""
    url: str = ""


class Bad(NamedTuple):
    """What cannot be taken, and why."""

    line: int
    reason: str


class Place(NamedTuple):
    """Where to go on: bytes into a text, rows into a Parquet file; and its lines."""

    position: int = 0
    line: int = 0


START = Place()


class Unusable(ValueError):
    """A row without what is needed."""


def read(
    file: BinaryIO, kind: str, start: Place = START
) -> Iterator[tuple[Row | Bad, Place]]:
    """Yield rows, good and bad, each with the place after it.

    :param kind: ``jsonl``, ``csv`` or ``parquet``
    :param start: a place that was yielded before
    :raises ImportError: for Parquet without pyarrow
    """
    readers = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}
    yield from readers[kind](file, start)


class _Lines:
    """Lines of a file, counted, so that one knows where one is."""

    def __init__(self, file: BinaryIO, start: Place) -> None:
        self.file, self.line, self.position = file, start.line, start.position
        self.is_cut = False
        file.seek(start.position)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.file.readline(LONGEST_LINE):
            self.line += 1
            self.position += len(line)
            self.is_cut = len(line) == LONGEST_LINE and not line.endswith(b"\n")
            rest = line
            while self.is_cut and rest and not rest.endswith(b"\n"):
                rest = self.file.readline(LONGEST_LINE)
                self.position += len(rest)
            yield line

    @property
    def place(self) -> Place:
        return Place(self.position, self.line)


def _jsonl(file: BinaryIO, start: Place) -> Iterator[tuple[Row | Bad, Place]]:
    lines = _Lines(file, start)
    for line in lines:
        number = lines.line
        if not line.strip():
            continue
        if lines.is_cut:
            yield Bad(number, "it is too long: export in smaller pages"), lines.place
            continue
        try:
            found = list(_objects(json.loads(line)))
        except (ValueError, RecursionError):
            yield Bad(number, "it is no JSON"), lines.place
            continue
        for told in found:
            yield _taken(number, told), lines.place


def _objects(told: object) -> Iterator[object]:
    """One object for each passage, whatever they are wrapped in."""
    if isinstance(told, list):
        yield from told
        return
    if isinstance(told, Mapping):
        inner = told.get("result", told)
        if isinstance(inner, Mapping) and isinstance(inner.get("points"), list):
            yield from inner["points"]
            return
        if isinstance(told.get("ids"), list):
            yield from _columns(told)
            return
    yield told


def _columns(told: Mapping[str, Any]) -> Iterator[object]:
    columns = {
        one: told[many]
        for many, one in COLUMNS.items()
        if isinstance(told.get(many), list)
    }
    for n in range(len(told["ids"])):
        yield {one: rows[n] for one, rows in columns.items() if n < len(rows)}


def _csv(file: BinaryIO, start: Place) -> Iterator[tuple[Row | Bad, Place]]:
    header = _Lines(file, Place())
    names = _record(header)
    if names is None:
        return
    lines = _Lines(file, start if start.position else header.place)
    while (record := _record(lines)) is not None:
        if not any(record):
            continue
        if len(record) != len(names):
            reason = f"it has {len(record)} columns instead of {len(names)}"
            yield Bad(lines.line, reason), lines.place
            continue
        told = dict(zip(names, record, strict=True))
        yield _taken(lines.line, told), lines.place


def _record(lines: _Lines) -> list[str] | None:
    """The next record of a table; None at its end."""
    csv.field_size_limit(LONGEST_LINE)
    texts = (line.decode("utf-8-sig", "replace") for line in lines)
    try:
        return next(csv.reader(texts), None)
    except csv.Error:
        return [""] * 2  # told as a row with too few columns


def _parquet(  # pragma: no cover - with pyarrow, which not everybody has
    file: BinaryIO, start: Place
) -> Iterator[tuple[Row | Bad, Place]]:
    parquet = importlib.import_module("pyarrow.parquet")
    number = 0
    for batch in parquet.ParquetFile(file).iter_batches(batch_size=256):
        if number + batch.num_rows <= start.position:
            number += batch.num_rows
            continue
        for told in batch.to_pylist():
            number += 1
            if number > start.position:
                yield _taken(number, told), Place(number, number)


def _taken(line: int, told: object) -> Row | Bad:
    try:
        return _row(line, told)
    except Unusable as reason:
        return Bad(line, str(reason))


def _row(line: int, told: object) -> Row:
    if not isinstance(told, Mapping):
        raise Unusable("it is no object")
    further: dict[str, Any] = {}
    for name in FURTHER:
        more = _decoded(told.get(name))
        if isinstance(more, Mapping):
            further |= more
    text = _first(told, further, TEXTS)
    if not text:
        raise Unusable("it has no text")
    external_id = _first(told, further, IDS)
    return Row(
        line,
        external_id or f"line {line}",
        text,
        _vector(next((told[name] for name in VECTORS if told.get(name)), None)),
        _first(told, further, TITLES),
        _first(told, further, URLS),
    )


def _first(
    told: Mapping[str, Any], further: Mapping[str, Any], names: tuple[str, ...]
) -> str:
    """The first of these that says something; what stands outside counts first."""
    for place in (told, further):
        for name in names:
            value = place.get(name)
            if isinstance(value, str | int) and str(value).strip():
                return str(value).strip().replace("\x00", "")
    return ""


def _vector(told: object) -> list[float]:
    """Numbers, however they are written.

    >>> _vector("[1, 2.5]"), _vector({"default": [1]})
    ([1.0, 2.5], [1.0])
    """
    told = _decoded(told)
    if isinstance(told, Mapping):  # Qdrant: vectors by name
        if len(told) != 1:
            raise Unusable("it has several vectors")
        told = next(iter(told.values()))
    if told is None:
        raise Unusable("it has no vector")
    if not isinstance(told, list | tuple) or not told:
        raise Unusable("its vector is not a list of numbers")
    if len(told) > MAX_DIMENSIONS:
        raise Unusable(f"its vector has more than {MAX_DIMENSIONS} dimensions")
    if not all(type(number) in (int, float) for number in told):
        raise Unusable("its vector is not a list of numbers")
    try:
        vector = [float(number) for number in told]
        length = math.hypot(*vector)
    except OverflowError:
        length = math.inf
    if not 1e-150 < length < 1e150:  # squares of the numbers are to be finite
        raise Unusable("its vector has no direction")
    return vector


def _decoded(told: object) -> object:
    """What a table keeps as text."""
    if isinstance(told, str) and told.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(told)
        except (ValueError, RecursionError):
            return told
    return told
