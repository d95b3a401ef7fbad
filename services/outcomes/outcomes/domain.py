"""The rules of outcomes: what may follow what, what is odd, and where a lead stands. Pure.

The rules are the outcome-capture plan's ("Validation Rules", "Missing Outcome Nudges"), with its block made symmetrical:
lost after won contradicts as much as won after lost.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel

from contracts.outcomes import REASON_UNKNOWN, LeadStateView, OutcomeVerdict, Refusal, SequenceWarning
from contracts.taxonomy import STAGE_OF, OutcomeType, Tier, Timeline

T = TypeVar("T", bound=BaseModel)

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours the clock of whoever reports an outcome may be."""
PATIENCE = timedelta(hours=24)
"""How long an outcome waits for its lead."""
QUIET = timedelta(days=7)
"""How long nothing may happen to a promising lead before its outcome is missed."""
PROMISING_TIERS = (Tier.A, Tier.B)
PROMISING_TIMELINES = (Timeline.DAYS_0_30, Timeline.DAYS_31_90)
"""A lead is promising that is of one of these tiers and means to act within one of these times. The indexes `lead_missing_outcome`
and `lead_unanswered` hold the promising leads only: whoever changes what that means makes them anew."""

_CONTRADICTED = {
    OutcomeType.CLOSED_WON: (OutcomeType.CLOSED_LOST, Refusal.WON_AFTER_LOST),
    OutcomeType.CLOSED_LOST: (OutcomeType.CLOSED_WON, Refusal.LOST_AFTER_WON),
}

_ROOM = 700_000
"""Bytes of JSON that a page of a history may hold, or one outcome beyond them, which has at most a few hundred thousand; the broker
takes 1 MiB with headers (``max_payload``), and a page of an export somewhat less."""


@dataclass(frozen=True, slots=True)
class HistoryPlace:
    """Behind what a page of a lead's history begins: what waits, by its order's position and its number in that, and then what
    was recorded, by its sequence number."""

    waiting: tuple[int, int] = (0, 0)
    sequence: int | None = None

    def __str__(self) -> str:
        return str(self.sequence) if self.sequence else "waiting:{}:{}".format(*self.waiting)

    @classmethod
    def read(cls, cursor: str) -> "HistoryPlace":
        """Raises ValueError where the text is none."""
        if not cursor.startswith("waiting:"):
            return cls(sequence=_number(cursor))
        _, position, number = cursor.split(":")
        return cls((_number(position), _number(number)))


def fitting(found: Sequence[tuple[HistoryPlace, T]], most: int, room: int = _ROOM) -> Sequence[tuple[HistoryPlace, T]]:
    """As many of these, from the first on, as a page holds: at least one, and at most `most`."""
    used = 0
    for number, (_, view) in enumerate(found[:most]):
        used += len(view.model_dump_json().encode())
        if number and used > room:
            return found[:number]
    return found[:most]


def _number(text: str) -> int:
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError("not a number that anything has")
    return number


@dataclass(frozen=True, slots=True)
class Recorded:
    """An outcome as it was recorded.

    Attributes:
        sequence: its place among the lead's outcomes in recorded order, from 1.
        occurred_at: when it happened; it may lie before that of an outcome recorded earlier.
        voided: it counts no more, but keeps its place, and its identity unless it was `reverted`.
        reverted: it was taken back with the import that recorded it, which may report it again.
    """

    outcome_id: UUID
    sequence: int
    type: OutcomeType
    occurred_at: datetime
    idempotency_key: str = ""
    voided: bool = False
    reverted: bool = False

    @property
    def identity(self) -> tuple[OutcomeType, datetime, str]:
        """What makes it the same as another."""
        return self.type, self.occurred_at, self.idempotency_key


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one outcome.

    Attributes:
        outcome_id: the outcome that stands for it, when recorded now or before.
        sequence: its place, when recorded now; 0 otherwise.
        overridden: recorded although the sequence rules block it.
        refused_for: why it is refused, where `refusal` has no word for that.
        voided: what it repeats was voided.
        again: how often the same was recorded before and reverted.
    """

    verdict: OutcomeVerdict
    outcome_id: UUID | None = None
    sequence: int = 0
    refusal: Refusal | None = None
    warnings: tuple[SequenceWarning, ...] = ()
    overridden: bool = False
    refused_for: str | None = None
    voided: bool = False
    again: int = 0


class History:
    """A lead's outcomes in recorded order, growing as more are judged. What was voided blocks nothing, and is not recorded again
    when it is reported again; what was reverted is."""

    def __init__(self, recorded: Iterable[Recorded] = ()) -> None:
        self.recorded: list[Recorded] = []
        self._types: set[OutcomeType] = set()
        self._known: dict[tuple[OutcomeType, datetime, str], Recorded] = {}
        self._reverted: Counter[tuple[OutcomeType, datetime, str]] = Counter()
        for outcome in recorded:
            self._add(outcome)

    def record(
        self,
        outcome_id: UUID,
        type_: OutcomeType,
        occurred_at: datetime,
        idempotency_key: str,
        *,
        heard_at: datetime,
        override: bool,
        reason_known: bool = True,
    ) -> Judgement:
        """Judge an outcome, and add it unless it is a repeat, in the future, for an unknown reason, or blocked.

        `heard_at` is when it was reported: an outcome is in the future if it lies after that, however long it waited.
        `override` says that an admin gave a reason to record what the sequence rules block, `reason_known` whether the outcome's
        reason code, if it has one, is the tenant's.
        """
        if known := self._known.get((type_, occurred_at, idempotency_key)):
            return Judgement(OutcomeVerdict.DUPLICATE, known.outcome_id, voided=known.voided)
        if occurred_at > heard_at + CLOCK_SKEW:
            return Judgement(OutcomeVerdict.REFUSED, refusal=Refusal.IN_FUTURE)
        if not reason_known:
            return Judgement(OutcomeVerdict.REFUSED, refused_for=REASON_UNKNOWN)
        refusal = blocked(type_, self._types)
        if refusal and not override:
            return Judgement(OutcomeVerdict.BLOCKED, refusal=refusal)
        odd = warnings(type_, self._types)
        outcome = Recorded(outcome_id, len(self.recorded) + 1, type_, occurred_at, idempotency_key)
        self._add(outcome)
        return Judgement(
            OutcomeVerdict.RECORDED, outcome_id, outcome.sequence, warnings=odd, overridden=refusal is not None,
            again=self._reverted[outcome.identity],
        )  # fmt: skip

    def without(self, outcome_id: UUID) -> "History":
        """The same, with one of the outcomes voided."""
        return History(
            replace(outcome, voided=True) if outcome.outcome_id == outcome_id else outcome for outcome in self.recorded
        )

    def _add(self, outcome: Recorded) -> None:
        self.recorded.append(outcome)
        if outcome.reverted:
            self._reverted[outcome.identity] += 1
        else:
            self._known[outcome.identity] = outcome
        if not outcome.voided:
            self._types.add(outcome.type)


def blocked(type_: OutcomeType, recorded: Collection[OutcomeType]) -> Refusal | None:
    """Why an outcome may not follow those recorded, whatever their dates; none if it may."""
    opposite, refusal = _CONTRADICTED.get(type_, (None, None))
    return refusal if opposite in recorded else None


def warnings(type_: OutcomeType, recorded: Collection[OutcomeType]) -> tuple[SequenceWarning, ...]:
    """What is odd about an outcome that follows those recorded."""
    odd = []
    if type_ is OutcomeType.APPOINTMENT_SET and OutcomeType.CONTACTED not in recorded:
        odd.append(SequenceWarning.APPOINTMENT_BEFORE_CONTACTED)
    if OutcomeType.INVALID in recorded:
        odd.append(SequenceWarning.AFTER_INVALID)
    return tuple(odd)


def knows_reason(reasons: Collection[str], code: str | None) -> bool:
    """Whether a tenant with these reason codes, or any if there are none, knows this one, if it is one."""
    return not reasons or code is None or code in reasons


def in_state_order(recorded: Iterable[Recorded]) -> list[Recorded]:
    """By when they happened, then as recorded."""
    return sorted(recorded, key=lambda outcome: (outcome.occurred_at, outcome.sequence))


def state_of(lead_id: UUID, recorded: Iterable[Recorded]) -> LeadStateView:
    """Where a lead stands: a fold over its outcomes that were not voided, and over nothing else."""
    outcomes = in_state_order(outcome for outcome in recorded if not outcome.voided)
    if not outcomes:
        return LeadStateView(lead_id=lead_id)
    last = outcomes[-1]
    types = {outcome.type for outcome in outcomes}
    return LeadStateView(
        lead_id=lead_id,
        stage=STAGE_OF[last.type],
        last_outcome=last.type,
        last_outcome_at=last.occurred_at,
        won=OutcomeType.CLOSED_WON in types,
        lost=OutcomeType.CLOSED_LOST in types,
        invalid=OutcomeType.INVALID in types,
    )


def is_beyond_contacted(type_: OutcomeType) -> bool:
    """Whether an outcome says more of a lead than that it was contacted."""
    return type_ is not OutcomeType.CONTACTED
