"""Working hours on the agent's own clock, whatever the season; time off; where their day begins."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.distribution.domain_availability import Hours, is_at_work, start_of_day

OFFICE: Hours = {day: [("09:00", "17:00")] for day in ("mon", "tue", "wed", "thu", "fri")}
ZONES = ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "UTC"]
MOMENTS = st.integers(0, 315_576_000).map(lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


def at(text: str, zone: str = "America/New_York") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_an_agent_without_hours_always_works_and_one_with_none_never() -> None:
    assert is_at_work(None, "UTC", at("2026-11-22T03:00"))
    assert not is_at_work({}, "UTC", at("2026-11-22T03:00"))


@pytest.mark.parametrize("day", ["2026-03-06", "2026-03-09", "2026-10-30", "2026-11-02"])
def test_nine_oclock_is_nine_oclock_on_both_sides_of_a_change_of_the_clock(day: str) -> None:
    for clock, works in (("08:59", False), ("09:00", True), ("16:59", True), ("17:00", False)):
        assert is_at_work(OFFICE, "America/New_York", at(f"{day}T{clock}")) is works


def test_a_night_shift_lasts_into_the_next_day() -> None:
    night: Hours = {"sat": [("22:00", "06:00")]}
    for moment, works in (
        ("2026-11-21T21:59", False), ("2026-11-21T22:00", True), ("2026-11-22T05:59", True), ("2026-11-22T06:00", False),
        ("2026-11-22T22:30", False),
    ):  # fmt: skip
        assert is_at_work(night, "America/New_York", at(moment)) is works


def test_a_shift_to_24_00_ends_at_midnight() -> None:
    late: Hours = {"sat": [("12:00", "24:00")]}
    assert is_at_work(late, "UTC", at("2026-11-21T23:59", "UTC"))
    assert not is_at_work(late, "UTC", at("2026-11-22T00:00", "UTC"))


@given(MOMENTS, st.sampled_from(ZONES), st.integers(0, 23), st.integers(1, 12))
def test_whether_somebody_works_depends_on_their_wall_clock_alone(
    moment: datetime, zone: str, start: int, hours: int
) -> None:
    """Shifts are compared with a list of every minute that the clock may show."""
    end = (start + hours) % 24
    works = is_at_work({"wed": [(f"{start:02}:00", f"{end:02}:00")]}, zone, moment)
    local = moment.astimezone(ZoneInfo(zone))
    into_shift = (local.weekday() - 2) % 7 * 24 + local.hour - start
    assert works is (0 <= into_shift < hours)


@given(MOMENTS, st.sampled_from(ZONES))
def test_the_day_began_at_the_last_change_of_the_date(moment: datetime, zone: str) -> None:
    began = start_of_day(zone, moment)
    today = moment.astimezone(ZoneInfo(zone)).date()
    assert began <= moment < began + timedelta(hours=25, minutes=1)
    assert began.astimezone(ZoneInfo(zone)).date() == today
    assert (began - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() < today
