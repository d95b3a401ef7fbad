"""Capacity, its ramp after an absence, and Jain's index."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from intake.distribution.domain_capacity import capacity_score, effective_capacity, fairness

RETURN = datetime(2026, 11, 2, 9, tzinfo=UTC)
RAMP = timedelta(hours=8)
loads = st.lists(st.floats(0, 100, allow_subnormal=False), min_size=1, max_size=50)


def test_capacity_grows_evenly_from_what_was_held_at_the_return() -> None:
    grown = [effective_capacity(20, 4, RETURN, RETURN + timedelta(hours=hours), RAMP) for hours in range(10)]
    assert grown == [4, 6, 8, 10, 12, 14, 16, 18, 20, 20]


@given(st.integers(0, 200), st.integers(0, 250), st.integers(0, 600), st.integers(0, 600), st.integers(0, 480))
def test_a_ramp_never_shrinks_and_never_exceeds_the_capacity(
    capacity: int, held: int, first: int, second: int, ramp: int
) -> None:
    def after(minutes: int) -> int:
        return effective_capacity(capacity, held, RETURN, RETURN + timedelta(minutes=minutes), timedelta(minutes=ramp))

    early, late = sorted((first, second))
    assert min(held, capacity) <= after(early) <= after(late) <= capacity
    assert after(max(ramp, late)) <= capacity
    assert after(ramp) == capacity


def test_who_was_not_away_has_their_whole_capacity() -> None:
    assert effective_capacity(20, 0, None, RETURN, RAMP) == 20


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_capacity_score_is_between_full_and_free(active: int, effective: int) -> None:
    assert 0 <= capacity_score(active, effective) <= 1
    assert (capacity_score(active, effective) == 0) is (active >= effective)


@given(loads)
def test_fairness_is_between_one_taking_all_and_everybody_the_same(values: list[float]) -> None:
    assert 1 / len(values) - 1e-9 <= fairness(values) <= 1 + 1e-9


@given(st.integers(1, 50), st.floats(0.01, 100))
def test_equal_loads_are_fair_and_one_owner_of_everything_is_not(agents: int, load: float) -> None:
    assert abs(fairness([load] * agents) - 1) < 1e-9
    assert abs(fairness([load] + [0.0] * (agents - 1)) - 1 / agents) < 1e-9


def test_no_load_at_all_is_fair() -> None:
    assert fairness([]) == fairness([0.0, 0.0]) == 1.0
