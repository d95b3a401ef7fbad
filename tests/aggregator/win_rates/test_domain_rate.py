"""Rates, how sure they are, and in which order they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.win_rates.domain_rate import counted, interval, ordered, page_of
from contracts.aggregator.win_rates import Order, View, WinRate


def row(
    key: str = "web", intent: str = "buyer", won: int = 0, lost: int = 0, both: int = 0, entered: int = 0
) -> WinRate:
    """A group in which `both` of the leads were lost first and then won."""
    n = won + lost - both
    counts = {"leads_entered": entered or n, "appointments": 0, "won": won, "lost": lost, "decided": n}
    return WinRate(key=key, intent=intent, **counted(counts, View.CLOSING).model_dump())


won_of = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("won", "decided", "low", "high"),
    [
        # Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(won: int, decided: int, low: float, high: float) -> None:
    assert interval(won, decided) == pytest.approx((low, high), abs=5e-5)


@given(won_of)
def test_the_interval_holds_the_rate_and_stays_between_0_and_1(pair: tuple[int, int]) -> None:
    won, decided = pair
    low, high = interval(won, decided)
    assert 0 <= low <= won / decided <= high <= 1
    assert interval(decided - won, decided) == pytest.approx((1 - high, 1 - low)), "what is lost mirrors what is won"


def test_where_nothing_is_decided_there_is_no_rate_and_no_interval() -> None:
    undecided = row(entered=2)
    assert (undecided.win_rate, undecided.low, undecided.high, undecided.decided) == (None, None, None, 0)


def test_a_lead_lost_and_then_won_is_decided_once() -> None:
    assert (row(won=2, lost=2, both=1).decided, row(won=2, lost=2, both=1).win_rate) == (3, 2 / 3)


def test_only_a_cohort_matures() -> None:
    counts = {"leads_entered": 4, "appointments": 0, "won": 1, "lost": 0, "decided": 1}
    assert (counted(counts, View.COHORT).maturity, counted(counts, View.CLOSING).maturity) == (0.25, None)


def test_rows_without_a_value_come_last_and_equals_by_key_and_intent() -> None:
    rows = [row("b", won=1, lost=1), row("a", won=9, lost=9), row("c", lost=1), row("d"), row("a", "seller", won=1)]

    def keys(by: Order | None, descending: bool) -> list[str]:
        return [f"{found.key} {found.intent}" for found in ordered(rows, by, descending)]

    assert keys(Order.WIN_RATE, True) == ["a seller", "a buyer", "b buyer", "c buyer", "d buyer"]
    assert keys(Order.WIN_RATE, False) == ["c buyer", "a buyer", "b buyer", "a seller", "d buyer"]
    assert keys(None, False) == ["a buyer", "a seller", "b buyer", "c buyer", "d buyer"]
    assert keys(Order.LEADS_ENTERED, True) == ["a buyer", "b buyer", "a seller", "c buyer", "d buyer"]
    assert keys(Order.INTENT, True) == ["a seller", "a buyer", "b buyer", "c buyer", "d buyer"]
    assert keys(Order.MATURITY, True) == keys(None, False), "a column that the table has not"


@given(st.integers(0, 60), st.integers(1, 25))
def test_the_pages_are_the_table_and_no_row_is_on_two(rows: int, limit: int) -> None:
    table = [row(f"{number:03}") for number in range(rows)]
    pages = [page_of(table, limit, page) for page in range(1, rows // limit + 2)]
    assert [found for page in pages for found in page] == table
    assert all(len(page) == limit for page in pages[:-1])
