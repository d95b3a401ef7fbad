"""Messages of intake: leads as they are submitted, and what became of each submission."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from contracts.intake.routing import LeadStatus, Workspace, WorkStatus
from contracts.message import Allowance, Command, Event, Kind, Reply, Request, Topic
from contracts.personal import is_contact, may_be_a_number, same_number
from contracts.taxonomy import Intent, Tier
from contracts.values import Actor, Attribution, Key, Moment, PublicSourceId, SourceId, SourceSystem

Text = Annotated[str, Field(max_length=500)]
Amount = Annotated[str, Field(max_length=100)] | int | float
Scalar = str | int | float | bool | None

_SUBMISSION: JsonDict = {
    "source_system": "crm",
    "source_id": "L-1042",
    "full_name": "Ada Example",
    "phone": "(614) 555-0142",
    "email": "ada@example.com",
    "source": "Open house",
    "geo": "Dublin, OH",
    "intent": "buyer",
    "timeline": "31-90",
    "budget": "$350k",
    "tier": "A",
    "created_at": "2026-11-02T09:30:00Z",
    "metadata": {"utm_source": "newsletter"},
}


class LeadVerdict(StrEnum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    UPDATED = "updated"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Flaw(BaseModel):
    """What was wrong with one field of a submission; never its value."""

    field: str
    """The field's name, as the submission spells it."""
    code: str
    """What was wrong, as a word for programs."""
    message: str
    """What was wrong and what to do, for people."""


class LeadSubmission(BaseModel):
    """A lead as its source typed it; intake makes words, keys, bands and tokens of it.

    Only (source_system, source_id) identifies a lead: the same pair again is a duplicate, or an update where another
    value differs. `price` and `budget` are amounts or texts such as ``$350k``.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SUBMISSION]})

    source_system: SourceSystem
    source_id: SourceId
    full_name: Text | None = None
    """The person's name; sealed in the vault."""
    phone: Text | None = None
    """In any notation; a national number is read as one of `country`, else of the tenant's region. Sealed in the vault."""
    email: Text | None = None
    """An e-mail address; sealed in the vault."""
    linkedin_url: Text | None = None
    """A LinkedIn profile; sealed in the vault."""
    source: Text | None = None
    """Where the lead came from: a campaign or a portal, or the address of the page it came by, of which only `utm_source`
    or else the site counts; becomes `source_key`. Without it, `utm_source`, the referrer or `utm_medium` of the metadata
    does, if the tenant allows that field in clear."""
    geo: Text | None = None
    """The place, e.g. ``Dublin, OH``; becomes `geo_key`."""
    country: Text | None = None
    """The person's country, by its ISO 3166-1 alpha-2 code or its name in English, e.g. ``DE`` or ``Germany``; it decides
    how a national phone number and the place are read, and is not kept."""
    time_zone: Text | None = None
    """The person's time zone, an IANA name such as ``America/New_York``; derived from the phone, else from the place or the
    country, where these leave no doubt."""
    intent: Text | None = None
    timeline: Text | None = None
    price: Amount | None = None
    """What the person asks for what they sell; only its band goes on."""
    budget: Amount | None = None
    """What the person can spend; only its band goes on."""
    tier: Text | None = None
    product_interest: Text | None = None
    """What the person is interested in; becomes a key."""
    partner: Text | None = None
    """Who referred the lead; becomes a key."""
    created_at: AwareDatetime | None = None
    """When the source got the lead; when it reached us, if empty."""
    last_activity_at: AwareDatetime | None = None
    notes: Annotated[str, Field(max_length=20_000)] | None = None
    """Free text; sealed in the vault."""
    metadata: Annotated[dict[str, Any], Field(max_length=200)] = {}
    """Anything else; what the tenant does not allow in events is sealed in the vault."""

    @property
    def id_is_a_contact(self) -> bool:
        """Whether `source_id` may not be told: it is written as an e-mail address or a telephone number is, or holds the
        lead's own number; digits alone are a record's number otherwise."""
        return is_contact(self.source_id) or bool(
            self.phone and may_be_a_number(self.source_id) and same_number(self.source_id, self.phone)
        )


class SubmitLead(LeadSubmission, Command):
    """Submit a lead and go on. Lenient: an unusable phone or e-mail is dropped with a warning.

    What an upstream sends beyond its source's rate limit is parked, and handled in its order as the limit allows.
    """

    topic: ClassVar = Topic("intake", Kind.COMMAND, "submit_lead")


class SubmissionResult(Reply):
    """The verdict on a submission."""

    verdict: LeadVerdict
    lead_id: UUID | None = None
    """The lead; empty when the submission was rejected."""
    version: int | None = None
    warnings: list[Flaw] = []
    allowance: Allowance | None = None
    """What is left of the source's rate limit; empty for whom there is none."""


class SubmitLeadNow(LeadSubmission, Request[SubmissionResult]):
    """Submit a lead and wait for the verdict. Strict: an unusable phone, e-mail or word is refused, naming the field.

    Beyond the source's rate limit, and while commands of the source are parked for that, it is `unavailable`, with the `allowance`.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "submit_lead")


class LeadSnapshot(Event):
    """The lead as it is from this version on. Consumers keep the highest version they have seen.

    Of a lead that others are merged into, what it lacks itself is told as one of them has it.
    """

    lead_id: UUID
    version: int
    submission_id: UUID
    source_system: SourceSystem
    source_id: PublicSourceId
    person_id: UUID
    attribution: Attribution
    phone_token: str | None = None
    """The phone number under the tenant's key: equal numbers have equal tokens, and no number can be read from one."""
    email_token: str | None = None
    """The e-mail address under the tenant's key."""
    linkedin_token: str | None = None
    """The LinkedIn profile under the tenant's key."""
    time_zone: str | None = None
    """The person's, an IANA name; empty where it was not given and cannot be told."""
    created_at: datetime
    last_activity_at: datetime | None = None
    warnings: list[Flaw] = []
    metadata: dict[str, Scalar] = {}
    merged_into: UUID | None = None
    """The lead of the same person that speaks for this one too; whoever acts on leads leaves this one alone."""
    provenance: dict[str, UUID] = {}
    """Of a lead that others are merged into: the fields that it has from one of them, each with that lead."""


class LeadAccepted(LeadSnapshot):
    """A lead arrived: clean, tokenised, with its attribution."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_accepted")


NO_ACT: Final = frozenset({"person_id", "merged_into", "merged_leads"})
"""What `LeadUpdated.changed` names when intake itself changed a lead, and nobody did anything: its person was found to be
another, it was merged, or another was parted from it."""


class LeadUpdated(LeadSnapshot):
    """The source sent the same lead with other values, or a lead merged into it; or intake linked or merged it."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_updated")
    changed: list[str]
    """The fields of the submission that differ, or are read otherwise since the tenant's settings changed; `person_id`, `merged_into` and `merged_leads` where intake changed those."""


class LeadDuplicated(Event):
    """The source sent the same lead with the same values, and they are read as before: nothing changed."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_duplicated")
    lead_id: UUID
    version: int
    submission_id: UUID
    source_system: SourceSystem
    source_id: PublicSourceId


class LeadRejected(Event):
    """A submission was no usable lead; `reasons` names what was wrong, never its value."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_rejected")
    submission_id: UUID
    source_system: SourceSystem
    source_id: PublicSourceId
    reasons: list[Flaw]
    lead_id: UUID | None = None
    """The lead that the source had submitted well before, which stays as it was; empty if there is none."""
    version: int | None = None
    """The version at which that lead stays."""


class LeadView(Reply):
    """A lead without its PII: what the person is called and where they are reached stays in the vault."""

    lead_id: UUID
    version: int
    source_system: str
    source_id: str
    person_id: UUID
    attribution: Attribution
    has_phone: bool
    """Whether a phone number is in the vault."""
    has_email: bool
    """Whether an e-mail address is in the vault."""
    time_zone: str | None = None
    """The person's, an IANA name; empty where it was not given and cannot be told."""
    created_at: datetime
    received_at: datetime | None = None
    """When it came to us, which can be long after its source got it."""
    last_activity_at: datetime | None
    updated_at: datetime
    """When this version was written."""
    erased_at: datetime | None = None
    """When the lead's person was erased; what is left of it are numbers."""
    warnings: list[Flaw] = []
    metadata: dict[str, Scalar] = {}
    merged_into: UUID | None = None
    """The lead of the same person that speaks for this one too."""
    merged_leads: list[UUID] = []
    """The leads merged into this one, in the order in which they lend it what it lacks."""
    provenance: dict[str, UUID] = {}
    """The fields that it has from one of these, each with that lead."""


class GetLead(Request[LeadView]):
    """One lead as it is now, without its PII."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_lead")
    lead_id: UUID


MOST_LOOKED_THROUGH: Final = 10_000
"""How many leads a page is looked for among, where leads are asked for by what no index finds them by."""


class LeadPage(Reply):
    """A page of leads."""

    leads: list[LeadView]
    """The leads of this page."""
    work: list[LeadStatus] = []
    """How far the work on each of them is, and whose it is, in their order; where that was asked for."""
    next_cursor: str | None = None


class ListLeads(Request[LeadPage]):
    """Leads that match everything given, newest first, a page at a time.

    A page is as quick among a million leads, and however far into them: it is looked for among 10,000 of those that have the owner, the
    status, the source or the place that is asked for, and may hold fewer leads than its limit, or none, although another follows.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_leads")
    lead_ids: Annotated[list[UUID], Field(max_length=200)] = []
    """Only these; whichever, if empty."""
    source_key: Key | None = None
    geo_key: Key | None = None
    intent: Intent | None = None
    tier: Tier | None = None
    product_interest: Key | None = None
    """The key of what the person is interested in."""
    status: WorkStatus | None = None
    """Only those on which the work has come so far."""
    workspace: Workspace | None = None
    owner: Actor | None = None
    """Only what this agent owns now."""
    received_since: Moment | None = None
    """Only what came to us at this moment or later."""
    received_until: Moment | None = None
    """Only what came to us before this moment."""
    include_merged: bool = False
    """Whether leads that are merged into others are listed too, each as its own source sent it; never by what is asked of the work, which is
    that of the lead that stands for them."""
    with_work: bool = False
    """Whether to tell how far the work on each lead is, and whose it is; on one that is merged, of the one that stands for it."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class SubmissionView(BaseModel):
    """The verdict on one submission."""

    submission_id: UUID
    verdict: LeadVerdict
    correlation_id: UUID
    reasons: list[Flaw] = []


class SubmissionList(Reply):
    """The verdicts known so far; a submission that is not listed has not been handled yet."""

    submissions: list[SubmissionView]
    """One verdict for each submission handled."""


class GetSubmissions(Request[SubmissionList]):
    """What became of submissions, by the ids of the messages that carried them."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_submissions")
    submission_ids: Annotated[list[UUID], Field(max_length=1000)]
    """The ids the submissions were published under."""


class SubmissionCounts(Reply):
    """How many submissions got each verdict."""

    counts: dict[LeadVerdict, int] = Field(description="By verdict; a verdict that none got is left out.")


class CountSubmissions(Request[SubmissionCounts]):
    """How the submissions of one run ended: those that travelled under its correlation id and were handled then."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "count_submissions")
    correlation_id: UUID = Field(description="The run's id, as its commands carried it.")


class ImportKey(Reply):
    """What an import's ids are made with."""

    key: Annotated[str, Field(repr=False, examples=["00" * 32])]
    """32 bytes, hexadecimal. Whoever has it can make sure of what the rows of an import hold, from the ids in its events."""


class GetImportKey(Request[ImportKey]):
    """The tenant's key for the ids of imports: the same row has the same id, wherever and whenever it is imported."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_import_key")


class SourceRef(BaseModel):
    """A lead as its source names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_system: SourceSystem
    source_id: SourceId


class SourceIds(Reply):
    """The ids of leads as events carry them."""

    source_ids: list[SourceId]
    """In the order in which they were asked for."""


class TokeniseSourceIds(Request[SourceIds]):
    """The ids by which events name these leads: a contact's token in its place, any other id as it is.

    An id of digits alone is a token's where intake has its lead under one. Nothing is stored of what is asked.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "tokenise_source_ids")
    leads: Annotated[list[SourceRef], Field(max_length=1000)]
    """The leads, as their sources name them."""
