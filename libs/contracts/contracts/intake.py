"""Messages of intake: leads as they are submitted, and what became of each submission."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from contracts.message import Command, Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Intent, Tier
from contracts.values import Attribution, Key, SourceId, SourceSystem

Text = Annotated[str, Field(max_length=500)]
Amount = Annotated[str, Field(max_length=100)] | int | float
Scalar = str | int | float | bool | None


class LeadVerdict(StrEnum):
    ACCEPTED = "accepted"
    UPDATED = "updated"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Flaw(BaseModel):
    """What was wrong with one field of a submission; never its value."""

    field: str
    code: str
    message: str


class LeadSubmission(BaseModel):
    """A lead as its source typed it; intake makes words, keys, bands and tokens of it.

    Only (source_system, source_id) identifies a lead: the same pair again is a duplicate, or an update where another
    value differs. `price` and `budget` are amounts or texts such as ``$350k``.
    """

    source_system: SourceSystem
    source_id: SourceId
    full_name: Text | None = None
    phone: Text | None = None
    email: Text | None = None
    linkedin_url: Text | None = None
    source: Text | None = None
    geo: Text | None = None
    intent: Text | None = None
    timeline: Text | None = None
    price: Amount | None = None
    budget: Amount | None = None
    tier: Text | None = None
    product_interest: Text | None = None
    partner: Text | None = None
    created_at: AwareDatetime | None = None
    last_activity_at: AwareDatetime | None = None
    notes: Annotated[str, Field(max_length=20_000)] | None = None
    metadata: Annotated[dict[str, Any], Field(max_length=200)] = {}


class SubmitLead(LeadSubmission, Command):
    """Submit a lead and go on. Lenient: an unusable phone or e-mail is dropped with a warning."""

    topic: ClassVar = Topic("intake", Kind.COMMAND, "submit_lead")


class Submitted(Reply):
    """The verdict on a submission. `lead_id` is empty when it was rejected."""

    verdict: LeadVerdict
    lead_id: UUID | None = None
    version: int | None = None
    warnings: list[Flaw] = []


class SubmitLeadNow(LeadSubmission, Request[Submitted]):
    """Submit a lead and wait for the verdict. Strict: an unusable phone, e-mail or word is refused, naming the field."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "submit_lead")


class _LeadSnapshot(Event):
    """The lead as a submission left it. Consumers keep the highest version they have seen."""

    lead_id: UUID
    version: int
    submission_id: UUID
    source_system: SourceSystem
    source_id: SourceId
    person_id: UUID
    attribution: Attribution
    phone_token: str | None = None
    email_token: str | None = None
    linkedin_token: str | None = None
    created_at: datetime
    last_activity_at: datetime | None = None
    warnings: list[Flaw] = []
    metadata: dict[str, Scalar] = {}


class LeadAccepted(_LeadSnapshot):
    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_accepted")


class LeadUpdated(_LeadSnapshot):
    """The source sent the same lead with other values; `changed` names the fields of the submission that differ."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_updated")
    changed: list[str]


class LeadDuplicated(Event):
    """The source sent the same lead with the same values: nothing changed."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_duplicated")
    lead_id: UUID
    version: int
    submission_id: UUID
    source_system: SourceSystem
    source_id: SourceId


class LeadRejected(Event):
    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_rejected")
    submission_id: UUID
    source_system: SourceSystem
    source_id: SourceId
    reasons: list[Flaw]


class LeadView(Reply):
    """A lead without its PII: what the person is called and where they are reached stays in the vault."""

    lead_id: UUID
    version: int
    source_system: str
    source_id: str
    person_id: UUID
    attribution: Attribution
    has_phone: bool
    has_email: bool
    created_at: datetime
    last_activity_at: datetime | None
    updated_at: datetime
    warnings: list[Flaw] = []
    metadata: dict[str, Scalar] = {}


class GetLead(Request[LeadView]):
    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_lead")
    lead_id: UUID


class LeadPage(Reply):
    leads: list[LeadView]
    next_cursor: str | None = None


class ListLeads(Request[LeadPage]):
    """Leads, newest first, a page at a time: `cursor` is the last page's `next_cursor`."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_leads")
    source_key: Key | None = None
    geo_key: Key | None = None
    intent: Intent | None = None
    tier: Tier | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class SubmissionView(BaseModel):
    submission_id: UUID
    verdict: LeadVerdict
    correlation_id: UUID
    reasons: list[Flaw] = []


class SubmissionList(Reply):
    """The verdicts known so far; a submission that is not listed has not been handled yet."""

    submissions: list[SubmissionView]


class GetSubmissions(Request[SubmissionList]):
    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_submissions")
    submission_ids: Annotated[list[UUID], Field(max_length=1000)]
