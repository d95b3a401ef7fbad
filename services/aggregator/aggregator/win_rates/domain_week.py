"""Win rates: what they count and how weeks are named. Pure; the store does the counting."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from contracts.aggregator.win_rates import WinRate


def week_of(moment: date) -> date:
    """The Monday that begins the ISO week (ISO 8601) of a day."""
    return moment - timedelta(days=moment.isoweekday() - 1)


def week_name(monday: date) -> str:
    """An ISO week's name: ``2026-W47``."""
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


def first_week(now: datetime, weeks: int) -> date:
    """The Monday of the earliest of the last `weeks` ISO weeks, the one under way included."""
    return week_of(now.date()) - timedelta(weeks=weeks - 1)


def win_rate(row: Mapping[Any, Any]) -> WinRate:
    """A group's counts with its rate: distinct leads won over distinct leads decided (won or lost); none decided, no rate."""
    decided = row["decided"]
    return WinRate(
        key=row["key"],
        intent=row["intent"],
        leads_entered=row["leads_entered"],
        appointments=row["appointments"],
        won=row["won"],
        lost=row["lost"],
        win_rate=row["won"] / decided if decided else None,
    )
