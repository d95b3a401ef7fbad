"""The rules of outcomes: blocks, warnings, repeats, the future, and the state as a fold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.outcomes import REASON_UNKNOWN, LeadStateView, OutcomeVerdict, Refusal, SequenceWarning
from contracts.taxonomy import STAGE_OF, OutcomeType
from outcomes.domain import CLOCK_SKEW, History, Judgement, Recorded, blocked, in_state_order, state_of, warnings

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
WON, LOST, INVALID = OutcomeType.CLOSED_WON, OutcomeType.CLOSED_LOST, OutcomeType.INVALID
CONTACTED, APPOINTMENT = OutcomeType.CONTACTED, OutcomeType.APPOINTMENT_SET
OPPOSITE = {WON: LOST, LOST: WON}


def record(
    history: History, type_: OutcomeType, occurred_at: datetime = NOW, key: str = "", override: bool = False
) -> Judgement:
    return history.record(uuid4(), type_, occurred_at, key, heard_at=NOW, override=override)


class AnySequence(RuleBasedStateMachine):
    """Whatever is reported of a lead in whatever order, and voided: a naive ledger beside the history must agree with it."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.ledger: dict[tuple[OutcomeType, datetime, str], UUID] = {}
        self.voided: set[UUID] = set()
        self.reverted: list[tuple[OutcomeType, datetime, str]] = []
        self.recorded: list[UUID] = []
        self.overridden = False

    def standing(self) -> list[tuple[OutcomeType, datetime]]:
        return [(type_, at) for (type_, at, _), id_ in self.ledger.items() if id_ not in self.voided]

    @precondition(lambda self: self.ledger)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        outcome_id = data.draw(st.sampled_from(list(self.ledger.values())))
        self.history = self.history.without(outcome_id)
        self.voided.add(outcome_id)

    @precondition(lambda self: set(self.ledger.values()) - self.voided)
    @rule(data=st.data())
    def revert(self, data: st.DataObject) -> None:
        """Its import is taken back: as if it had never been recorded, but for its place."""
        standing = [identity for identity, id_ in self.ledger.items() if id_ not in self.voided]
        identity = data.draw(st.sampled_from(standing))
        outcome_id = self.ledger.pop(identity)
        self.reverted.append(identity)
        self.history = History(
            replace(outcome, voided=True, reverted=True) if outcome.outcome_id == outcome_id else outcome
            for outcome in self.history.recorded
        )

    @rule(
        type_=st.sampled_from(OutcomeType),
        days=st.integers(-3, 1),
        key=st.sampled_from(["", "a"]),
        override=st.booleans(),
    )
    def report(self, type_: OutcomeType, days: int, key: str, override: bool) -> None:
        occurred_at = NOW + timedelta(days=days)
        types = [known for known, _ in self.standing()]
        judgement = record(self.history, type_, occurred_at, key, override)
        identity = (type_, occurred_at, key)
        contradicts = OPPOSITE.get(type_) in types
        if identity in self.ledger:
            assert (judgement.verdict, judgement.outcome_id) == (OutcomeVerdict.DUPLICATE, self.ledger[identity])
            assert judgement.voided == (judgement.outcome_id in self.voided)
        elif days > 0:
            assert (judgement.verdict, judgement.refusal) == (OutcomeVerdict.REFUSED, Refusal.IN_FUTURE)
        elif contradicts and not override:
            assert judgement.verdict is OutcomeVerdict.BLOCKED
            assert judgement.refusal in (Refusal.WON_AFTER_LOST, Refusal.LOST_AFTER_WON)
        else:
            assert judgement.verdict is OutcomeVerdict.RECORDED
            assert judgement.outcome_id
            assert judgement.overridden == contradicts
            assert (SequenceWarning.AFTER_INVALID in judgement.warnings) == (INVALID in types)
            self.ledger[identity] = judgement.outcome_id
            self.recorded.append(judgement.outcome_id)
            self.overridden |= contradicts
            assert judgement.sequence == len(self.recorded)
            assert judgement.again == self.reverted.count(identity)

    @invariant()
    def the_history_is_the_ledger(self) -> None:
        assert [outcome.sequence for outcome in self.history.recorded] == list(range(1, len(self.recorded) + 1))
        assert [outcome.outcome_id for outcome in self.history.recorded] == self.recorded

    @invariant()
    def the_state_says_what_the_ledger_says(self) -> None:
        state = state_of(uuid4(), self.history.recorded)
        standing = self.standing()
        types = {type_ for type_, _ in standing}
        assert (state.won, state.lost, state.invalid) == (WON in types, LOST in types, INVALID in types)
        if standing:
            latest = max(occurred_at for _, occurred_at in standing)
            last = [type_ for type_, occurred_at in standing if occurred_at == latest][-1]
            assert (state.last_outcome, state.last_outcome_at, state.stage) == (last, latest, STAGE_OF[last])
        else:
            assert state == LeadStateView(lead_id=state.lead_id)

    @invariant()
    def a_lead_is_both_won_and_lost_only_by_an_override(self) -> None:
        types = {type_ for type_, _ in self.standing()}
        assert self.overridden or not {WON, LOST} <= types

    @invariant()
    def a_history_read_back_is_the_same(self) -> None:
        again = History(self.history.recorded)
        assert record(again, CONTACTED, key="new").sequence == len(self.recorded) + 1


AnySequence.TestCase.settings = settings(max_examples=50)
TestAnySequence = AnySequence.TestCase


@given(st.sets(st.sampled_from(OutcomeType)))
def test_the_block_is_symmetrical(recorded: set[OutcomeType]) -> None:
    swapped = {OPPOSITE.get(type_, type_) for type_ in recorded}
    assert (blocked(WON, recorded) is None) == (blocked(LOST, swapped) is None)
    assert blocked(WON, recorded) == (Refusal.WON_AFTER_LOST if LOST in recorded else None)
    assert blocked(LOST, recorded) == (Refusal.LOST_AFTER_WON if WON in recorded else None)


@given(
    st.sampled_from([type_ for type_ in OutcomeType if type_ not in OPPOSITE]), st.sets(st.sampled_from(OutcomeType))
)
def test_only_won_and_lost_are_ever_blocked(type_: OutcomeType, recorded: set[OutcomeType]) -> None:
    assert blocked(type_, recorded) is None


@given(st.lists(st.tuples(st.sampled_from(OutcomeType), st.integers(0, 3))), st.randoms())
def test_the_state_does_not_depend_on_the_order_in_which_outcomes_are_read(
    reported: list[tuple[OutcomeType, int]], random: object
) -> None:
    lead_id = uuid4()
    recorded = [
        Recorded(uuid4(), sequence, type_, NOW + timedelta(days=day))
        for sequence, (type_, day) in enumerate(reported, start=1)
    ]
    shuffled = list(recorded)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert state_of(lead_id, shuffled) == state_of(lead_id, recorded)
    assert in_state_order(shuffled) == in_state_order(recorded)


def test_the_last_moment_that_is_not_in_the_future_is_five_minutes_ahead() -> None:
    assert record(History(), CONTACTED, NOW + CLOCK_SKEW).verdict is OutcomeVerdict.RECORDED
    late = record(History(), CONTACTED, NOW + CLOCK_SKEW + timedelta(microseconds=1))
    assert (late.verdict, late.refusal) == (OutcomeVerdict.REFUSED, Refusal.IN_FUTURE)


def test_a_block_looks_at_what_is_recorded_whatever_its_date() -> None:
    history = History()
    record(history, LOST, NOW)
    assert record(history, WON, NOW - timedelta(days=30)).refusal is Refusal.WON_AFTER_LOST


def test_a_repeat_of_what_would_now_be_blocked_is_a_repeat() -> None:
    history = History()
    won = record(history, WON)
    record(history, LOST, override=True)
    assert record(history, WON) == Judgement(OutcomeVerdict.DUPLICATE, won.outcome_id)


def test_an_unknown_reason_is_refused_unless_it_is_a_repeat() -> None:
    history = History()
    judge = partial(history.record, type_=LOST, occurred_at=NOW, heard_at=NOW, override=True)
    refused = judge(uuid4(), idempotency_key="", reason_known=False)
    assert refused == Judgement(OutcomeVerdict.REFUSED, refused_for=REASON_UNKNOWN)
    known = judge(uuid4(), idempotency_key="")
    assert judge(uuid4(), idempotency_key="", reason_known=False).outcome_id == known.outcome_id


def test_a_reason_for_what_nothing_blocks_overrides_nothing() -> None:
    assert record(History(), WON, override=True).overridden is False


@pytest.mark.parametrize("other", [{"key": "second"}, {"occurred_at": NOW - timedelta(microseconds=1)}])
def test_the_same_type_with_another_moment_or_key_is_another_outcome(other: dict[str, object]) -> None:
    history = History()
    record(history, CONTACTED)
    assert record(history, CONTACTED, **other).verdict is OutcomeVerdict.RECORDED  # type: ignore[arg-type]


def test_an_appointment_before_any_contact_is_recorded_with_a_warning() -> None:
    odd = (SequenceWarning.APPOINTMENT_BEFORE_CONTACTED,)
    assert record(History(), APPOINTMENT).warnings == odd
    assert warnings(APPOINTMENT, {CONTACTED}) == ()
    assert warnings(APPOINTMENT, {INVALID}) == (*odd, SequenceWarning.AFTER_INVALID)


@pytest.mark.parametrize("type_", OutcomeType)
def test_anything_after_invalid_is_recorded_with_a_warning(type_: OutcomeType) -> None:
    assert SequenceWarning.AFTER_INVALID in warnings(type_, {INVALID, CONTACTED})
