"""Weeks are ISO weeks, whatever the year does."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.win_rates.domain_week import first_week, week_name, week_of, win_rate


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2026, 1, 1), "2026-W01"),
        (date(2025, 12, 29), "2026-W01"),
        (date(2027, 1, 3), "2026-W53"),
        (date(2027, 1, 4), "2027-W01"),
        (date(2024, 12, 30), "2025-W01"),
    ],
)
def test_a_week_at_the_turn_of_the_year_belongs_to_the_year_of_its_thursday(day: date, name: str) -> None:
    assert week_name(week_of(day)) == name


@given(st.dates(date(1970, 1, 5), date(2200, 1, 1)))
def test_a_week_begins_on_its_monday_and_holds_its_day(day: date) -> None:
    monday = week_of(day)
    assert monday.isoweekday() == 1
    assert 0 <= (day - monday).days < 7


def test_the_last_week_is_the_one_still_going_on() -> None:
    assert first_week(datetime(2026, 11, 22, 23, 59, tzinfo=UTC), 1) == date(2026, 11, 16)
    assert first_week(datetime(2026, 11, 23, 0, 0, tzinfo=UTC), 2) == date(2026, 11, 16)


def test_where_nothing_is_decided_there_is_no_rate() -> None:
    counts = {"key": "web", "intent": "buyer", "leads_entered": 2, "appointments": 1, "won": 0, "lost": 0, "decided": 0}
    assert win_rate(counts).win_rate is None
    assert win_rate({**counts, "won": 2, "lost": 2, "decided": 3}).win_rate == 2 / 3
