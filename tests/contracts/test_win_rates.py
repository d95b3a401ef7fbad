"""The table of win rates as CSV: exactly these columns, for whoever reads it, a spreadsheet included."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.aggregator.win_rates import (
    MOST_ROWS,
    Columns,
    Dimension,
    Terms,
    View,
    WinRate,
    WinRateTable,
    columns,
    to_csv,
    whole,
)
from contracts.taxonomy import key


def table(*rows: WinRate) -> str:
    return to_csv(rows, columns(View.CLOSING, weekly=False, which=Columns.COUNTS))


def row(key: str, won: int = 0, lost: int = 0) -> WinRate:
    return WinRate(
        key=key, intent="buyer", leads_entered=3, appointments=2, won=won, lost=lost,
        win_rate=won / (won + lost) if won + lost else None,
    )  # fmt: skip


def test_the_rate_is_unrounded_and_empty_where_nothing_was_decided() -> None:
    assert table(row("web", won=1, lost=2), row("zillow")) == (
        "key,intent,leads_entered,appointments,won,lost,win_rate\n"
        "web,buyer,3,2,1,2,0.3333333333333333\n"
        "zillow,buyer,3,2,0,0,\n"
    )


def test_a_table_without_rows_is_its_header() -> None:
    assert table() == "key,intent,leads_entered,appointments,won,lost,win_rate\n"


@given(st.sampled_from(["", "=", "+", "-", "@", "\t", "\r", '"', ",", "\n"]), st.text())
def test_no_source_that_anyone_makes_up_is_a_formula_or_another_cell(first: str, rest: str) -> None:
    made = key(first + rest)
    _, line = csv.reader(io.StringIO(table(row(made)), newline=""))
    assert line == [made, "buyer", "3", "2", "0", "0", ""]
    assert not made.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.sampled_from(["=", "+", "-", "@", "\t"]), st.text(st.characters(exclude_characters="\r")))
def test_what_a_spreadsheet_would_take_for_a_formula_is_written_as_a_text(first: str, rest: str) -> None:
    _, (cell, *_) = csv.reader(io.StringIO(table(row(first + rest)), newline=""))
    assert cell == "'" + first + rest


def test_a_file_may_have_all_columns_of_what_it_shows() -> None:
    assert columns(View.CLOSING, weekly=True, which=Columns.ALL) == (
        "week", "key", "intent", "leads_entered", "appointments", "won", "lost", "win_rate", "decided", "low", "high",
    )  # fmt: skip
    assert columns(View.COHORT, weekly=False, which=Columns.ALL)[-1] == "maturity"


def test_a_week_that_is_in_no_calendar_is_refused() -> None:
    assert Terms(until="2026-W53").until == "2026-W53"
    for name in ("2025-W53", "2026-W00", "2026-W54", "26-W01", "2026-W1"):
        with pytest.raises(ValidationError):
            Terms(until=name)


async def test_the_whole_of_a_table_is_asked_for_page_by_page() -> None:
    rows = [row(str(number)) for number in range(2 * MOST_ROWS + 1)]
    asked = []

    async def page(number: int) -> WinRateTable:
        asked.append(number)
        part = rows[(number - 1) * MOST_ROWS : number * MOST_ROWS]
        return WinRateTable(
            by=Dimension.SOURCE, first_week=None, last_week=None, partial=False, rows=part, total=len(rows)
        )

    assert (await whole(page)).rows == rows
    assert asked == [1, 2, 3]
