"""Rolling time windows: what happened in the last minute, in a handful of numbers.

Keeping every event to know "how many in the last 60 seconds" costs a row per event.
Fixed buckets cost six small rows whatever the traffic, and two of them add up to a
third, so that many workers can count apart and one row in the database sums them.
The price is a blurred edge: a window of six 10 s buckets covers the last 50 to 60 s.

Time is a number of seconds and is always given by the caller, who is always believed:
a clock that steps back must neither lose what was counted nor keep it for ever. What
lies in the future of ``now`` is therefore taken to have happened now.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import add
from typing import Any, TypeGuard

Row = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Sums per bucket over the last ``size * width`` seconds; a value, never changed.

    A window has one or more columns: here calls and failures, in three 10 s buckets.

    >>> window = Window(width=10, size=3, columns=2)
    >>> window = window.add(1000, 1, 0).add(1004, 1, 1).add(1015, 1, 0)
    >>> window.total(1015)
    (3, 1)
    >>> window.total(1015, seconds=10)  # the current bucket alone
    (1, 0)
    >>> window.total(1030)  # the first bucket has left the window
    (1, 0)

    A clock that steps back an hour loses nothing, and holds nothing either: all that
    was counted counts as new, and is gone one window later.

    >>> stepped = window.add(1015 - 3600, 1, 0)
    >>> stepped.total(1015 - 3600), stepped.total(1045 - 3600)
    ((4, 1), (0, 0))
    """

    width: float  # seconds in a bucket
    size: int  # buckets kept
    columns: int  # numbers in a bucket
    rows: Mapping[int, Row] = field(default_factory=dict)  # bucket number -> sums

    def add(self, now: float, *values: float) -> Window:
        """Count ``values`` (one per column) at ``now``.

        >>> Window(10, 6, 1).add(0, 2).add(1, 3).total(1)
        (5,)
        """
        return self._with(now, [(self._bucket(now), values)])

    def merge(self, other: Window, now: float, shift: float = 0.0) -> Window:
        """Add what another window counted, its times moved by ``shift`` seconds.

        The other may count by another clock (a worker's monotonic one): ``shift`` is
        our clock minus its clock. It may also have buckets of another width; each
        lands where its middle lies. What is older than this window has expired.

        >>> ours = Window(10, 6, 1).add(5000, 1)
        >>> theirs = Window(10, 6, 1).add(20, 1).add(90, 1).add(100, 1)
        >>> ours.merge(theirs, now=5000, shift=5000 - 100).total(5000)
        (3,)
        """
        moved = (
            (self._bucket((bucket + 0.5) * other.width + shift), row)
            for bucket, row in other.rows.items()
        )
        return self._with(now, moved)

    def total(self, now: float, seconds: float = math.inf) -> Row:
        """Sums of each column over the last ``seconds`` (default: the whole window).

        Whole buckets count, the current one included: 30 s in buckets of 10 s are the
        current bucket and the two before it.

        >>> Window(10, 6, 2).total(1000)
        (0, 0)
        """
        buckets = min(self.size, math.ceil(min(seconds / self.width, self.size)))
        oldest = self._bucket(now) - buckets
        rows = [row for bucket, row in self.rows.items() if bucket > oldest]
        return tuple(map(sum, zip(*rows, strict=True))) or (0,) * self.columns

    def to_json(self) -> dict[str, Any]:
        """Say it in plain JSON, for a ``jsonb`` column.

        >>> window = Window(10, 6, 2).add(1000, 1, 0)
        >>> window.to_json()
        {'width': 10, 'size': 6, 'columns': 2, 'rows': {'100': [1, 0]}}
        >>> Window.from_json(window.to_json()) == window
        True
        """
        rows = {str(bucket): list(row) for bucket, row in self.rows.items()}
        return {
            "width": self.width,
            "size": self.size,
            "columns": self.columns,
            "rows": rows,
        }

    @classmethod
    def from_json(cls, data: Any) -> Window:
        """Read what `to_json` said; anything else is a `ValueError`.

        >>> Window.from_json({"width": 0})
        Traceback (most recent call last):
        ValueError: not a window: {'width': 0}
        """
        try:
            rows = {int(bucket): tuple(row) for bucket, row in data["rows"].items()}
            window = cls(data["width"], data["size"], data["columns"], rows)
            sound = (
                is_number(window.width)
                and window.width > 0
                and is_count(window.size)
                and is_count(window.columns)
                and all(len(row) == window.columns for row in rows.values())
                and all(is_number(value) for row in rows.values() for value in row)
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            sound = False
        if not sound:
            raise ValueError(f"not a window: {data!r}")
        return window

    def _bucket(self, time: float) -> int:
        return int(time // self.width)

    def _with(self, now: float, more: Iterable[tuple[int, Row]]) -> Window:
        newest = self._bucket(now)
        rows: dict[int, Row] = {}
        for bucket, row in chain(self.rows.items(), more):
            if bucket > newest - self.size:
                place = min(bucket, newest)
                sums = rows.get(place, (0,) * self.columns)
                rows[place] = tuple(add(*pair) for pair in zip(sums, row, strict=True))
        return replace(self, rows=rows)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value read from JSON is a finite number (and not a truth value).

    >>> [is_number(value) for value in (1, 2.5, True, "1", float("nan"), None)]
    [True, True, False, False, False, False]
    """
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value read from JSON is a whole number, zero or more.

    >>> [is_count(value) for value in (0, 7, -1, 1.0, True)]
    [True, True, False, False, False]
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
