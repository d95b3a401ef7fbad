"""Whether an agent is at work at a moment: working hours in their own time zone, and time off."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Shift = tuple[str, str]
"""From and to, on the agent's clock, as ``HH:MM``; one that ends at or before its start ends on the next day."""
Hours = Mapping[str, Sequence[Shift]]
"""Shifts by the weekday (``mon`` to ``sun``) on which they begin."""
Interval = tuple[datetime, datetime | None]
"""From and, unless it is open, to; the end does not belong to it."""


def is_at_work(hours: Hours | None, zone: str, now: datetime) -> bool:
    """Whether `now` lies in a shift; always, where there are no hours.

    The wall clock decides, so a shift begins and ends when the agent's clock says so whatever the season: an hour that the clock
    skips is not worked, one that it shows twice is worked twice.
    """
    if hours is None:
        return True
    local = now.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
    for start, end in map(_minutes, hours.get(today, ())):
        if start <= minute and (minute < end or end <= start):
            return True
    return any(end <= start and minute < end for start, end in map(_minutes, hours.get(yesterday, ())))


def _minutes(shift: Shift) -> tuple[int, int]:
    start, end = (int(text[:2]) * 60 + int(text[3:5]) for text in shift)
    return start, end


def start_of_day(zone: str, now: datetime) -> datetime:
    """When the agent's day began (UTC): at midnight, or where the clock skips that, at the moment it does."""
    local = now.astimezone(ZoneInfo(zone))
    return datetime.combine(local.date(), time(), ZoneInfo(zone)).astimezone(UTC)
