"""ISO weeks (ISO 8601) in UTC: how they are named, and which of them a window has. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta


def week_of(moment: date) -> date:
    """The Monday that begins the ISO week of a day."""
    return moment - timedelta(days=moment.isoweekday() - 1)


def week_name(monday: date) -> str:
    """An ISO week's name: ``2026-W47``."""
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


def week_named(name: str) -> date:
    """The Monday of the week that is called so."""
    year, _, week = name.partition("-W")
    return date.fromisocalendar(int(year), int(week), 1)


def week_before(slot: datetime) -> date:
    """The Monday of the last ISO week that is over at a moment."""
    return week_of(slot.date()) - timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of ISO weeks, by the Mondays of the first and the last; open where there is none."""

    first: date | None
    last: date | None

    @classmethod
    def of(cls, now: datetime, weeks: int | None, until: str | None) -> "Window":
        """So many weeks up to the one named, else to the one under way; all there are, if neither is said."""
        last = week_named(until) if until else week_of(now.date()) if weeks else None
        return cls(last - timedelta(weeks=weeks - 1) if weeks and last else None, last)

    def is_partial(self, now: datetime) -> bool:
        """Whether it holds the week that is still going on."""
        this = week_of(now.date())
        return self.last is not None and (self.first is None or self.first <= this) and this <= self.last
