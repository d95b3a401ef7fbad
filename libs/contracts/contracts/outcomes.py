"""Messages of outcomes: what became of a lead, and how much of it was recorded."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Command, Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Band, OutcomeType, Stage, Tier, Timeline
from contracts.values import NO_NUL, Actor, Attribution, Currency, LeadRef, Moment, Slug

MAX_OUTCOMES_PER_COMMAND = 100


class OutcomeVerdict(StrEnum):
    """What became of an order to record an outcome."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    BLOCKED = "blocked"
    """The sequence rules forbid it."""
    REFUSED = "refused"
    """It can never be recorded: in the future, or its lead was rejected or never came."""
    WAITING = "waiting"
    """Its lead is not known yet; it waits up to 24 hours."""


class Refusal(StrEnum):
    """Why an outcome was not recorded."""

    WON_AFTER_LOST = "won_after_lost"
    LOST_AFTER_WON = "lost_after_won"
    IN_FUTURE = "in_future"
    LEAD_REJECTED = "lead_rejected"
    LEAD_UNKNOWN = "lead_unknown"


class SequenceWarning(StrEnum):
    """What is odd about an outcome's place among the others, though it was recorded."""

    APPOINTMENT_BEFORE_CONTACTED = "appointment_before_contacted"
    AFTER_INVALID = "after_invalid"


class Outcome(BaseModel):
    """One thing that became of a lead.

    An outcome is recorded once per (tenant, lead, type, occurred_at, idempotency_key).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: OutcomeType
    occurred_at: Moment | None = None
    """When it happened, not before 1900; the lead's `created_at`, if empty."""
    value: Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=2)] | None = None
    currency: Currency | None = None
    reason_code: Slug | None = None
    notes: Annotated[str, Field(max_length=20_000)] | None = None
    """Free text; sealed."""
    idempotency_key: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    """Tells apart outcomes of one lead, type and moment that are not the same."""
    override_reason: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """Why an admin records what the sequence rules block."""


class OutcomeBatch(BaseModel):
    """Outcomes of one lead, in the order they are to be recorded."""

    lead: LeadRef
    outcomes: Annotated[list[Outcome], Field(min_length=1, max_length=MAX_OUTCOMES_PER_COMMAND)]
    """What to record, in this order."""
    recorded_by: Actor = "upstream"


class RecordOutcomes(OutcomeBatch, Command):
    """Record outcomes of one lead, in this order, and go on."""

    topic: ClassVar = Topic("outcomes", Kind.COMMAND, "record_outcomes")


class RecordOutcome(Command):
    """Record one outcome and go on."""

    topic: ClassVar = Topic("outcomes", Kind.COMMAND, "record_outcome")
    lead: LeadRef
    outcome: Outcome
    """What to record."""
    recorded_by: Actor = "upstream"


class OutcomeResult(BaseModel):
    """The verdict on one outcome."""

    verdict: OutcomeVerdict
    type: OutcomeType
    outcome_id: UUID | None = None
    refusal: Refusal | None = None
    warnings: list[SequenceWarning] = []


class OutcomeResults(Reply):
    """The verdict on each outcome of a batch."""

    results: list[OutcomeResult]


class RecordOutcomesNow(OutcomeBatch, Request[OutcomeResults]):
    """Record outcomes and wait for the verdict on each; an unknown lead is `not_found`."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "record_outcomes")


class OutcomeRecorded(Event):
    """An outcome was recorded, with the lead's attribution as it was at that moment."""

    topic: ClassVar = Topic("outcomes", Kind.EVENT, "outcome_recorded")
    outcome_id: UUID
    lead_id: UUID
    sequence: int
    type: OutcomeType
    stage: Stage
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: Actor
    attribution: Attribution
    value: Decimal | None = None
    currency: Currency | None = None
    value_band: Band | None = None
    reason_code: Slug | None = None
    warnings: list[SequenceWarning] = []
    overridden: bool = False
    command_id: UUID | None = None
    corrects: UUID | None = None
    """The outcome that was voided to record this one in its stead."""


class OutcomeVoided(Event):
    """An outcome counts no more, as if it had never happened: it was recorded by mistake, or another stands in its stead.

    It may be heard before the `outcome_recorded` of the same outcome.
    """

    topic: ClassVar = Topic("outcomes", Kind.EVENT, "outcome_voided")
    outcome_id: UUID
    lead_id: UUID
    type: OutcomeType
    occurred_at: datetime
    """When the voided outcome was said to have happened."""
    attribution: Attribution
    """What the voided outcome was credited to."""
    voided_at: datetime
    """When it was taken back."""
    voided_by: Actor
    """Who took it back, as a user, agent, key or service id."""
    reason_code: Slug | None = None
    """Why it was voided."""
    corrected_by: UUID | None = None
    """The outcome recorded in its stead."""


class OutcomeRefused(Event):
    """An outcome was not recorded and never will be by itself."""

    topic: ClassVar = Topic("outcomes", Kind.EVENT, "outcome_refused")
    lead_id: UUID | None = None
    type: OutcomeType
    occurred_at: datetime | None = None
    refusal: Refusal
    command_id: UUID | None = None


class OutcomeView(BaseModel):
    """An outcome as it was recorded."""

    outcome_id: UUID
    sequence: int
    type: OutcomeType
    stage: Stage
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: str
    attribution: Attribution
    value: Decimal | None = None
    currency: str | None = None
    value_band: Band | None = None
    reason_code: str | None = None
    notes: str | None = None
    """Free text, opened for the caller."""
    override_reason: str | None = None
    """Why an admin had it recorded although the sequence rules block it; opened for the caller."""
    warnings: list[SequenceWarning] = []
    overridden: bool = False


class WaitingOutcome(BaseModel):
    """An outcome that is not recorded yet: it waits for the submission that its order names."""

    verdict: OutcomeVerdict = OutcomeVerdict.WAITING
    type: OutcomeType
    occurred_at: datetime | None = None
    """When it happened; the lead's `created_at`, if empty."""
    ordered_at: datetime
    """When the order to record it came."""
    waits_until: datetime
    """When it is refused, if the submission has not come by then."""
    submission_id: UUID | None = None
    """The submission that the order names."""
    recorded_by: str
    value: Decimal | None = None
    currency: str | None = None
    reason_code: str | None = None
    notes: str | None = None
    """Free text, opened for the caller."""
    override_reason: str | None = None
    """Why an admin wants it recorded although the sequence rules block it; opened for the caller."""


class OutcomeHistoryView(Reply):
    """What became of a lead; a page of it."""

    lead_id: UUID
    outcomes: list[OutcomeView]
    """By `occurred_at`, then as recorded."""
    waiting: list[WaitingOutcome] = []
    """What is to be recorded of it besides and still waits, in the order it came; on the first pages."""
    next_cursor: str | None = None


class OutcomeHistory(Request[OutcomeHistoryView]):
    """A lead's outcomes in state order, as many at a time as fit into a message."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "outcome_history")
    lead_id: UUID
    limit: Annotated[int, Field(ge=1, le=500)] = 500
    cursor: Annotated[str, Field(max_length=200)] | None = None


class LeadStateView(Reply):
    """Where a lead stands, derived from its outcomes; empty while it has none."""

    lead_id: UUID
    stage: Stage | None = None
    """The stage of the last outcome."""
    last_outcome: OutcomeType | None = None
    """The last outcome in state order."""
    last_outcome_at: datetime | None = None
    """When it happened."""
    won: bool = False
    """Whether it has an outcome `closed_won`."""
    lost: bool = False
    """Whether it has an outcome `closed_lost`."""
    invalid: bool = False
    """Whether it has an outcome `invalid`."""


class LeadState(Request[LeadStateView]):
    """Where a lead stands."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "lead_state")
    lead_id: UUID


class MissingOutcome(BaseModel):
    """A lead that should have an outcome by now."""

    lead_id: UUID
    source_key: str | None
    geo_key: str | None
    tier: Tier
    timeline: Timeline
    last_activity_at: datetime
    days_stale: int
    """Whole days since the last activity."""


class MissingOutcomesView(Reply):
    """The leads that should have an outcome by now."""

    leads: list[MissingOutcome]
    """At most 100, the stalest first."""
    count: int
    """How many there are in all."""


class MissingOutcomes(Request[MissingOutcomesView]):
    """Leads of tier A or B due within 90 days, quiet for more than seven days, with no outcome beyond contacted."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "missing_outcomes")


class RecordingView(BaseModel):
    """The verdicts on one command, in its order."""

    command_id: UUID
    correlation_id: UUID
    results: list[OutcomeResult]


class RecordingList(Reply):
    """The verdicts known so far; a command that is not listed has not been handled yet."""

    recordings: list[RecordingView]
    """One for each command handled."""


class GetRecordings(Request[RecordingList]):
    """What became of orders to record outcomes, by the ids of the commands."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "get_recordings")
    command_ids: Annotated[list[UUID], Field(max_length=1000)]
    """The ids the commands were published under."""


class RecordingCounts(Reply):
    """How many outcomes got each verdict, as the verdicts stand now."""

    counts: dict[OutcomeVerdict, int] = Field(description="By verdict; a verdict that none got is left out.")


class CountRecordings(Request[RecordingCounts]):
    """How the outcomes of one run ended: of every command that travelled under its correlation id and was handled then."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "count_recordings")
    correlation_id: UUID = Field(description="The run's id, as its commands carried it.")
