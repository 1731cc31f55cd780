"""The time somebody looks at: from when to when, in which steps, and the time before.

All times are UTC without a time zone, as Odoo stores them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

Value = TypeVar("Value")

LENGTHS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
LONGEST = timedelta(days=366)
# a chart is legible with about thirty steps
STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 360, 1440, 10080)
)
MOST_STEPS = 32
MONDAY = datetime.fromisoformat("1970-01-05")  # weeks begin with it


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` up to, but not including, ``end``; charts go in ``step``.

    It begins where a step begins, so that the first step of a chart is a whole one;
    the last may still be filling.

    >>> now = datetime.fromisoformat("2026-03-04 10:20:30")
    >>> period = Period.parse("day", now)
    >>> str(period.start), str(period.end), str(period.step)
    ('2026-03-03 10:00:00', '2026-03-04 10:20:30', '1:00:00')
    >>> str(period.before.start), str(period.before.end)
    ('2026-03-02 09:39:30', '2026-03-03 10:00:00')
    """

    start: datetime
    end: datetime
    step: timedelta

    @classmethod
    def parse(
        cls, text: str, now: datetime, offset: timedelta = timedelta(0)
    ) -> Period:
        """Read a name of ``LENGTHS``, or an ISO 8601 interval ``start/end``.

        :param offset: of the reader's clock from UTC: their days begin at midnight.
            (In the week when clocks change, an hour falls on the neighbouring day.)
        :raises ValueError: for anything else, and for what never was

        >>> now = datetime.fromisoformat("2026-03-04 10:20:30")
        >>> paris = timedelta(hours=1)
        >>> str(Period.parse("month", now, paris).start)
        '2026-02-01 23:00:00'
        >>> period = Period.parse("2026-03-01T00:00:00Z/2026-04-01T00:00:00Z", now)
        >>> str(period.end)  # no later than now
        '2026-03-04 10:20:30'
        >>> Period.parse("2026-03-04/2026-03-01", now)
        Traceback (most recent call last):
            ...
        ValueError: it ends before it begins
        """
        if text in LENGTHS:
            start, end = now - LENGTHS[text], now
        else:
            first, slash, last = text.partition("/")
            if not slash:
                raise ValueError("neither a name nor an interval start/end")
            start, end = _utc(first), min(_utc(last), now)
        if start >= end:
            raise ValueError("it ends before it begins")
        length = end - start
        if length > LONGEST:
            raise ValueError(f"it is longer than {LONGEST.days} days")
        step = next((s for s in STEPS if length <= s * MOST_STEPS), STEPS[-1])
        return cls(start - (start + offset - MONDAY) % step, end, step)

    @property
    def before(self) -> Period:
        """As much time, directly before."""
        return Period(self.start - (self.end - self.start), self.start, self.step)

    def edges(self) -> list[datetime]:
        """Where the steps begin.

        >>> now = datetime.fromisoformat("2026-03-04 10:22")
        >>> period = Period.parse("hour", now)
        >>> [f"{edge:%H:%M}" for edge in period.edges()][:3], len(period.edges())
        (['09:20', '09:25', '09:30'], 13)
        """
        count = -(-(self.end - self.start) // self.step)
        return [self.start + self.step * number for number in range(count)]

    def fill(self, values: Mapping[datetime, Value]) -> list[Value | None]:
        """One value for each step; None where nothing is known.

        >>> period = Period.parse("hour", datetime.fromisoformat("2026-03-04 10:22"))
        >>> period.fill({period.start + period.step: 7})[:3]
        [None, 7, None]
        """
        return [values.get(edge) for edge in self.edges()]


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if not 2000 <= moment.year < 9999:
        raise ValueError("that is no year of ours")
    return moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta(0))
