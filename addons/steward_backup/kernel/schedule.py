"""When a plan runs: in the plan's own time zone, also when clocks change.

>>> from zoneinfo import ZoneInfo
>>> berlin = ZoneInfo("Europe/Berlin")
>>> daily = Rule("daily", hour=2, minute=30)
>>> def utc(text):
...     return datetime.fromisoformat(text).replace(tzinfo=UTC)
>>> print(daily.next_run(utc("2026-03-04 12:00"), berlin))
2026-03-05 01:30:00+00:00

In the night when 02:30 does not exist it runs when it would have been, at 03:30; in
the night that has 02:30 twice, at the first of them only.

>>> print(daily.next_run(utc("2026-03-28 12:00"), berlin).astimezone(berlin))
2026-03-29 03:30:00+02:00
>>> first = daily.next_run(utc("2026-10-24 12:00"), berlin)
>>> print(first.astimezone(berlin), daily.next_run(first, berlin).astimezone(berlin))
2026-10-25 02:30:00+02:00 2026-10-26 02:30:00+01:00
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

HOURLY, DAILY, WEEKLY = "hourly", "daily", "weekly"
LENGTHS = {
    HOURLY: timedelta(hours=1),
    DAILY: timedelta(days=1),
    WEEKLY: timedelta(days=7),
}
GRACE = timedelta(minutes=30)  # after the planned moment, before a run counts as missed


@dataclass(frozen=True)
class Rule:
    """How often, and at which minute, hour and day of the week (0 is Monday)."""

    every: str
    hour: int = 0
    minute: int = 0
    weekday: int = 0

    def __post_init__(self) -> None:
        if (
            self.every not in LENGTHS
            or not 0 <= self.hour < 24
            or not 0 <= self.minute < 60
            or not 0 <= self.weekday < 7
        ):
            raise ValueError(f"no schedule: {self}")

    def next_run(self, after: datetime, zone: tzinfo) -> datetime:
        """The first planned moment later than that, in UTC."""
        if self.every == HOURLY:
            return self._next_hour(after, zone)
        day = after.astimezone(zone).date() - timedelta(days=1)
        while True:
            if self.every == DAILY or day.weekday() == self.weekday:
                # fold 0: the first of two; and what does not exist is that much later
                local = datetime(
                    day.year, day.month, day.day, self.hour, self.minute, tzinfo=zone
                )
                if local.astimezone(UTC) > after:
                    return local.astimezone(UTC)
            day += timedelta(days=1)

    def _next_hour(self, after: datetime, zone: tzinfo) -> datetime:
        moment = after.astimezone(UTC).replace(second=0, microsecond=0)
        moment += timedelta(minutes=1)
        # clocks that change by half an hour make it look twice
        while ahead := (self.minute - moment.astimezone(zone).minute) % 60:
            moment += timedelta(minutes=ahead)
        return moment

    def last_due(self, now: datetime, zone: tzinfo) -> datetime:
        """The last planned moment that is not later than now, in UTC.

        >>> rule = Rule("weekly", hour=4, weekday=6)
        >>> print(rule.last_due(datetime(2026, 3, 4, tzinfo=UTC), UTC))
        2026-03-01 04:00:00+00:00
        """
        # between two moments there may be an hour more than usual
        due = self.next_run(now - LENGTHS[self.every] - timedelta(hours=2), zone)
        while (later := self.next_run(due, zone)) <= now:
            due = later
        return due


def missed_since(
    rule: Rule,
    zone: tzinfo,
    now: datetime,
    since: datetime,
    last_attempt: datetime | None,
) -> datetime | None:
    """The planned moment at which nothing was tried, although it was time; or None.

    :param since: when the plan was made or switched on: before, nothing was due
    :param last_attempt: when something was last begun, however it ended

    >>> def at(hour):
    ...     return datetime(2026, 3, 4, hour, tzinfo=UTC)
    >>> rule = Rule("daily", hour=2)
    >>> long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    >>> print(missed_since(rule, UTC, at(5), long_ago, None))
    2026-03-04 02:00:00+00:00
    >>> print(missed_since(rule, UTC, at(5), long_ago, at(2)))
    None
    >>> print(missed_since(rule, UTC, at(5), at(3), None))
    None
    """
    due = rule.last_due(now - GRACE, zone)
    if due <= since or (last_attempt is not None and last_attempt >= due):
        return None
    return due
