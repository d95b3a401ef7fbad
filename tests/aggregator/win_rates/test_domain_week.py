"""Weeks are ISO weeks, whatever the year does."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.win_rates.domain_week import Window, week_before, week_name, week_named, week_of

SUNDAY_AT_TWO = datetime(2026, 11, 29, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2026, 1, 1), "2026-W01"),
        (date(2025, 12, 29), "2026-W01"),
        (date(2026, 12, 28), "2026-W53"),
        (date(2027, 1, 3), "2026-W53"),
        (date(2027, 1, 4), "2027-W01"),
        (date(2024, 12, 30), "2025-W01"),
    ],
)
def test_a_week_at_the_turn_of_the_year_belongs_to_the_year_of_its_thursday(day: date, name: str) -> None:
    assert week_name(week_of(day)) == name


@given(st.dates(date(1970, 1, 5), date(2200, 1, 1)))
def test_a_week_begins_on_its_monday_holds_its_day_and_is_found_by_its_name(day: date) -> None:
    monday = week_of(day)
    assert monday.isoweekday() == 1
    assert 0 <= (day - monday).days < 7
    assert week_named(week_name(monday)) == monday


def test_the_last_week_is_the_one_still_going_on_unless_another_is_named() -> None:
    assert Window.of(datetime(2026, 11, 22, 23, 59, tzinfo=UTC), 1, None).first == date(2026, 11, 16)
    assert Window.of(datetime(2026, 11, 23, 0, 0, tzinfo=UTC), 2, None).first == date(2026, 11, 16)
    assert Window.of(SUNDAY_AT_TWO, 2, "2027-W01") == Window(date(2026, 12, 28), date(2027, 1, 4))
    assert Window.of(SUNDAY_AT_TWO, None, "2026-W53") == Window(None, date(2026, 12, 28))
    assert Window.of(SUNDAY_AT_TWO, None, None) == Window(None, None)


def test_a_window_is_partial_while_its_last_days_are_to_come() -> None:
    monday = datetime(2026, 11, 30, tzinfo=UTC)
    last_week = Window.of(monday, 1, "2026-W48")
    assert not last_week.is_partial(monday)
    assert last_week.is_partial(monday - timedelta(microseconds=1))
    assert Window.of(monday, 2, None).is_partial(monday)
    assert not Window(None, None).is_partial(monday)


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        (SUNDAY_AT_TWO, "2026-W47"),
        (datetime(2027, 1, 10, 2, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 3, 2, tzinfo=UTC), "2026-W52"),
        (datetime(2026, 11, 30, tzinfo=UTC), "2026-W48"),
    ],
)
def test_the_week_before_is_the_last_that_is_over(slot: datetime, name: str) -> None:
    assert week_name(week_before(slot)) == name
