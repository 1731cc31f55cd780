"""The figures of a while: counted by the ledger as it writes, added up by anyone.

A row says what one agent did in one minute (or hour, or day) with one model or tool.
What a run as a whole took stands in the row without model and tool.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, Self

MINUTE: Final = 1
HOUR: Final = 60
DAY: Final = 24 * 60
KEEP_MINUTES: Final = timedelta(hours=48)
KEEP_HOURS: Final = timedelta(days=90)

COUNTS: Final = (
    *("runs", "failures", "steps", "errors"),
    *("tokens_in", "tokens_out", "tokens_cached", "unpriced"),
)


class Histogram(Protocol):
    """What is needed of ``kernel.histogram.Histogram``."""

    count: int

    def add(self, value: float) -> None:
        """Count one value."""

    def merge(self, other: Any) -> Self:
        """Add the other's values."""

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON."""


class Row:
    """What one key amounts to."""

    __slots__ = ("cost", "counts", "latency", "run_latency")

    def __init__(self, histogram: Callable[[], Histogram]) -> None:
        self.counts = dict.fromkeys(COUNTS, 0)
        self.cost = Decimal(0)
        self.latency = histogram()
        self.run_latency = histogram()

    def values(self) -> dict[str, Any]:
        """The row as the columns hold it.

        >>> from unittest.mock import Mock
        >>> Row(Mock(return_value=Mock(count=0))).values()["latency"]
        """
        return {
            **self.counts,
            "cost": str(self.cost),
            "latency": self.latency.to_dict() if self.latency.count else None,
            "run_latency": (
                self.run_latency.to_dict() if self.run_latency.count else None
            ),
        }


class Tally:
    """Adds up steps and runs by key, which the caller chooses."""

    def __init__(self, histogram: Callable[[], Histogram]) -> None:
        self._histogram = histogram
        self._rows: dict[Hashable, Row] = {}

    def __getitem__(self, key: Hashable) -> Row:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Row(self._histogram)
        return row

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        return iter(self._rows.items())

    def add_step(self, key: Hashable, step: dict[str, Any]) -> None:
        """Count one step."""
        row = self[key]
        counts = row.counts
        counts["steps"] += 1
        if step["status"] == "error":
            counts["errors"] += 1
        counts["tokens_in"] += step["tokens_in"] or 0
        counts["tokens_out"] += step["tokens_out"] or 0
        counts["tokens_cached"] += step["tokens_cached"] or 0
        if step["cost"] is not None:
            row.cost += step["cost"]
        elif step["cost_source"] == "unknown":
            counts["unpriced"] += 1
        if step["duration_ms"] is not None:
            row.latency.add(step["duration_ms"])

    def add_run(self, key: Hashable, failed: bool, duration: float | None) -> None:
        """Count one run that has ended."""
        row = self[key]
        row.counts["runs"] += 1
        row.counts["failures"] += failed
        if duration is not None:
            row.run_latency.add(duration)

    def add_values(
        self,
        key: Hashable,
        counts: Iterable[int],
        cost: Decimal,
        latencies: Iterable[Histogram | None],
    ) -> None:
        """Add a row that was stored, its counts in the order of ``COUNTS``."""
        row = self[key]
        for name, count in zip(COUNTS, counts, strict=True):
            row.counts[name] += count
        row.cost += cost
        for mine, other in zip((row.latency, row.run_latency), latencies, strict=True):
            if other is not None:
                mine.merge(other)


def place(start: datetime, now: datetime) -> tuple[int, datetime]:
    """The grain that a time of this age is kept in, and its beginning.

    >>> now = datetime(2026, 11, 21, 12)
    >>> place(datetime(2026, 11, 21, 11, 7), now)
    (1, datetime.datetime(2026, 11, 21, 11, 7))
    >>> place(datetime(2026, 11, 1, 11, 7), now)
    (60, datetime.datetime(2026, 11, 1, 11, 0))
    >>> place(datetime(2026, 1, 1, 11, 7), now)
    (1440, datetime.datetime(2026, 1, 1, 0, 0))
    """
    if start < floor(now - KEEP_HOURS, DAY):
        return DAY, floor(start, DAY)
    if start < floor(now - KEEP_MINUTES, HOUR):
        return HOUR, floor(start, HOUR)
    return MINUTE, floor(start, MINUTE)


def floor(moment: datetime, grain: int) -> datetime:
    """The beginning of the minute, hour or day."""
    return moment.replace(
        hour=0 if grain == DAY else moment.hour,
        minute=0 if grain >= HOUR else moment.minute,
        second=0,
        microsecond=0,
    )
