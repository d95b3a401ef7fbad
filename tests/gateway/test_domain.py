"""The gateway's own arithmetic: intervals, orders, and what the activity list says."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.aggregator.events import StoredEvent
from contracts.aggregator.win_rates import WinRate
from gateway.credentials import SignInToken, digest, key_id_of, matches, new_key
from gateway.domain_activity import tell
from gateway.domain_win_rate import Order, decided, interval, ranked


def row(key: str = "web", intent: str = "buyer", won: int = 0, lost: int = 0, both: int = 0) -> WinRate:
    """A group in which `both` of the leads were lost first and then won."""
    n = won + lost - both
    return WinRate(
        key=key, intent=intent, leads_entered=n, appointments=0, won=won, lost=lost, win_rate=won / n if n else None
    )


counts = st.tuples(st.integers(0, 5000), st.integers(0, 5000)).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), st.integers(0, min(pair)))
)


@given(counts)
def test_the_denominator_is_had_back_from_the_rate(pair: tuple[int, int, int]) -> None:
    won, lost, both = pair
    assert decided(row(won=won, lost=lost, both=both)) == won + lost - both


@given(counts)
def test_the_interval_holds_the_rate_and_stays_between_0_and_1(pair: tuple[int, int, int]) -> None:
    found = row(won=pair[0], lost=pair[1], both=pair[2])
    low, high = interval(found)
    assert 0 <= low <= high <= 1
    assert found.win_rate is None or low - 1e-9 <= found.win_rate <= high + 1e-9


def test_the_interval_is_wilsons() -> None:
    low, high = interval(row(won=1, lost=9))
    assert (low, high) == pytest.approx((0.017876, 0.404150), abs=1e-5)


def test_rows_are_ranked_and_those_without_a_rate_come_last() -> None:
    rows = [row("b", won=1, lost=1), row("a", won=9, lost=9), row("c", lost=1), row("d"), row("a", "seller", won=1)]
    assert [r.key for r in ranked(rows, Order.RATE)] == ["a", "a", "b", "c", "d"]
    assert ranked(rows, Order.RATE)[0].intent == "seller"
    assert [r.key for r in ranked(rows, Order.KEY)] == ["a", "a", "b", "c", "d"]
    assert [r.key for r in ranked(rows, Order.LEADS)] == ["a", "b", "a", "c", "d"]
    assert [r.key for r in ranked(rows, Order.WON)] == ["a", "a", "b", "c", "d"]


def test_an_api_key_names_its_id_and_is_known_by_its_digest() -> None:
    id_ = UUID("019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11")
    key = new_key(id_)
    assert key.startswith("ll_019a2f3e8c1d7b549d7e3f5f0c2b6a11_")
    assert len(key.split("_", 2)[2]) >= 43, "32 random bytes in base64"
    assert key_id_of(key) == id_
    assert matches(key, digest(key)) and not matches(key[:-1], digest(key)) and new_key(id_) != key


@given(st.text())
def test_whatever_is_shown_as_a_key_is_read_without_an_error(text: str) -> None:
    assert key_id_of(text) is None
    assert str(SignInToken.read(text)) in (text, text + ".")


def test_the_activity_list_says_what_happened_in_words_of_ours_only() -> None:
    event = StoredEvent(
        event_id=UUID(int=1), type="outcomes.event.outcome_refused.v1", occurred_at=datetime(2020, 1, 1, tzinfo=UTC),
        stored_at=datetime(2026, 1, 1, tzinfo=UTC), lead_id=UUID("019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"),
        body={"type": "closed_won", "refusal": "won_after_lost", "metadata": {"type": "Ada"}, "source_id": "Ada"},
    )  # fmt: skip
    line = tell(event)
    assert (line.owner, line.what, line.more) == ("outcomes", "Outcome refused", "closed won, won after lost")
    assert (line.lead, line.at.year) == ("2b6a11", 2026)
    assert "Ada" not in repr(line)
