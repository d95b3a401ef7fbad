"""The bounce guard of domains and campaigns, and the circuit breaker of a provider."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from outreach.accounts.domain_guard import MINIMUM, Breaker, Circuit, Decision, Level, Reason, Tally, Tolerance, guard

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LEVELS = st.sampled_from(Level)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    sends = draw(st.integers(0, 2000))
    return Tally(sends, draw(st.integers(0, sends)), draw(st.integers(0, min(sends, 20))))


def decided(level: Level, since: Tally, known: Tally | None = None) -> Decision:
    return guard(level, since, known).decision


def severity(level: Level, since: Tally, known: Tally) -> int:
    return list(Decision).index(decided(level, since, known))


# ---- the bounce guard


@pytest.mark.parametrize("level", Level)
def test_five_percent_of_bounces_warn_and_ten_stop_at_every_level(level: Level) -> None:
    assert decided(level, Tally(1000, 49)) is Decision.OK
    assert decided(level, Tally(1000, 50)) is Decision.WARN
    assert decided(level, Tally(1000, 99)) is Decision.WARN
    assert decided(level, Tally(1000, 100)) is Decision.STOP


@pytest.mark.parametrize("level", Level)
def test_a_tenth_of_a_percent_of_complaints_warns_and_three_tenths_stop_at_every_level(level: Level) -> None:
    assert decided(level, Tally(1001, 0, 1)) is Decision.OK
    assert decided(level, Tally(1000, 0, 1)) is Decision.WARN
    assert decided(level, Tally(1000, 0, 2)) is Decision.WARN
    assert decided(level, Tally(1000, 0, 3)) is Decision.STOP
    assert decided(level, Tally(3, 0, 3)) is Decision.STOP
    assert decided(level, Tally(3, 0, 1)) is Decision.WARN


@pytest.mark.parametrize(
    ("level", "stops_at"),
    [(Level.SENDER_DOMAIN, 10), (Level.CAMPAIGN, 5)],
)
def test_up_to_the_minimum_sample_a_number_of_bounces_stops_and_beyond_it_the_rate(level: Level, stops_at: int) -> None:
    minimum = MINIMUM[level]
    for sends in (stops_at, minimum - 1, minimum):
        assert decided(level, Tally(sends, stops_at)) is Decision.STOP
        assert decided(level, Tally(sends, stops_at - 1)) is not Decision.STOP
    assert decided(level, Tally(minimum + 1, stops_at)) is not Decision.STOP


def test_nothing_sent_is_nothing_wrong() -> None:
    assert guard(Level.SENDER_DOMAIN, Tally()).explain() == "bounces and complaints are as rare as they should be"


def test_a_verdict_says_which_rate_is_too_high_and_the_worse_of_two_counts() -> None:
    both = guard(Level.SENDER_DOMAIN, Tally(1000, 100, 1))
    assert (both.decision, both.reason) == (Decision.STOP, Reason.BOUNCES)
    assert both.explain() == "stop: bounces, 100 of 1,000 sends; the limit is 10 %"
    assert (
        guard(Level.SENDER_DOMAIN, Tally(1000, 50, 1)).explain()
        == "warn: complaints, 1 of 1,000 sends; the limit is 0.1 %"
    )


def test_a_verdict_says_what_was_counted_where_the_rate_is_taken_over_more_or_something_was_known() -> None:
    assert (
        guard(Level.CAMPAIGN, Tally(5, 5)).explain() == "stop: bounces, 5 of 5 sends, taken over 50; the limit is 10 %"
    )
    again = guard(Level.CAMPAIGN, Tally(4, 3), Tally(41, 5))
    assert again.explain() == (
        "stop: bounces, 3 of 4 sends since it was resumed, taken over 50, besides 5 of 41 before; the limit is 10 %"
    )


@pytest.mark.parametrize("level", Level)
def test_what_was_known_when_a_person_went_on_cannot_stop_again_but_half_as_much_that_is_new_does(level: Level) -> None:
    known = Tally(1000, 500, 50)
    assert decided(level, Tally(), known) is Decision.WARN
    half = MINIMUM[level] // 20
    assert decided(level, Tally(MINIMUM[level], half), known) is (
        Decision.STOP if half * 20 >= MINIMUM[level] else Decision.WARN
    )
    assert decided(level, Tally(MINIMUM[level], half + 1), known) is Decision.STOP
    assert decided(level, Tally(1, 0, 1), known) is Decision.STOP


@given(LEVELS, tallies(), tallies())
def test_more_trouble_never_makes_it_milder_and_more_good_sends_never_stricter(
    level: Level, since: Tally, known: Tally
) -> None:
    now = severity(level, since, known)
    assert severity(level, Tally(since.sends, since.bounces + 1, since.complaints), known) >= now
    assert severity(level, Tally(since.sends, since.bounces, since.complaints + 1), known) >= now
    assert severity(level, Tally(since.sends + 1, since.bounces + 1, since.complaints), known) >= now
    assert severity(level, Tally(since.sends + 1, since.bounces, since.complaints), known) <= now


@given(LEVELS, tallies())
def test_the_known_alone_never_stops(level: Level, known: Tally) -> None:
    assert decided(level, Tally(), known) is not Decision.STOP


# ---- the circuit breaker


TOLERANCE = Tolerance(failures=3, pause=timedelta(seconds=30), longest=timedelta(seconds=100))
SECOND = timedelta(seconds=1)


def broken() -> Breaker:
    breaker = Breaker()
    for _ in range(TOLERANCE.failures):
        breaker = breaker.failed(NOW, NOW, TOLERANCE)
    return breaker


def probing(breaker: Breaker, now: datetime) -> Breaker:
    asked, allowed = breaker.ask(now, TOLERANCE)
    assert allowed
    assert asked.circuit is Circuit.HALF_OPEN
    return asked


def test_it_opens_at_exactly_so_many_failures_and_asks_nothing_until_the_pause_is_over() -> None:
    twice = Breaker().failed(NOW, NOW, TOLERANCE).failed(NOW, NOW, TOLERANCE)
    assert twice.ask(NOW, TOLERANCE) == (twice, True)
    open_ = twice.failed(NOW, NOW, TOLERANCE)
    assert (open_.circuit, open_.until, open_.earliest(TOLERANCE)) == (
        Circuit.OPEN,
        NOW + 30 * SECOND,
        NOW + 30 * SECOND,
    )
    assert open_.ask(NOW + 29 * SECOND, TOLERANCE) == (open_, False)
    probing(open_, NOW + 30 * SECOND)


def test_failures_further_apart_than_the_window_do_not_open_it() -> None:
    breaker = Breaker()
    for n in range(10):
        now = NOW + n * TOLERANCE.window / 2
        breaker = breaker.failed(now, now, TOLERANCE)
        assert breaker.circuit is Circuit.CLOSED
        assert len(breaker.failed_at) <= 2
    assert breaker.earliest(TOLERANCE) is None


def test_a_success_between_failures_does_not_hide_them() -> None:
    breaker = Breaker().failed(NOW, NOW, TOLERANCE).failed(NOW, NOW, TOLERANCE).succeeded(NOW)
    assert breaker.failed(NOW, NOW, TOLERANCE).circuit is Circuit.OPEN


def test_half_open_lets_a_single_probe_through() -> None:
    now = NOW + 30 * SECOND
    asked = probing(broken(), now)
    assert asked.ask(now, TOLERANCE) == (asked, False)
    assert asked.ask(now + 119 * SECOND, TOLERANCE) == (asked, False)
    assert asked.earliest(TOLERANCE) == now + TOLERANCE.patience


def test_a_probe_that_comes_through_closes_it_and_forgets() -> None:
    now = NOW + 30 * SECOND
    assert probing(broken(), now).succeeded(now) == Breaker()


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    breaker, now, pauses = broken(), NOW, []
    for _ in range(5):
        assert breaker.until is not None
        pauses.append((breaker.until - now) / SECOND)
        now = breaker.until
        breaker = probing(breaker, now).failed(now, now, TOLERANCE)
    assert pauses == [30, 60, 100, 100, 100]


def test_a_probe_whose_worker_died_makes_room_for_another_and_its_late_word_counts_no_more() -> None:
    first = NOW + 30 * SECOND
    second = first + TOLERANCE.patience
    asked = probing(probing(broken(), first), second)
    assert asked.succeeded(first) == asked.failed(first, second, TOLERANCE) == asked
    assert asked.succeeded(second) == Breaker()


def test_what_was_handed_over_before_it_opened_neither_closes_nor_prolongs_it() -> None:
    open_ = broken()
    assert open_.succeeded(NOW) == open_.failed(NOW, NOW + SECOND, TOLERANCE) == open_
    asked = probing(open_, NOW + 30 * SECOND)
    assert asked.succeeded(NOW) == asked.failed(NOW, NOW + 31 * SECOND, TOLERANCE) == asked


def test_a_long_outage_grows_no_number_without_bound() -> None:
    long = Breaker(Circuit.HALF_OPEN, openings=100_000, probed_at=NOW).failed(NOW, NOW, TOLERANCE)
    assert long.until == NOW + TOLERANCE.longest


class Traffic(RuleBasedStateMachine):
    """A provider that answers or not, in whatever order, while workers ask the breaker."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = NOW
        self.on_their_way: list[datetime] = []
        self.probes: list[datetime] = []

    @rule(seconds=st.integers(1, 150))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def ask(self) -> None:
        before = self.breaker
        self.breaker, allowed = before.ask(self.now, TOLERANCE)
        earliest = before.earliest(TOLERANCE)
        assert allowed is (earliest is None or self.now >= earliest)
        if allowed:
            self.on_their_way.append(self.now)
            if before.circuit is not Circuit.CLOSED:
                self.probes.append(self.now)

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        asked_at = self.on_their_way.pop(data.draw(st.integers(0, len(self.on_their_way) - 1)))
        before, self.breaker = self.breaker, self.breaker.succeeded(asked_at)
        assert (before.circuit is self.breaker.circuit) or asked_at in self.probes

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        asked_at = self.on_their_way.pop(data.draw(st.integers(0, len(self.on_their_way) - 1)))
        self.breaker = self.breaker.failed(asked_at, self.now, TOLERANCE)

    @invariant()
    def it_is_one_of_three(self) -> None:
        breaker = self.breaker
        assert (breaker.until is not None) is (breaker.circuit is Circuit.OPEN)
        assert (breaker.probed_at is not None) is (breaker.circuit is Circuit.HALF_OPEN)
        assert len(breaker.failed_at) < TOLERANCE.failures
        if breaker.until is not None:
            assert breaker.until - self.now <= TOLERANCE.longest

    @invariant()
    def probes_are_as_far_apart_as_the_shortest_wait(self) -> None:
        """Two probes are never on their way at once, unless the first is taken for lost."""
        waits = [later - earlier for earlier, later in zip(self.probes, self.probes[1:], strict=False)]
        assert all(wait >= TOLERANCE.pause for wait in waits)


TestTraffic = Traffic.TestCase
