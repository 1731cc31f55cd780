"""Which backups stay: grandfather, father, son, and rules that protect from oneself.

>>> from datetime import UTC
>>> from zoneinfo import ZoneInfo
>>> def backup(day, **more):
...     return Backup(day, datetime(2026, 3, day, 2, 0, tzinfo=UTC), **more)
>>> policy = Policy(daily=2, weekly=2, minimum=1)
>>> now = datetime(2026, 3, 12, 3, 0, tzinfo=UTC)
>>> nights = map(backup, (12, 11, 10, 8, 7))
>>> for verdict in decide(nights, policy, now, ZoneInfo("UTC")):
...     print(verdict.key, "stays" if verdict.keep else "goes", *verdict.reasons)
12 stays newest daily weekly minimum
11 stays daily
10 goes
8 stays weekly
7 goes

A run that failed removes nothing: what is wrong may be wrong with the newest as well.

>>> failed = backup(13, good=False)
>>> verdicts = decide([failed, backup(12), backup(1)], policy, now, ZoneInfo("UTC"))
>>> [verdict.keep for verdict in verdicts]
[True, True, True]
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

# why one stays; words for people are Odoo's
NEWEST, PROTECTED, FAILED_RUN = "newest", "protected", "failed_run"
DAILY, WEEKLY, MONTHLY = "daily", "weekly", "monthly"
WITHIN, MINIMUM, NO_BETTER = "within", "minimum", "no_better"
REASONS = (
    *(NEWEST, PROTECTED, FAILED_RUN, DAILY, WEEKLY, MONTHLY, WITHIN, MINIMUM),
    NO_BETTER,
)


class Backup(NamedTuple):
    """One backup that is there, as far as its age and use go."""

    key: Hashable
    at: datetime  # aware
    good: bool = True  # complete, and no verification said otherwise
    protected: bool = False  # a person said that it stays


class Verdict(NamedTuple):
    """What becomes of a backup, and every rule that speaks for it."""

    key: Hashable
    keep: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """How many of the last days, weeks and months that have a backup keep one.

    :param within: all that are younger stay
    :param minimum: so many good ones stay, whatever their age
    """

    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    within: timedelta = timedelta()
    minimum: int = 1

    def __post_init__(self) -> None:
        if min(self.daily, self.weekly, self.monthly) < 0 or self.within < timedelta():
            raise ValueError("numbers of backups to keep cannot be negative")
        if self.minimum < 1:
            raise ValueError("at least one good backup stays")


# the day, week and month of a moment on the plan's calendar
_PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    DAILY: lambda at: (at.year, at.month, at.day),
    WEEKLY: lambda at: at.isocalendar()[:2],
    MONTHLY: lambda at: (at.year, at.month),
}


def decide(
    backups: Iterable[Backup],
    policy: Policy,
    now: datetime,
    zone: tzinfo,
    last_run_failed: bool = False,
) -> list[Verdict]:
    """What becomes of each of these backups, which are of one series; newest first.

    :param now: an aware moment
    :param zone: days, weeks and months begin as they do there
    :param last_run_failed: also when that run left nothing behind
    """
    ordered = sorted(backups, key=lambda backup: backup.at, reverse=True)
    good = [backup for backup in ordered if backup.good]
    stays: dict[Hashable, list[str]] = {backup.key: [] for backup in ordered}

    if last_run_failed or (ordered and not ordered[0].good):
        for backup in ordered:
            stays[backup.key].append(FAILED_RUN)
    for backup in good[:1]:
        stays[backup.key].append(NEWEST)
    for backup in ordered:
        if backup.protected:
            stays[backup.key].append(PROTECTED)
    for reason, count in (
        (DAILY, policy.daily),
        (WEEKLY, policy.weekly),
        (MONTHLY, policy.monthly),
    ):
        for backup in _newest_of_each(good, _PERIODS[reason], count, zone):
            stays[backup.key].append(reason)
    for backup in good:
        if now - backup.at < policy.within:
            stays[backup.key].append(WITHIN)
    for backup in good[: policy.minimum]:
        stays[backup.key].append(MINIMUM)
    # a doubtful one is better than none
    for backup in ordered:
        if not backup.good and (len(good) < policy.minimum or backup.at > good[0].at):
            stays[backup.key].append(NO_BETTER)
    return [
        Verdict(backup.key, bool(stays[backup.key]), tuple(stays[backup.key]))
        for backup in ordered
    ]


def _newest_of_each(
    ordered: list[Backup],
    period_of: Callable[[datetime], tuple[int, ...]],
    count: int,
    zone: tzinfo,
) -> list[Backup]:
    """The newest of each of the last ``count`` periods that have one."""
    newest: dict[tuple[int, ...], Backup] = {}
    for backup in ordered:
        period = period_of(backup.at.astimezone(zone))
        if period not in newest and len(newest) == count:
            break
        newest.setdefault(period, backup)
    return list(newest.values())
