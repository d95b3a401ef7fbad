"""Business hours are those of a clock: whole days, holidays, and the days that lose or gain an hour."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.outreach.campaigns import BusinessHours
from outreach.sending.domain_hours import is_holiday, opening

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
USUAL = BusinessHours(holidays="none")


def at(zone: ZoneInfo, *moment: int) -> datetime:
    return datetime(*moment, tzinfo=zone).astimezone(UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ((2026, 11, 30, 9, 0), (2026, 11, 30, 9, 0)),
        ((2026, 11, 30, 8, 59, 59), (2026, 11, 30, 9, 0)),
        ((2026, 11, 30, 17, 59, 59), (2026, 11, 30, 17, 59, 59)),
        ((2026, 11, 30, 18, 0), (2026, 12, 1, 9, 0)),
        ((2026, 12, 4, 18, 0), (2026, 12, 7, 9, 0)),
        ((2026, 12, 5, 12, 0), (2026, 12, 7, 9, 0)),
    ],
    ids=["nine sharp", "a second before nine", "a second before six", "six sharp", "friday at six", "saturday noon"],
)
def test_messages_leave_from_nine_to_six_on_weekdays(now: tuple[int, ...], opens: tuple[int, ...]) -> None:
    assert opening(USUAL, BERLIN, "DE", at(BERLIN, *now)) == at(BERLIN, *opens)


def test_the_clock_is_the_recipients() -> None:
    morning = at(BERLIN, 2026, 11, 30, 9, 0)
    assert opening(USUAL, BERLIN, "DE", morning) == morning
    assert opening(USUAL, NEW_YORK, "US", morning) == at(NEW_YORK, 2026, 11, 30, 9, 0)


def test_holidays_are_those_of_the_region_or_the_ones_that_are_named() -> None:
    christmas = at(BERLIN, 2026, 12, 25, 10, 0)  # a Friday; the 26th, a holiday in Germany too, is a Saturday
    assert opening(BusinessHours(), BERLIN, "DE", christmas) == at(BERLIN, 2026, 12, 28, 9, 0)
    assert opening(USUAL, BERLIN, "DE", christmas) == christmas
    thanksgiving = at(NEW_YORK, 2026, 11, 26, 10, 0)
    assert opening(BusinessHours(), NEW_YORK, "DE", thanksgiving) == thanksgiving
    assert opening(BusinessHours(holidays="US"), NEW_YORK, "DE", thanksgiving) == at(NEW_YORK, 2026, 11, 27, 9, 0)
    assert not is_holiday("XX", date(2026, 12, 25))


@pytest.mark.parametrize("day", [(2026, 3, 29), (2026, 10, 25)], ids=["an hour less", "an hour more"])
def test_nine_is_nine_on_the_day_the_clock_changes(day: tuple[int, int, int]) -> None:
    around = BusinessHours(weekdays=frozenset(range(1, 8)), holidays="none")
    assert opening(around, BERLIN, "DE", at(BERLIN, *day, 0, 30)) == at(BERLIN, *day, 9, 0)
    assert opening(around, BERLIN, "DE", at(BERLIN, *day, 17, 59)) == at(BERLIN, *day, 17, 59)
    assert opening(around, BERLIN, "DE", at(BERLIN, *day, 18, 0)) > at(BERLIN, *day, 18, 0)


def test_hours_to_the_end_of_the_day_leave_no_gap_at_midnight() -> None:
    around = BusinessHours(opens="00:00", closes="24:00", weekdays=frozenset(range(1, 8)), holidays="none")
    last = datetime(2026, 11, 30, 23, 59, 59, 999999, BERLIN).astimezone(UTC)
    assert opening(around, BERLIN, "DE", last) == last


zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "UTC"]).map(ZoneInfo)


@given(st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), zones)  # noqa: DTZ001
def test_what_opens_is_open_and_never_earlier_than_asked(now: datetime, zone: ZoneInfo) -> None:
    opens = opening(BusinessHours(), zone, "US", now)
    assert opens is not None
    assert opens >= now
    local = opens.astimezone(zone)
    assert time(9) <= local.time() < time(18)
    assert local.isoweekday() <= 5
    assert not is_holiday("US", local.date())
    assert opening(BusinessHours(), zone, "US", opens) == opens
