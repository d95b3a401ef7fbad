"""Variants are given out in proportion and stay as they were given; one is stopped or wins when that is clear, and not before."""

from math import sqrt
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.templates.domain_variant import (
    MINIMUM_SAMPLE,
    MOST_COMPLAINTS,
    MOST_UNSUBSCRIBES,
    Sign,
    Standing,
    Tally,
    Variant,
    VariantError,
    assign,
    judge,
    wilson,
)

WEIGHTS = st.floats(0.1, 10)
VARIANTS = st.dictionaries(st.text(max_size=5), WEIGHTS, min_size=1, max_size=6).map(
    lambda weights: [Variant(name, weight) for name, weight in weights.items()]
)
KEYS = [f"step/{number}" for number in range(4000)]


@given(VARIANTS, st.uuids() | st.text(), st.randoms())
def test_a_key_gets_one_variant_always_in_whatever_order_they_stand(
    variants: list[Variant], key: UUID | str, shuffle
) -> None:  # type: ignore[no-untyped-def]
    given_ = assign(variants, key)
    shuffle.shuffle(variants)
    assert assign(variants, key) == given_
    assert given_ in {variant.name for variant in variants}


def test_what_was_given_stays_given_from_one_release_to_the_next() -> None:
    variants = [Variant("a", 1), Variant("b", 3), Variant("c", 2)]
    keys = [UUID(int=number) for number in range(12)]
    assert "".join(assign(variants, key) for key in keys) == "ababbaccacbb"


@settings(max_examples=30)
@given(st.lists(WEIGHTS, min_size=2, max_size=5))
def test_each_gets_its_share(weights: list[float]) -> None:
    variants = [Variant(f"v{number}", weight) for number, weight in enumerate(weights)]
    given_ = [assign(variants, key) for key in KEYS]
    for variant in variants:
        share = variant.weight / sum(weights)
        # Five standard deviations: of a thousand such shares not one is to lie outside by chance.
        assert abs(given_.count(variant.name) / len(KEYS) - share) < 5 * sqrt(share * (1 - share) / len(KEYS))


@given(st.lists(WEIGHTS, min_size=1, max_size=4), WEIGHTS)
def test_one_that_is_added_takes_its_share_and_moves_nobody_between_the_others(
    weights: list[float], new: float
) -> None:
    before = [Variant(f"v{number}", weight) for number, weight in enumerate(weights)]
    after = [*before, Variant("new", new)]
    for key in KEYS[:500]:
        assert assign(after, key) in {assign(before, key), "new"}


@given(st.lists(WEIGHTS, min_size=2, max_size=4), st.integers(0, 3))
def test_one_that_is_stopped_hands_on_its_own_people_only(weights: list[float], which: int) -> None:
    before = [Variant(f"v{number}", weight) for number, weight in enumerate(weights)]
    stopped = before[which % len(before)].name
    after = [Variant(variant.name, 0 if variant.name == stopped else variant.weight) for variant in before]
    for key in KEYS[:500]:
        was, is_ = assign(before, key), assign(after, key)
        assert is_ != stopped
        assert is_ == was or was == stopped


def test_the_same_people_do_not_get_the_same_variant_of_every_step() -> None:
    variants = [Variant("a"), Variant("b")]
    leads = [uuid4() for _ in range(2000)]
    alike = sum(assign(variants, f"1/{lead}") == assign(variants, f"2/{lead}") for lead in leads)
    assert 800 < alike < 1200


@pytest.mark.parametrize(
    "variants",
    [[], [Variant("a", 0)], [Variant("a"), Variant("a")], [Variant("a", -1)], [Variant("a", float("nan"))], [Variant("a", float("inf"))]],
)  # fmt: skip
def test_variants_that_nobody_could_be_given_are_refused(variants: list[Variant]) -> None:
    with pytest.raises(VariantError):
        assign(variants, "key")


def test_wilsons_interval_is_that_of_the_literature() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for count, of, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        rate = wilson(count, of)
        assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_an_interval_holds_the_share_and_lies_within_0_and_1(count: int, of: int) -> None:
    rate = wilson(count, of)
    assert 0 <= rate.low <= rate.share <= rate.high <= 1


def standing(**counts: int) -> Standing:
    return judge({"a": Tally(**counts)}).variants["a"].standing


def test_one_complaint_of_200_stops_nothing_and_two_do() -> None:
    assert standing(sent=200, complaints=1) is Standing.OPEN
    assert standing(sent=200, complaints=2) is Standing.STOPPED


def test_199_messages_are_too_few_to_stop_at_any_share_and_200_are_enough() -> None:
    assert MINIMUM_SAMPLE == 200
    assert standing(sent=199, complaints=50, unsubscribes=150) is Standing.TOO_EARLY
    assert standing(sent=200, complaints=50) is Standing.STOPPED
    assert standing(sent=200, unsubscribes=150) is Standing.STOPPED


def test_complaints_of_exactly_one_in_a_thousand_never_stop() -> None:
    assert MOST_COMPLAINTS == 0.001
    assert standing(sent=1_000, complaints=1) is Standing.OPEN
    assert standing(sent=10_000_000, complaints=10_000) is Standing.OPEN
    assert standing(sent=10_000_000, complaints=10_300) is Standing.STOPPED


def test_unsubscribes_of_exactly_two_in_a_hundred_never_stop() -> None:
    assert MOST_UNSUBSCRIBES == 0.02
    assert standing(sent=1_000, unsubscribes=20) is Standing.OPEN
    assert standing(sent=10_000_000, unsubscribes=200_000) is Standing.OPEN
    assert standing(sent=10_000_000, unsubscribes=201_000) is Standing.STOPPED


def test_a_guard_stops_where_the_interval_is_above_it_and_not_before() -> None:
    assert [standing(sent=1_000, complaints=count) for count in (2, 3)] == [Standing.OPEN, Standing.STOPPED]
    assert [standing(sent=1_000, unsubscribes=count) for count in (28, 29)] == [Standing.OPEN, Standing.STOPPED]


def test_41_positive_replies_of_1000_do_not_surely_beat_20_and_42_do() -> None:
    assert judge({"a": Tally(1000, 20), "b": Tally(1000, 41)}).winner is None
    judgement = judge({"a": Tally(1000, 20), "b": Tally(1000, 42)})
    assert judgement.winner == "b"
    assert judgement.variants["b"].standing is Standing.WINNER
    assert judgement.variants["a"].standing is Standing.OPEN


def test_nobody_wins_before_everyone_has_the_minimum_sample() -> None:
    early = judge({"a": Tally(10_000, 20), "b": Tally(10_000, 4_000), "c": Tally(MINIMUM_SAMPLE - 1)})
    assert early.winner is None
    assert early.reason == "c has sent fewer than 200 messages"
    assert judge({"a": Tally(10_000, 20), "b": Tally(10_000, 4_000), "c": Tally(MINIMUM_SAMPLE)}).winner == "b"


def test_wins_decide_before_replies_do() -> None:
    judgement = judge({"a": Tally(1000, positive_replies=200, wins=5), "b": Tally(1000, positive_replies=50, wins=40)})
    assert judgement.winner == "b"
    assert judgement.reason.startswith("wins of b")


def test_whoever_is_surely_behind_another_at_wins_is_no_winner_by_replies() -> None:
    tallies = {"a": Tally(1000, 200, wins=5), "b": Tally(1000, 50, wins=40), "c": Tally(1000, 50, wins=39)}
    judgement = judge(tallies)
    assert judgement.winner is None
    assert judgement.reason == "a leads at positive replies and is surely behind another at wins"


def test_a_stopped_variant_wins_nothing_and_is_in_nobodys_way() -> None:
    bad = Tally(1000, positive_replies=500, complaints=20)
    assert judge({"a": Tally(1000, 20), "b": bad}).winner is None
    judgement = judge({"a": Tally(1000, 20), "b": bad, "c": Tally(1000, 60)})
    assert judgement.winner == "c"
    assert judgement.variants["b"].standing is Standing.STOPPED


def test_one_variant_alone_and_none_at_all_win_nothing() -> None:
    assert judge({}).winner is None
    assert judge({"a": Tally(10_000, 9_000, 9_000)}).winner is None


def test_a_standing_is_explained_term_by_term() -> None:
    assert judge({"a": Tally(1000, positive_replies=42, wins=3, complaints=1, unsubscribes=29)}).variants[
        "a"
    ].terms == (
        "sent 1000, at least 200 are needed: enough",
        "wins 3 of 1000, 0.30% (0.10% to 0.88%)",
        "positive replies 42 of 1000, 4.20% (3.12% to 5.63%)",
        "complaints 1 of 1000, 0.10% (0.02% to 0.56%), allowed 0.1%: not surely more",
        "unsubscribes 29 of 1000, 2.90% (2.03% to 4.13%), allowed 2.0%: surely more, stopped",
    )


@given(st.dictionaries(st.text(max_size=3), st.builds(Tally, *[st.integers(0, 3000)] * 5), max_size=5))
def test_no_counts_break_the_judging_and_a_winner_is_ahead_of_all(tallies: dict[str, Tally]) -> None:
    judgement = judge(tallies)
    assert judgement.variants.keys() == tallies.keys()
    assert judgement.reason
    if judgement.winner is not None:
        best = judgement.variants[judgement.winner]
        others = [each for each in judgement.variants.values() if each.standing is Standing.OPEN]
        assert others
        goals = (Sign.WINS, Sign.POSITIVE_REPLIES)
        assert any(all(best.rates[goal].low > each.rates[goal].high for each in others) for goal in goals)


def test_counts_below_zero_are_refused() -> None:
    with pytest.raises(VariantError):
        judge({"a": Tally(1000, wins=-1)})
