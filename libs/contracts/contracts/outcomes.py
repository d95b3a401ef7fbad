"""Messages of outcomes: what became of a lead, and how much of it was recorded."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from contracts.message import Command, Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Band, OutcomeType, Stage, Tier, Timeline
from contracts.values import NO_NUL, Actor, Attribution, Currency, Key, LeadRef, Moment, Slug

MAX_OUTCOMES_PER_COMMAND = 100
MAX_BULK_ROWS = 10_000
"""Outcomes in a bulk; more are imported."""
MOST_STATES = 200
"""Leads whose states are asked for at once."""
MAX_VOIDED_ROWS = 5_000
"""Outcomes that are named to be voided in one request; what a bulk recorded is voided by naming the bulk, however many they are."""
MOST_LEAD_KEYS = 500
"""How many sources, places or partners are listed."""
REASON_UNKNOWN = "reason_code_unknown"
"""Why an outcome is refused whose reason code is none of its tenant's."""

Value = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=2)]
"""What a deal is worth, in its currency."""
IdempotencyKey = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class OutcomeVerdict(StrEnum):
    """What became of an order to record an outcome."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    BLOCKED = "blocked"
    """The sequence rules forbid it."""
    REFUSED = "refused"
    """It can never be recorded: in the future, for a reason that the tenant has not, or its lead was rejected or never came."""
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
    value: Value | None = None
    currency: Currency | None = None
    reason_code: Slug | None = None
    notes: Annotated[str, Field(max_length=20_000)] | None = None
    """Free text; sealed."""
    idempotency_key: IdempotencyKey = ""
    """Tells apart outcomes of one lead, type and moment that are not the same."""
    override_reason: Reason | None = None
    """Why an admin records what the sequence rules block; an upstream's overrides nothing."""


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
    refused_for: Slug | None = None
    """Why it was refused, where `refusal` has no word for that: `reason_code_unknown`, its reason code is none of the tenant's."""
    voided: bool = False
    """Whether what it repeats was voided: under another `idempotency_key` it is recorded again."""


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


class OutcomeReasonRefused(Event):
    """An outcome was not recorded and never will be: its reason code is none of the tenant's."""

    topic: ClassVar = Topic("outcomes", Kind.EVENT, "outcome_reason_refused")
    lead_id: UUID
    type: OutcomeType
    occurred_at: datetime
    reason_code: Slug
    """What it said."""
    command_id: UUID | None = None


class VoidView(BaseModel):
    """How an outcome was voided."""

    voided_at: datetime
    """When it was taken back."""
    voided_by: str
    """Who took it back."""
    reason_code: str | None = None
    reason: str | None = None
    """Why, in words; opened for the caller."""
    corrected_by: UUID | None = None
    """The outcome recorded in its stead."""


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
    corrects: UUID | None = None
    """The outcome that was voided to record this one in its stead."""
    void: VoidView | None = None
    """How it was voided, if it was: it counts no more."""


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
    attribution_now: Attribution | None = None
    """What an outcome would be credited to that was recorded now, if that was asked for."""


class OutcomeHistory(Request[OutcomeHistoryView]):
    """A lead's outcomes in state order, as many at a time as fit into a message; those that were voided too."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "outcome_history")
    lead_id: UUID
    limit: Annotated[int, Field(ge=1, le=500)] = 500
    cursor: Annotated[str, Field(max_length=200)] | None = None
    attribution_now: bool = False
    """Whether the attribution of today is told beside those that were frozen."""


class VoidResult(Reply):
    """An outcome counts no more."""

    outcome_id: UUID
    voided_at: datetime
    """When it was taken back."""
    voided_by: str
    """Who took it back."""
    corrected_by: UUID | None = None
    """The outcome recorded in its stead."""
    already: bool = False
    """Whether it was voided before: nothing has changed then."""


class _Voiding(BaseModel):
    """Which outcome counts no more, and why."""

    lead_id: UUID
    """The lead it was recorded of, as `outcome_history` tells it."""
    outcome_id: UUID
    """What was recorded by mistake."""
    reason_code: Slug | None = None
    """Why, as one of the tenant's reason codes; of any, where the tenant has no list."""
    reason: Reason | None = None
    """Why, in words; sealed."""


class VoidOutcome(_Voiding, Request[VoidResult]):
    """Have an outcome count no more, as if it had never happened; it stays in the history.

    What is reported once more as it was voided is not recorded, but under another `idempotency_key`. An outcome that the tenant has not
    is `not_found`.
    """

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "void_outcome")
    voided_by: Actor = "operator"
    """Who takes it back."""


class CorrectionResult(Reply):
    """What became of a correction."""

    result: OutcomeResult
    """The verdict on the outcome that is to stand in the other's stead: `recorded`; `duplicate`, it stands there already; on any other
    nothing has changed."""


class CorrectOutcome(_Voiding, Request[CorrectionResult]):
    """Void an outcome and record another in its stead, both or neither; `outcome_recorded` is told first, then `outcome_voided`.

    The other is judged as if the first had never been, and credited as it was. It is a `conflict` where the first was voided for
    something else, or the other is recorded already; an outcome that the tenant has not is `not_found`.
    """

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "correct_outcome")
    outcome: Outcome
    """All that is to stand in its stead; when it happened is when the first did, if empty."""
    recorded_by: Actor = "operator"


class BulkRow(LeadRef):
    """One lead of a bulk, and what is otherwise with it."""

    type: OutcomeType | None = None
    occurred_at: Moment | None = None
    value: Value | None = None
    currency: Currency | None = None
    reason_code: Slug | None = None
    idempotency_key: IdempotencyKey | None = None
    """Tells apart outcomes of one lead, type and moment that are not the same."""

    @model_serializer(mode="wrap")
    def _briefly(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Ten thousand rows fit into a message, if what is empty is left out.
        return {name: value for name, value in whole(self).items() if value is not None}


class LeadFilter(BaseModel):
    """The leads that match everything given, as they are now; of leads that are merged the one that stands for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_key: Key | None = None
    geo_key: Key | None = None
    tier: Tier | None = None
    partner: Key | None = None
    """The key of who referred the lead."""
    tiers: Annotated[list[Tier], Field(max_length=len(Tier), examples=[["A", "B"]])] = []
    """Leads of any of these tiers."""

    @model_validator(mode="after")
    def _chooses(self) -> "LeadFilter":
        if not any((self.source_key, self.geo_key, self.tier, self.partner, self.tiers)):
            raise ValueError("give at least one of source_key, geo_key, tier, tiers, partner")
        return self


class BulkVerdict(BaseModel):
    """A verdict, and all rows that got it."""

    verdict: OutcomeVerdict
    refusal: Refusal | None = None
    refused_for: Slug | None = None
    """Why they were refused, where `refusal` has no word for that: `reason_code_unknown`."""
    warnings: list[SequenceWarning] = []
    voided: bool = False
    """Whether what they repeat was voided."""
    rows: list[int]
    """Which, by their place in the request, or in `lead_ids`, from 0."""


class BulkResults(Reply):
    """The verdict on each row of a bulk: what no group names was recorded, and nothing is odd about it."""

    counts: dict[OutcomeVerdict, int]
    """By verdict; a verdict that none got is left out."""
    verdicts: list[BulkVerdict]
    """The verdicts on all other rows."""
    lead_ids: list[UUID] = []
    """The leads that a filter chose."""
    bulk_id: UUID | None = None
    """What it recorded is voided by, all at once."""


class RecordOutcomesInBulk(Request[BulkResults]):
    """Record one outcome of each of many leads, named or chosen by a filter, and wait for the verdict on each.

    Not all or nothing: each row has its own verdict, and stands whatever becomes of the others; asked for again, rows that were
    recorded are duplicates. A filter that chooses more leads than a bulk takes is `invalid`, and nothing is recorded.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcome": {"type": "contacted", "occurred_at": "2026-11-02T09:30:00Z"},
                    "rows": [
                        {"source_system": "crm", "source_id": "L-1042"},
                        {"source_system": "crm", "source_id": "L-1043", "type": "invalid"},
                    ],
                }
            ]
        }
    )

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "record_outcomes_in_bulk")
    outcome: Outcome
    """What to record of each, where its row does not say otherwise."""
    rows: Annotated[list[BulkRow], Field(max_length=MAX_BULK_ROWS)] = []
    """The leads, in the order in which they are recorded; instead of `leads`."""
    leads: LeadFilter | None = None
    """Which leads; instead of `rows`."""
    recorded_by: Actor = "operator"
    bulk_id: UUID | None = None
    """The bulk that this is a part of, where one is recorded in several; one of its own, if empty."""

    @model_validator(mode="after")
    def _names_leads(self) -> "RecordOutcomesInBulk":
        if bool(self.rows) == (self.leads is not None):
            raise ValueError("give either rows, or leads")
        return self


class ChosenLead(BaseModel):
    """A lead that a filter chooses, as it is now."""

    lead_id: UUID
    attribution: Attribution
    created_at: datetime
    """When its source got it."""
    last_activity_at: datetime
    stage: Stage | None = None
    """Where its last outcome puts it in the funnel; empty while it has none."""


class ChosenLeads(Reply):
    """A page of the leads that a filter chooses."""

    leads: list[ChosenLead]
    """Those of the page, the newest first; of the leads looked through, so that it may be few, or none, although another page follows."""
    count: int | None = None
    """How many there are in all, or one more than a bulk takes; where that was asked for."""
    next_cursor: str | None = None


class ChooseLeads(Request[ChosenLeads]):
    """The leads that a bulk with the same filter would record an outcome of, the newest first, a page at a time.

    A page is looked for among 5,000 leads at most.
    """

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "choose_leads")
    leads: LeadFilter
    """Which."""
    count: bool = False
    """Whether they are counted, too; all leads are looked at for it."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class LeadKeys(Reply):
    """What leads can be chosen by; of each kind the first 500, by name."""

    sources: list[str]
    """The keys of sources that leads of the tenant have, or had."""
    places: list[str]
    """The keys of places."""
    partners: list[str]
    """The keys of who referred leads."""


class ListLeadKeys(Request[LeadKeys]):
    """The sources, places and partners that leads can be chosen by."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "list_lead_keys")


class BulkView(BaseModel):
    """A bulk that was recorded."""

    bulk_id: UUID
    types: dict[OutcomeType, int]
    """How many outcomes it recorded, by what they are."""
    recorded_at: datetime
    """When it began."""
    recorded_by: str
    voided_at: datetime | None = None
    """When it was voided as a whole, if it was."""
    voided_by: str | None = None
    """Who did that."""


class BulkPage(Reply):
    """A page of bulks."""

    bulks: list[BulkView]
    """Those of the page."""
    next_cursor: str | None = None


class ListBulks(Request[BulkPage]):
    """The bulks that recorded anything, the newest first, a page at a time."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "list_bulks")
    limit: Annotated[int, Field(ge=1, le=50)] = 10
    cursor: Annotated[str, Field(max_length=200)] | None = None


class OutcomeRef(BaseModel):
    """One outcome of a lead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lead_id: UUID
    """The lead it was recorded of."""
    outcome_id: UUID


class VoidVerdict(StrEnum):
    """What became of an outcome that was to be voided."""

    VOIDED = "voided"
    ALREADY = "already"
    """It was voided before."""
    UNKNOWN = "unknown"
    """The tenant has recorded no such outcome of this lead."""


class VoidedRows(BaseModel):
    """A verdict, and all rows that got it."""

    verdict: VoidVerdict
    rows: list[int]
    """Which, by their place in the request, from 0."""


class BulkVoidResults(Reply):
    """The verdict on each outcome that was to be voided."""

    counts: dict[VoidVerdict, int]
    """By verdict; a verdict that none got is left out."""
    verdicts: list[VoidedRows] = []
    """The rows that were not voided now, by verdict; none where a bulk was named."""


class VoidOutcomesInBulk(Request[BulkVoidResults]):
    """Have many outcomes count no more: those that are named, or all that a bulk recorded.

    Not all or nothing: each has its own verdict; asked for again, nothing changes. A bulk that the tenant has not is `not_found`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"bulk_id": "019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11", "reason_code": "wrong_list"}]
        }
    )

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "void_outcomes_in_bulk")
    rows: Annotated[list[OutcomeRef], Field(max_length=MAX_VOIDED_ROWS)] = []
    """Which outcomes; instead of `bulk_id`."""
    bulk_id: UUID | None = None
    """All that this bulk recorded; instead of `rows`."""
    reason_code: Slug | None = None
    """Why, as one of the tenant's reason codes; of any, where the tenant has no list."""
    reason: Reason | None = None
    """Why, in words; sealed with each."""
    voided_by: Actor = "operator"
    """Who takes them back."""

    @model_validator(mode="after")
    def _names_outcomes(self) -> "VoidOutcomesInBulk":
        if bool(self.rows) == (self.bulk_id is not None):
            raise ValueError("give either rows, or bulk_id")
        return self


class LeadStateView(Reply):
    """Where a lead stands, derived from its outcomes that were not voided; empty while it has none."""

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


class LeadStateList(Reply):
    """Where leads stand."""

    states: list[LeadStateView]
    """One for each lead asked for that the tenant has, in that order."""


class LeadStates(Request[LeadStateList]):
    """Where some leads stand, as `lead_state` says it of each; a lead that the tenant has not is left out."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "lead_states")
    lead_ids: Annotated[list[UUID], Field(max_length=MOST_STATES)] = []
    """Which leads."""


class BoardLead(BaseModel):
    """A lead on the board."""

    lead_id: UUID
    since: datetime | None = None
    """When its last outcome happened; empty while it has none."""


class BoardColumn(BaseModel):
    """The leads that stand at one stage, those whose last outcome happened last first."""

    stage: Stage | None = None
    """Which; empty for leads without an outcome, the newest of which come first."""
    leads: list[BoardLead]
    """The first of them."""
    count: int
    """How many there are, counted up to 10,000."""
    more: bool = False
    """Whether there are more than were counted."""
    next_cursor: str | None = None
    """What the rest of the column is asked for with."""


class LeadBoardView(Reply):
    """The leads of a tenant by where they stand."""

    columns: list[BoardColumn]
    """In the order of the funnel, leads without an outcome first; or only the one that was asked for."""


class LeadBoard(Request[LeadBoardView]):
    """How many leads stand at each stage, and the first of each. Leads that are merged into others are left out.

    As quick among a million leads, and however far into a column.
    """

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "lead_board")
    column: Stage | Literal["none"] | None = None
    """Only this column; `none` is that of leads without an outcome."""
    limit: Annotated[int, Field(ge=1, le=100)] = 15
    """How many leads of each column."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """The `next_cursor` of the one column that is asked for."""

    @model_validator(mode="after")
    def _goes_on_in_one(self) -> "LeadBoard":
        if self.cursor and self.column is None:
            raise ValueError("a cursor goes on in one column: name it, too")
        return self


class RebuiltLeadStates(Reply):
    """What the outcomes say of a tenant's leads, compared with what was kept of that."""

    compared: int
    """How many leads."""
    different: int
    """Of how many something else was kept; it says what the outcomes say by now."""
    lead_ids: list[UUID]
    """At most 100 of these."""


class RebuildLeadStates(Request[RebuiltLeadStates]):
    """Derive the states of all leads from their outcomes, compare them with what is kept to find missing outcomes by, and put them
    in its place. `lead_state` itself is derived each time it is asked for."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "rebuild_lead_states")


class MissingOutcome(BaseModel):
    """A lead that should have an outcome by now."""

    lead_id: UUID
    source_key: str | None
    geo_key: str | None
    tier: Tier
    timeline: Timeline
    last_activity_at: datetime
    days_stale: int
    """Whole days since the last activity; where that is no week ago, since their last SMS."""
    last_sms_reply_at: datetime | None = None
    """When they last sent an SMS, if they did."""


class MissingOutcomesView(Reply):
    """The leads that should have an outcome by now."""

    leads: list[MissingOutcome]
    """At most 100, the stalest first."""
    count: int
    """How many there are in all."""


class MissingOutcomes(Request[MissingOutcomesView]):
    """Leads of tier A or B due within 90 days with no outcome beyond contacted, to which nothing has happened for more than seven days, or
    whose last SMS is older than that, whatever has been sent since."""

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


class VoidedRecordings(Reply):
    """What of a run's outcomes counts no more."""

    voided: int
    """How many are voided now that counted before."""
    remaining: int
    """Whether orders of the run are left, 1 or 0: ask again while there are."""


class VoidRecordings(Request[VoidedRecordings]):
    """Have the outcomes that one run recorded count no more, some orders at a time, and those that wait never be recorded.

    Its orders are then forgotten, and what they recorded with them: sent again, they are judged anew, and recorded. What somebody had voided
    before stays voided.
    """

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "void_recordings")
    correlation_id: UUID
    """The run's id, as its commands carried it."""
    voided_by: Actor = "operator"
    """Who takes them back."""
    limit: Annotated[int, Field(ge=1, le=500)] = 200
    """How many orders at once."""


class LeadsWithOutcomesView(Reply):
    """Which of the leads have outcomes."""

    lead_ids: list[UUID]
    """Those that have."""


class LeadsWithOutcomes(Request[LeadsWithOutcomesView]):
    """Of which of these leads something is recorded that was not voided, or waits to be."""

    topic: ClassVar = Topic("outcomes", Kind.REQUEST, "leads_with_outcomes")
    lead_ids: Annotated[list[UUID], Field(max_length=1000)]
    """Which are asked about."""
