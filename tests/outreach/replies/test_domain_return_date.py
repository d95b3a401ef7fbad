"""When somebody is back is read from their notice, and in doubt is later."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.replies.domain_return_date import FURTHEST, read_return_date

RECEIVED = date(2026, 12, 22)
"""A Tuesday."""

NOTICES = """
2026-12-28 | I'll be back on Monday
2026-12-29 | Back on Tuesday.
2026-12-23 | back tomorrow
2026-12-28 | I am out this week, back next Monday
2026-12-28 | I will be back next week
2027-01-05 | I will be back in two weeks
2027-01-06 | I am away for two weeks
2027-01-05 | returning in 14 days
2027-01-06 | out of office until 5 January
2027-01-05 | Out of office until Jan. 4
2027-01-05 | I will be out until the 4th of January, 2027
2027-01-05 | I am out of the office from December 23rd to January 4th.
2027-01-04 | I will return to the office on Monday, January 4th, 2027.
2027-01-05 | On January 5 I will be back
2027-01-05 | I will be back in the office\\non January\\n5th
2027-01-04 | back 2027-01-04
2027-01-04 | the office is closed 24/12/2026 - 03/01/2027
2026-12-28 | back on 12/28/26
2027-01-11 | I'm on leave until Fri 8 Jan and will be back Mon 11 Jan
2027-01-12 | I'm out until 4 January. I return on 12 January. For invoices until 31 March ask accounting.
2027-01-01 | out through 12/31/2026
2027-01-07 | ab dem 7. Januar
2027-01-07 | Ich bin ab dem 07.01. wieder erreichbar
2027-01-07 | vom 23.12.2026 bis 06.01.2027 im Urlaub
2027-01-07 | Ich kehre am 7. Januar 2027 zurück
2027-01-07 | am 7. Januar bin ich wieder da
2027-01-07 | Bin bis einschließlich 6. Jänner auf Urlaub
2026-12-28 | Ich bin ab Montag wieder im Büro
2027-01-04 | absent jusqu'au 3 janvier inclus.
2027-01-04 | de retour le lundi 4 janvier 2027
2027-01-02 | Je serai de retour à partir du 2 janvier
2027-01-07 | estaré de vuelta el 7 de enero
2027-01-08 | Estoy fuera hasta el 7 de enero de 2027
none | until 5 December
none | back on 1 June 2028
none | back on 31 June
none | I am away.
none | Let us meet on 5 January
none | Call me at 01/02 03 04 05
none | I was back on 3 January 2026
none |
"""


@pytest.mark.parametrize("row", NOTICES.strip().split("\n"))
def test_the_day_of_return_is_read(row: str) -> None:
    expected, _, notice = row.partition(" |")
    found = read_return_date(notice.strip().replace("\\n", "\n"), RECEIVED)
    assert found == (None if expected == "none" else date.fromisoformat(expected))


@pytest.mark.parametrize(
    ("region", "expected"),
    [("US", date(2027, 1, 5)), ("us", date(2027, 1, 5)), ("GB", date(2027, 5, 1)), ("DE", date(2027, 5, 1)),
     ("CA", date(2027, 5, 1)), (None, date(2027, 5, 1))],
)  # fmt: skip
def test_a_day_of_two_numbers_is_read_as_the_region_writes_it_and_in_doubt_later(
    region: str | None, expected: date
) -> None:
    assert read_return_date("returning 01/05/2027", RECEIVED, region) == expected


def test_a_day_that_the_region_cannot_mean_is_read_the_other_way() -> None:
    assert read_return_date("back on 13/01/2027", RECEIVED, "US") == date(2027, 1, 13)
    assert read_return_date("back on 01/13/2027", RECEIVED, "DE") == date(2027, 1, 13)
    assert read_return_date("back on 02/01/2027", date(2027, 1, 30), "DE") == date(2027, 2, 1), "2 January is past"


def test_a_day_without_doubt_in_the_same_text_tells_how_its_writer_writes() -> None:
    assert read_return_date("Away 23/12/2026 to 03/01/2027", RECEIVED, "US") == date(2027, 1, 4)


@pytest.mark.parametrize(("days", "known"), [(0, True), (366, True), (367, False), (-1, False)])
def test_a_day_in_the_past_or_more_than_a_year_off_is_none(days: int, known: bool) -> None:
    day = RECEIVED + timedelta(days=days)
    assert read_return_date(f"back on {day.isoformat()}", RECEIVED) == (day if known else None)


@given(
    st.integers(0, 150),
    st.sampled_from(["%d %B", "%B %d", "%d %B %Y", "%B %d, %Y", "%Y-%m-%d", "%d.%m.%Y", "%d.%m.", "%a, %d %b %Y"]),
)
def test_a_day_is_read_in_every_way_it_is_written(days: int, written: str) -> None:
    day = RECEIVED + timedelta(days=days)
    assert read_return_date(f"I will be back on {day.strftime(written)}.", RECEIVED) == day
    assert read_return_date(f"I am away until {day.strftime(written)}.", RECEIVED) == day + timedelta(days=1)


@given(st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.integers(0, 6))
def test_a_weekday_is_the_next_one_and_never_the_day_itself(received_on: date, weekday: int) -> None:
    name = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"][weekday]
    found = read_return_date(f"Back on {name}!", received_on)
    assert found is not None
    assert found.weekday() == weekday
    assert 1 <= (found - received_on).days <= 7


PIECES = [
    "back",
    "until",
    "31",
    "29",
    "feb",
    "9999",
    "next",
    "monday",
    "in",
    "999",
    "months",
    "0",
    "/-.",
    "12/12/12",
    "von",
    "bis",
]


@given(
    st.text() | st.lists(st.sampled_from(PIECES)).map(" ".join),
    st.dates(),
)
def test_any_text_is_read_without_an_error(text: str, received_on: date) -> None:
    found = read_return_date(text, received_on)
    assert found is None or timedelta(0) <= found - received_on <= FURTHEST
