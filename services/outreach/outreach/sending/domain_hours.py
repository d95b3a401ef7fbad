"""When a message may leave by somebody's clock. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from contracts.outreach.campaigns import BusinessHours

_LOOKED_AHEAD = 366
"""Days; whose every day of a year is a holiday never opens."""


def opening(hours: BusinessHours, zone: ZoneInfo, region: str, at: datetime) -> datetime | None:
    """The first moment from `at` on that lies within the hours; none if there is none within a year.

    Hours are a clock's: on the day that loses or gains an hour they are as long as the clock makes them.

    Parameters:
        zone: whose clock.
        region: whose holidays are kept, unless the hours name others (ISO 3166-1 alpha-2); of one that is not known, none are.
    """
    off = hours.holidays or region
    day = at.astimezone(zone).date()
    for _ in range(_LOOKED_AHEAD):
        is_open = day.isoweekday() in hours.weekdays and not is_holiday(off, day)
        if is_open and at < _moment(day, hours.closes, zone):
            return max(at, _moment(day, hours.opens, zone))
        day += timedelta(days=1)
    return None


def _moment(day: date, clock: str, zone: ZoneInfo) -> datetime:
    """When a clock shows ``HH:MM`` on a day; ``24:00`` is the end of it."""
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)


def is_holiday(region: str, day: date) -> bool:
    """Whether it is a public holiday everywhere in the region."""
    return day in _holidays(region, day.year)


@lru_cache(maxsize=256)
def _holidays(region: str, year: int) -> frozenset[date]:
    import holidays  # when something is to be sent: it takes 3 MiB

    try:
        return frozenset(holidays.country_holidays(region, years=year))
    except NotImplementedError:
        return frozenset()
