"""The table of win rates as CSV: exactly these columns, for whoever reads it, a spreadsheet included."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from contracts.aggregator.win_rates import Dimension, WinRate, WinRateTable
from contracts.taxonomy import key


def table(*rows: WinRate) -> WinRateTable:
    return WinRateTable(by=Dimension.SOURCE, first_week=None, last_week=None, partial=False, rows=list(rows))


def row(key: str, won: int = 0, lost: int = 0) -> WinRate:
    return WinRate(
        key=key, intent="buyer", leads_entered=3, appointments=2, won=won, lost=lost,
        win_rate=won / (won + lost) if won + lost else None,
    )  # fmt: skip


def test_the_rate_is_unrounded_and_empty_where_nothing_was_decided() -> None:
    assert table(row("web", won=1, lost=2), row("zillow")).to_csv() == (
        "key,intent,leads_entered,appointments,won,lost,win_rate\n"
        "web,buyer,3,2,1,2,0.3333333333333333\n"
        "zillow,buyer,3,2,0,0,\n"
    )


def test_a_table_without_rows_is_its_header() -> None:
    assert table().to_csv() == "key,intent,leads_entered,appointments,won,lost,win_rate\n"


@given(st.sampled_from(["", "=", "+", "-", "@", "\t", "\r", '"', ",", "\n"]), st.text())
def test_no_source_that_anyone_makes_up_is_a_formula_or_another_cell(first: str, rest: str) -> None:
    made = key(first + rest)
    _, line = csv.reader(io.StringIO(table(row(made)).to_csv(), newline=""))
    assert line == [made, "buyer", "3", "2", "0", "0", ""]
    assert not made.startswith(("=", "+", "-", "@", "\t", "\r"))
