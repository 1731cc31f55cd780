"""A budget's arithmetic: periods, and money put aside before it is spent.

What a call will cost is known only when it is over, and by then fifty others have
begun. So a call first *reserves* the most it may cost, and afterwards *settles* what it
did cost. As no reservation is granted beyond the limit, calls that keep within what
they reserved never spend more than the limit together, however they interleave.

>>> account = Account(limit=Decimal(10)).reserve(Decimal(6))
>>> account.fits(Decimal(6)), account.fits(Decimal(4))
(False, True)
>>> account.settle(Decimal(6), Decimal("1.50")).left
Decimal('8.50')

Amounts are `Decimal`: a million calls of a thousandth of a cent are ten, exactly.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

PERIODS = ("day", "week", "month")
THRESHOLDS = (50, 80, 100)  # percent of the limit at which somebody is told
STEP = Decimal("1e-9")  # of the ledger: numeric(18,9)
MOST = Decimal(10) ** 9  # more than this no single call costs
ZERO = Decimal(0)


class Account(NamedTuple):
    """What one period of one budget holds; a value, never changed."""

    limit: Decimal
    spent: Decimal = ZERO
    reserved: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        """What may still be reserved; below zero when a call cost more than it said.

        >>> Account(Decimal(10), spent=Decimal(12)).left
        Decimal('-2')
        """
        return self.limit - self.spent - self.reserved

    @property
    def percentage(self) -> Decimal:
        """Spent, in percent of the limit.

        What is reserved does not count: it may well come back.

        >>> Account(Decimal(8), spent=Decimal(2), reserved=Decimal(5)).percentage
        Decimal('25')
        """
        return self.spent * 100 / self.limit

    @property
    def reached(self) -> int:
        """The highest threshold that was reached, or 0.

        >>> [Account(Decimal(10), Decimal(n)).reached for n in (4, 5, 7, 8, 9, 10, 11)]
        [0, 50, 50, 80, 80, 100, 100]
        """
        return max((t for t in THRESHOLDS if self.percentage >= t), default=0)

    def fits(self, amount: Decimal | None) -> bool:
        """Whether so much may be reserved.

        Nothing always fits: what is free is no matter of money. An unknown amount
        (None) fits while anything is left.

        >>> used_up = Account(Decimal(10), spent=Decimal(10))
        >>> used_up.fits(Decimal(0)), used_up.fits(None), used_up.fits(STEP)
        (True, False, False)
        """
        if amount is None:
            return self.left > 0
        return not amount or amount <= self.left

    def reserve(self, amount: Decimal) -> "Account":
        """Put an amount aside. Whether it fits, the caller has asked."""
        return self._replace(reserved=self.reserved + amount)

    def release(self, held: Decimal) -> "Account":
        """Take back what was put aside and not spent."""
        return self._replace(reserved=self.reserved - held)

    def spend(self, amount: Decimal) -> "Account":
        """Count what was spent, put aside or not; the limit stops nobody here."""
        return self._replace(spent=self.spent + amount)

    def settle(self, held: Decimal, actual: Decimal) -> "Account":
        """Replace what was put aside by what was really spent, all of it.

        >>> Account(Decimal(10), reserved=Decimal(3)).settle(Decimal(3), Decimal(11))
        Account(limit=Decimal('10'), spent=Decimal('11'), reserved=Decimal('0'))
        """
        return self.release(held).spend(actual)


def money(value: Decimal | int | str) -> Decimal:
    """An amount as the ledger keeps it: zero or more, nine decimals.

    Floats are refused: who computes with them has lost some already.

    >>> money("0.1234567894"), money(7)
    (Decimal('0.123456789'), Decimal('7.000000000'))
    >>> money(Decimal("nan"))
    Traceback (most recent call last):
    ValueError: not an amount of money: Decimal('NaN')
    """
    if isinstance(value, Decimal | int | str) and not isinstance(value, bool):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = -STEP
        if amount.is_finite() and 0 <= amount <= MOST:
            return amount.quantize(STEP)
    raise ValueError(f"not an amount of money: {value!r}")


def bounds(at: datetime, period: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The day, week or month that holds a moment: its first, and the next one's.

    Midnights are those of the time zone, so that a day may have 23 or 25 hours; weeks
    begin on Monday (ISO 8601).

    >>> from zoneinfo import ZoneInfo
    >>> rome = ZoneInfo("Europe/Rome")
    >>> def hours(*at):
    ...     start, end = bounds(datetime(*at, tzinfo=UTC), "day", rome)
    ...     return start.isoformat(), (end - start) / timedelta(hours=1)
    >>> hours(2026, 3, 28, 23), hours(2026, 10, 25)
    (('2026-03-28T23:00:00+00:00', 23.0), ('2026-10-24T22:00:00+00:00', 25.0))
    >>> bounds(datetime(2026, 1, 1, tzinfo=UTC), "week", UTC)[0].date()
    datetime.date(2025, 12, 29)

    :param at: a moment with a time zone, any
    :param period: one of `PERIODS`
    :return: both in UTC; the second belongs to the next period
    """
    today = at.astimezone(zone).date()
    if period == "day":
        first, following = today, today + timedelta(days=1)
    elif period == "week":
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    elif period == "month":
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    else:
        raise ValueError(f"not a period: {period!r}")
    return _midnight(first, zone), _midnight(following, zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    # of a midnight that clocks skip, zoneinfo makes the moment at which they do
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def history(
    spent: Mapping[date, Decimal], start: date, today: date
) -> tuple[list[float | None], int, float]:
    """What `forecast` of the ground floor wants to know, from what each day cost.

    A day of which nothing is written cost nothing, unless it lies before the first one
    written: of those days nothing is known.

    >>> monday, friday = date(2026, 11, 2), date(2026, 11, 6)
    >>> history({monday: Decimal(3), friday: Decimal(1)}, monday, friday)
    ([3.0, 0.0, 0.0, 0.0], 4, 1.0)
    >>> history({}, monday, friday)
    ([], 4, 0.0)

    :param spent: the cost of each day
    :param start: the first day of the period
    :return: what each full day cost, yesterday last; how many days of the period are
        over; what today cost so far
    """
    elapsed = (today - start).days
    past = [day for day in spent if day < today]
    days = (today - min(past)).days if past else 0
    costs: list[float | None] = [
        float(spent.get(today - timedelta(days=ago), ZERO))
        for ago in range(days, 0, -1)
    ]
    return costs, elapsed, float(spent.get(today, ZERO))
