"""The rate limit's rule, whatever is asked of it and when."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.limits.window import Counter, Usage

WINDOW = 60_000
limits = st.integers(1, 300)
usages = st.builds(
    Usage, st.just(WINDOW), st.integers(0, 300), st.integers(0, 300), st.integers(min_value=0, max_value=WINDOW - 1)
)
asks = st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 400)), max_size=40)


@given(asks, limits)
def test_no_window_that_stands_still_lets_more_than_the_limit_through(asked: list[tuple[int, int]], limit: int) -> None:
    counter, now, through = Counter(), 0, dict[int, int]()
    for pause, wanted in asked:
        now += pause
        granted, _ = counter.take(wanted, limit, WINDOW, now)
        assert 0 <= granted <= wanted
        through[now // WINDOW] = through.get(now // WINDOW, 0) + granted
    assert all(count <= limit for count in through.values())


@given(st.integers(0, WINDOW - 1), limits)
def test_who_always_asks_for_more_gets_the_limit_a_window(begin: int, limit: int) -> None:
    counter = Counter()
    total = sum(counter.take(limit, limit, WINDOW, begin + now)[0] for now in range(0, 10 * WINDOW + 1, 500))
    # At once a full window's, and then as many as fall out of it.
    assert 9 * limit <= total <= 11 * limit


@given(usages, limits)
def test_after_the_wait_more_is_free_and_not_a_millisecond_before(usage: Usage, limit: int) -> None:
    def free_in(wait: int) -> int:
        counter = Counter(index=7, previous=usage.previous, current=usage.current)
        return counter.take(0, limit, WINDOW, 7 * WINDOW + usage.elapsed + wait)[1].free(limit)

    wait = usage.wait(limit)
    if usage.used == 0:
        assert wait == 0
    else:
        assert free_in(wait) > usage.free(limit)
        assert free_in(wait - 1) == usage.free(limit)


@given(asks, limits)
def test_what_is_granted_is_what_was_free(asked: list[tuple[int, int]], limit: int) -> None:
    counter, now = Counter(), 0
    for pause, wanted in asked:
        now += pause
        _, before = counter.take(0, limit, WINDOW, now)
        granted, after = counter.take(wanted, limit, WINDOW, now)
        assert granted == min(wanted, before.free(limit))
        assert after.used == before.used + granted


def test_a_limit_that_is_lowered_holds_at_once_and_one_that_is_raised_too() -> None:
    counter = Counter()
    assert counter.take(200, 100, WINDOW, 0)[0] == 100
    assert counter.take(200, 10, WINDOW, 1)[0] == 0
    assert counter.take(200, 150, WINDOW, 2)[0] == 50
