"""An account's health: the window of sends, its terms, small samples, hysteresis, and what a manual resume does to it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import Fault
from outreach.accounts.domain_health import (
    BLOCKED_BELOW,
    BOUNCE_OF,
    MINIMUM_SENDS,
    MINIMUM_SENDS_OF_COMPLAINTS,
    UNBLOCKED_FROM,
    WINDOW_DAYS,
    WINDOW_SENDS,
    Health,
    Heard,
    Send,
    Standing,
    Trouble,
    Window,
    judge,
    resumed,
    window,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
COUNTS = st.dictionaries(st.sampled_from(Trouble), st.integers(0, 4) | st.integers(0, 300), max_size=4)
TROUBLES = st.sampled_from(Trouble)
UNBLOCKED = Standing()
BLOCKED = Standing(blocked=True, changed_at=NOW)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Any counts, also those of more troubles than sends: several may be heard of one send, and old ones come late."""
    sends = draw(st.integers(0, WINDOW_SENDS))
    return Window(sends, draw(st.integers(0, sends)), draw(COUNTS), draw(COUNTS))


def health(sends: int, heard: Mapping[Trouble, int], standing: Standing = UNBLOCKED) -> Health:
    return judge(Window(sends, sends, heard), standing, NOW)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def sent(count: int, *troubles: Trouble, minutes: float = 60) -> list[Send]:
    """`count` sends, the first of which so many minutes ago, of each of which all of this was heard at once."""
    times = [ago(minutes) + timedelta(seconds=n) for n in range(count)]
    return [Send(at, tuple(Heard(trouble, at) for trouble in troubles)) for at in times]


def with_one_more(counts: Mapping[Trouble, int], trouble: Trouble) -> dict[Trouble, int]:
    return {**counts, trouble: counts.get(trouble, 0) + 1}


# ---- bounds and monotonicity


@given(windows(), st.booleans())
def test_health_is_between_0_and_100_and_is_100_less_what_its_terms_lost(counted: Window, blocked: bool) -> None:
    found = judge(counted, Standing(blocked=blocked), NOW)
    assert 0 <= found.score <= 100
    left = 100 - sum(term.lost for term in found.terms)
    assert found.score <= max(left, 0) + 1e-9
    assert found.score >= left - 1 - 1e-9


def test_an_account_that_has_sent_nothing_or_nothing_bad_is_wholly_healthy() -> None:
    assert health(0, {}).score == health(1000, {}).score == health(3, {Trouble.COMPLAINT: 0}).score == 100
    assert health(1000, {}).terms == ()


@given(windows(), TROUBLES)
def test_trouble_heard_of_a_send_never_raises_health(counted: Window, trouble: Trouble) -> None:
    worse = replace(counted, heard=with_one_more(counted.heard, trouble))
    assert judge(worse, Standing(), NOW).score <= judge(counted, Standing(), NOW).score


@given(windows(), TROUBLES, st.integers(1, 300))
def test_further_sends_with_trouble_never_raise_health_though_they_thin_out_the_others(
    counted: Window, trouble: Trouble, more: int
) -> None:
    heard = {**counted.heard, trouble: counted.heard.get(trouble, 0) + more}
    worse = Window(counted.sends + more, counted.sends_since + more, heard, counted.known)
    assert judge(worse, Standing(), NOW).score <= judge(counted, Standing(), NOW).score


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("bad", [90, 130, 200])
def test_no_trouble_weighs_so_little_that_more_of_it_would_raise_a_low_health(trouble: Trouble, bad: int) -> None:
    heard = {Trouble.RECIPIENT_BOUNCE: bad}
    before = health(1000, heard).score
    assert health(1500, {**heard, trouble: heard.get(trouble, 0) + 500}).score <= before


@given(windows())
def test_a_further_good_send_never_lowers_health(counted: Window) -> None:
    better = replace(counted, sends=counted.sends + 1, sends_since=counted.sends_since + 1)
    assert judge(better, Standing(), NOW).score >= judge(counted, Standing(), NOW).score


@given(
    st.lists(st.tuples(st.integers(0, 60 * 24 * 40), st.none() | TROUBLES), max_size=30),
    st.integers(1, WINDOW_SENDS),
    st.none() | st.integers(0, 60 * 24 * 40),
)
def test_a_good_send_never_lowers_health_whatever_it_pushes_out_of_the_window(
    each: list[tuple[int, Trouble | None]], good: int, resumed_ago: int | None
) -> None:
    sends = [Send(ago(m), (Heard(trouble, ago(m / 2)),) if trouble else ()) for m, trouble in each]
    sends += sent(good, minutes=60 * 24)
    at = None if resumed_ago is None else ago(resumed_ago)
    before, after = window(sends, [], at, NOW), window([*sends, Send(NOW)], [], at, NOW)
    assert judge(after, Standing(), NOW).score >= judge(before, Standing(), NOW).score


# ---- thresholds and small samples


@pytest.mark.parametrize(
    ("complaints", "sends", "warns", "blocks"),
    [
        (1, 1000, True, False),
        (2, 1000, True, False),
        (3, 1000, True, True),  # 0.3 % exactly
        (2, 715, True, False),
        (2, 714, True, True),  # 0.28 %: a little before a provider would
        (1, 334, True, False),
    ],
)
def test_a_tenth_of_a_percent_of_complaints_warns_and_three_tenths_block(
    complaints: int, sends: int, warns: bool, blocks: bool
) -> None:
    found = health(sends, {Trouble.COMPLAINT: complaints})
    assert (found.warns, found.standing.blocked) == (warns, blocks)


@pytest.mark.parametrize(
    ("bounces", "sends", "warns", "blocks"),
    [(2, 100, False, False), (5, 100, True, False), (9, 100, True, False), (10, 100, True, True), (93, 1000, True, False), (94, 1000, True, True), (100, 1000, True, True)],
)  # fmt: skip
def test_five_percent_of_bounces_warn_and_ten_block(bounces: int, sends: int, warns: bool, blocks: bool) -> None:
    found = health(sends, {Trouble.RECIPIENT_BOUNCE: bounces})
    assert (found.warns, found.standing.blocked) == (warns, blocks)


@pytest.mark.parametrize("trouble", [t for t in Trouble if t is not Trouble.COMPLAINT])
def test_one_of_anything_but_a_complaint_at_the_first_send_of_all_blocks_nobody(trouble: Trouble) -> None:
    assert health(1, {trouble: 1}).score >= 75


def test_three_bounces_of_three_sends_block_nobody_and_ten_of_twelve_block() -> None:
    assert not health(3, {Trouble.RECIPIENT_BOUNCE: 3}).standing.blocked
    assert health(12, {Trouble.RECIPIENT_BOUNCE: 10}).standing.blocked


def test_three_complaints_in_a_row_block_and_one_alone_never_does() -> None:
    assert health(3, {Trouble.COMPLAINT: 3}).standing.blocked
    assert not any(health(sends, {Trouble.COMPLAINT: 1}).standing.blocked for sends in range(1, 1001))


@given(st.integers(334, WINDOW_SENDS), st.integers(0, 20))
def test_from_334_sends_on_three_tenths_of_a_percent_of_complaints_always_block(sends: int, complaints: int) -> None:
    if complaints * 1000 >= sends * 3:
        assert health(sends, {Trouble.COMPLAINT: complaints}).standing.blocked


@pytest.mark.parametrize(
    ("trouble", "minimum"),
    [(Trouble.RECIPIENT_BOUNCE, MINIMUM_SENDS), (Trouble.COMPLAINT, MINIMUM_SENDS_OF_COMPLAINTS)],
)
def test_below_the_minimum_sample_the_number_counts_and_above_it_the_rate(trouble: Trouble, minimum: int) -> None:
    below, exactly, above = (health(sends, {trouble: 1}).terms[0] for sends in (minimum - 1, minimum, minimum + 1))
    assert below.lost == exactly.lost > above.lost
    assert (below.sends, below.made) == (minimum, minimum - 1)
    assert (exactly.sends, exactly.made) == (minimum, minimum)
    assert (above.sends, above.made) == (minimum + 1, minimum + 1)


def test_whose_fault_a_bounce_is_decides_what_it_costs() -> None:
    costs = {fault: health(100, {BOUNCE_OF[fault]: 1}).terms[0].lost for fault in Fault}
    assert costs[Fault.REPUTATION] > costs[Fault.RECIPIENT] > costs[Fault.POLICY] > costs[Fault.TRANSIENT] >= 1


# ---- the explanation


def test_each_term_says_what_it_counted_and_what_that_cost() -> None:
    found = health(40, {Trouble.COMPLAINT: 1, Trouble.RECIPIENT_BOUNCE: 2})
    assert found.explain() == [
        "health 35 of 100, not blocked (blocked below 30, let go from 50)",
        "complaints: 1 in 40 sends, taken for 500, or 0.2 %, at 250 points a percent: 50 points lost",
        "bounces, no such recipient: 2 in 40 sends, taken for 100, or 2 %, at 7.5 points a percent: 15 points lost",
    ]
    (term,) = health(1000, {Trouble.COMPLAINT: 4}).terms
    assert term.explain() == "complaints: 4 in 1,000 sends, or 0.4 %, at 250 points a percent: 100 points lost"


def test_every_trouble_can_be_explained() -> None:
    found = health(100, dict.fromkeys(Trouble, 1))
    assert {term.trouble for term in found.terms} == set(Trouble)
    assert len(set(found.explain())) == 1 + len(Trouble)


# ---- hysteresis


def test_exactly_30_does_not_block_and_29_does() -> None:
    at_30 = {Trouble.RECIPIENT_BOUNCE: 4, Trouble.REPUTATION_BOUNCE: 2, Trouble.TRANSIENT_BOUNCE: 10}
    found = health(100, at_30)
    assert (found.score, found.standing) == (30, Standing())
    worse = health(100, with_one_more(at_30, Trouble.TRANSIENT_BOUNCE))
    assert (worse.score, worse.standing) == (29, BLOCKED)


def test_a_blocked_account_is_let_go_at_exactly_50_and_not_at_49() -> None:
    at_50 = {Trouble.RECIPIENT_BOUNCE: 4, Trouble.TRANSIENT_BOUNCE: 20}
    found = health(100, at_50, BLOCKED)
    assert (found.score, found.standing.blocked) == (50, False)
    worse = health(100, with_one_more(at_50, Trouble.TRANSIENT_BOUNCE), BLOCKED)
    assert (worse.score, worse.standing) == (49, BLOCKED)


@given(st.lists(windows(), max_size=20))
def test_between_two_changes_health_has_crossed_from_one_mark_to_the_other(life: list[Window]) -> None:
    standing = Standing()
    for hour, counted in enumerate(life):
        now = NOW + timedelta(hours=hour)
        found = judge(counted, standing, now)
        if found.standing.blocked != standing.blocked:
            assert found.score < BLOCKED_BELOW if found.standing.blocked else found.score >= UNBLOCKED_FROM
            assert found.standing.changed_at == now
        else:
            assert found.standing == standing
        assert judge(counted, found.standing, now + timedelta(hours=1)).standing == found.standing
        standing = found.standing


def test_it_recovers_from_the_moment_it_was_let_go_and_not_while_it_is_blocked() -> None:
    assert Standing().recovering_since is None
    blocked = health(100, {Trouble.COMPLAINT: 3}).standing
    assert blocked.recovering_since is None
    assert health(100, {}, blocked).standing.recovering_since == NOW


# ---- the window


def test_the_window_holds_the_last_thousand_sends_whatever_the_day() -> None:
    bad = sent(10, Trouble.RECIPIENT_BOUNCE, minutes=60 * 48)
    assert window(bad + sent(990), [], None, NOW).heard == {Trouble.RECIPIENT_BOUNCE: 10}
    pushed = window(bad + sent(991), [], None, NOW)
    assert (pushed.sends, pushed.heard) == (WINDOW_SENDS, {Trouble.RECIPIENT_BOUNCE: 9})


def test_a_send_counts_for_thirty_days_and_its_trouble_as_long_however_late_it_was_heard() -> None:
    edge = NOW - timedelta(days=WINDOW_DAYS)
    late = (Heard(Trouble.COMPLAINT, NOW),)
    assert window([Send(edge, late)], [], None, NOW) == Window()
    inside = window([Send(edge + timedelta(seconds=1), late)], [], None, NOW)
    assert inside == Window(1, 1, {Trouble.COMPLAINT: 1})


def test_a_captcha_counts_as_long_as_the_sends_around_it() -> None:
    captcha = Heard(Trouble.CAPTCHA, ago(60 * 24))
    assert window([], [captcha], None, NOW).heard == {Trouble.CAPTCHA: 1}
    assert window(sent(999), [captcha], None, NOW).heard == {Trouble.CAPTCHA: 1}
    assert window(sent(1000), [captcha], None, NOW).heard == {}
    assert window([], [Heard(Trouble.CAPTCHA, NOW - timedelta(days=WINDOW_DAYS))], None, NOW).heard == {}


def test_the_same_trouble_told_twice_of_one_send_counts_once_from_when_it_was_first_heard() -> None:
    twice = Send(ago(60), (Heard(Trouble.RECIPIENT_BOUNCE, ago(50)), Heard(Trouble.RECIPIENT_BOUNCE, ago(10))))
    assert window([twice], [], ago(30), NOW) == Window(1, 0, {}, {Trouble.RECIPIENT_BOUNCE: 1})
    both = Send(ago(60), (Heard(Trouble.TRANSIENT_BOUNCE, ago(50)), Heard(Trouble.COMPLAINT, ago(10))))
    assert window([both], [], None, NOW).heard == {Trouble.TRANSIENT_BOUNCE: 1, Trouble.COMPLAINT: 1}


# ---- the manual resume


BURNED = [*sent(100, minutes=120), *sent(30, Trouble.RECIPIENT_BOUNCE, Trouble.REPUTATION_BOUNCE, minutes=90)]
RESUMED_AT = ago(30)
RESUMED = resumed(Standing(blocked=True, changed_at=ago(60)), RESUMED_AT)


def after_resume(*news: Send) -> Health:
    return judge(window([*BURNED, *news], [], RESUMED.resumed_at, NOW), RESUMED, NOW)


def test_a_manual_resume_wipes_nothing_and_is_not_undone_by_what_was_known() -> None:
    assert judge(window(BURNED, [], None, NOW), Standing(), NOW).score == 0
    found = after_resume()
    assert (found.score, found.standing) == (UNBLOCKED_FROM, RESUMED)
    assert {(term.trouble, term.count, term.known) for term in found.terms} == {
        (Trouble.RECIPIENT_BOUNCE, 30, True),
        (Trouble.REPUTATION_BOUNCE, 30, True),
    }
    assert "known when it was resumed" in found.explain()[1]


def test_the_first_bounce_after_a_manual_resume_is_seen_at_once() -> None:
    assert after_resume(*sent(1, Trouble.RECIPIENT_BOUNCE, minutes=29)).score == 42


@pytest.mark.parametrize(
    ("trouble", "blocks_at"),
    [(Trouble.COMPLAINT, 1), (Trouble.REPUTATION_BOUNCE, 2), (Trouble.RECIPIENT_BOUNCE, 3), (Trouble.CAPTCHA, 1)],
)
def test_a_resumed_account_is_blocked_again_by_few_new_troubles_and_by_no_fewer(
    trouble: Trouble, blocks_at: int
) -> None:
    assert not after_resume(*sent(blocks_at - 1, trouble, minutes=29)).standing.blocked
    again = after_resume(*sent(blocks_at, trouble, minutes=29))
    assert again.standing == Standing(blocked=True, changed_at=NOW, resumed_at=RESUMED_AT)


def test_what_is_heard_after_a_resume_is_new_even_of_a_send_before_it() -> None:
    late = Send(ago(100), (Heard(Trouble.COMPLAINT, RESUMED_AT),))
    known = Send(ago(100), (Heard(Trouble.COMPLAINT, RESUMED_AT - timedelta(seconds=1)),))
    assert after_resume(late).standing.blocked
    assert not after_resume(known).standing.blocked


def test_successes_before_a_resume_do_not_thin_out_the_bounces_after_it() -> None:
    good = sent(500, minutes=110)
    news = sent(3, Trouble.RECIPIENT_BOUNCE, minutes=29)
    counted = window([*BURNED, *good, *news], [], RESUMED_AT, NOW)
    (new,) = (term for term in judge(counted, RESUMED, NOW).terms if not term.known)
    assert (new.count, new.made, new.sends) == (3, 3, MINIMUM_SENDS)


@given(windows(), TROUBLES)
def test_right_after_a_resume_nothing_known_blocks_and_the_next_trouble_lowers_health(
    counted: Window, trouble: Trouble
) -> None:
    known = Window(counted.sends, 0, {}, counted.known)
    found = judge(known, RESUMED, NOW)
    assert found.score >= UNBLOCKED_FROM
    news = Window(counted.sends + 1, 1, {trouble: 1}, counted.known)
    lost = [term.lost for term in judge(news, RESUMED, NOW).terms if not term.known]
    assert len(lost) == 1
    assert lost[0] >= 1


def test_a_second_resume_takes_what_was_heard_since_the_first_for_known() -> None:
    again = resumed(after_resume(*sent(3, Trouble.RECIPIENT_BOUNCE, minutes=29)).standing, ago(10))
    sends = [*BURNED, *sent(3, Trouble.RECIPIENT_BOUNCE, minutes=29)]
    assert judge(window(sends, [], again.resumed_at, NOW), again, NOW).score == UNBLOCKED_FROM


def test_an_account_that_is_not_blocked_has_nothing_to_be_forgiven() -> None:
    assert resumed(Standing(), NOW) == Standing()
    assert resumed(RESUMED, NOW) == RESUMED
