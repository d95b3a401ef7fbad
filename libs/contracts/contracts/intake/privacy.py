"""Messages of intake: who is shown what is personal and why, and how a person is forgotten."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Purpose, Role
from contracts.values import Actor, Slug

MOST_REVEALED = 100
"""How many leads can be asked for at once."""
DERIVED_FROM_A_PERSON: Final = ("phone_token", "email_token", "linkedin_token", "metadata", "time_zone")
"""The fields of events that are made of what is personal, or may hold it: gone from every store once the person is erased."""


class OnBehalfOf(BaseModel):
    """The person for whom a service asks, as that service has identified them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: Actor
    """The user's id; never a name."""
    role: Role
    """As what the user asks."""


class PersonalField(StrEnum):
    """What the vault may hold of a lead."""

    NAME = "name"
    PHONE = "phone"
    PHONE_EXTENSION = "phone_extension"
    EMAIL = "email"
    LINKEDIN_URL = "linkedin_url"
    NOTES = "notes"
    METADATA = "metadata"


class RevealState(StrEnum):
    """What became of the wish to see a lead's personal values."""

    REVEALED = "revealed"
    NOT_FOUND = "not_found"
    """This tenant has no such lead; whether another has is not told."""
    ERASED = "erased"
    """The person was erased: there is nothing left to see."""
    DEFERRED = "deferred"
    """It does not fit into this reply and was not opened: ask for it in another request."""


class Revealed(BaseModel):
    """What is personal about one lead; a value that was not asked for, or never given, is empty."""

    lead_id: UUID
    state: RevealState
    person_id: UUID | None = None
    name: str | None = None
    """What the person is called."""
    phone: str | None = None
    """E.164."""
    phone_extension: str | None = None
    """What is dialled after it."""
    email: str | None = None
    """The e-mail address."""
    linkedin_url: str | None = None
    """The LinkedIn profile."""
    notes: str | None = None
    """Free text."""
    metadata: Annotated[dict[str, Any], Field(examples=[{"pets": "two dogs"}])] | None = None
    """What the source sent besides, and the tenant does not allow in events."""
    provenance: dict[str, UUID] = {}
    """Field (or `metadata.` and a name) → the merged lead that lends it, where this lead lacks it. A lent value is audited as that
    lead's."""
    left_out: list[PersonalField] = []
    """Fields that alone are too large for a reply together with the others: ask for each by itself."""


class Revelation(Reply):
    """What was revealed, and recorded as revealed."""

    leads: list[Revealed]
    """One for each lead asked for, in that order; a lead asked for twice is there once."""


class RevealPii(Request[Revelation]):
    """See what is personal about leads. Each revealed lead leaves a row in the audit, or nothing is revealed.

    `forbidden` where the asking service may not for this purpose, or the user's role not by way of it; `unavailable` with its
    `allowance` where whoever asks would have seen more persons within an hour than the tenant allows.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "reveal_pii")
    lead_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_REVEALED)]
    """Whose."""
    purpose: Purpose
    on_behalf_of: OnBehalfOf | None = None
    """Who wants to see it; empty where a service acts by itself."""
    fields: list[PersonalField] = []
    """Which values; all, if empty."""


class PiiRevealed(Event):
    """Somebody was shown what is personal about leads; of the values nothing is told."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "pii_revealed")
    lead_ids: list[UUID]
    """Whose values were shown."""
    count: int
    """How many leads they are."""
    purpose: Purpose
    service: str
    """By way of which service, or ``operator``."""
    actor: Actor | None = None
    """To which user; empty where the service acted by itself."""
    role: Role | None = None
    """The user's role."""
    occurred_at: datetime


class RevealLimitReached(Event):
    """Somebody asked to see more persons within an hour than the tenant allows; told once an hour, while they go on."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "reveal_limit_reached")
    caller: str
    """The user, or the service that acted by itself."""
    service: str
    """By way of which service, or ``operator``."""
    limit: int
    """Persons an hour."""
    seen: int
    """How many persons the caller has seen within the last hour."""
    refused: int
    """How many more were asked for."""
    occurred_at: datetime


class RevealView(BaseModel):
    """A row of the audit: one lead's personal values were shown, once."""

    reveal_id: UUID
    """Rises with time."""
    revealed_at: datetime
    """When."""
    service: str
    """By way of which service, or ``operator``."""
    actor: str | None
    """To which user; empty where the service acted by itself."""
    role: str | None
    """The user's role."""
    purpose: str
    fields: list[str]
    """The values that were shown; ``export`` stands for all that is known of the person."""
    lead_id: UUID
    person_id: UUID
    correlation_id: UUID


class RevealPage(Reply):
    """A page of the audit."""

    reveals: list[RevealView]
    """The rows of this page."""
    next_cursor: str | None = None


class ListReveals(Request[RevealPage]):
    """Who was shown whose personal values, newest first, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_reveals")
    actor: Annotated[str, Field(max_length=100)] | None = None
    """Only what this user was shown, or this service when it acted by itself."""
    lead_id: UUID | None = None
    """Only of this lead."""
    person_id: UUID | None = None
    """Only of this person."""
    purpose: Purpose | None = None
    """Only for this purpose."""
    since: AwareDatetime | None = None
    """Only from this moment on."""
    until: AwareDatetime | None = None
    """Only before this moment."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=200)] | None = None


class Erased(Reply):
    """A person was erased."""

    erasure_id: UUID
    """What the certificate is asked for by."""
    person_id: UUID
    lead_ids: list[UUID]
    """The leads erased with the person."""
    erased_at: datetime
    already: bool
    """Whether the person had been erased before, and this call changed nothing."""


class EraseLead(Request[Erased]):
    """Erase the person of a lead: all its leads, wherever they came from. It cannot be undone; to repeat it is no error.

    Leads that are merged are one person's, whoever merged them, and erased together: unmerge first what does not belong.

    What identified the person is destroyed with the key it was sealed with; the leads stay as numbers. A keyed entry stays,
    by which the person is known, and refused, when submitted again, until `lift_suppression`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"lead_id": "01a200aa-b2b0-73c3-8bc5-f06d61bb0467", "reason": "subject_request"}]
        }
    )
    topic: ClassVar = Topic("intake", Kind.REQUEST, "erase_lead")
    lead_id: UUID | None = None
    """The lead whose person is meant; instead of `person_id`."""
    person_id: UUID | None = None
    """The person; instead of `lead_id`."""
    reason: Slug = "subject_request"
    """Why, as a word for programs: it stays in the certificate."""
    on_behalf_of: OnBehalfOf | None = None
    """Who wants it; empty where the operator acts."""

    @model_validator(mode="after")
    def _names_one_person(self) -> "EraseLead":
        if (self.lead_id is None) == (self.person_id is None):
            raise ValueError("give either lead_id or person_id")
        return self


class LeadErased(Event):
    """A lead's person was erased: drop what you hold that is personal or made of it, and answer `personal_data_dropped`.

    A later version of the lead is another person's or, once that was allowed again, the same person's.
    """

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_erased")
    erasure_id: UUID
    lead_id: UUID
    version: int
    person_id: UUID
    occurred_at: datetime


class Confirmation(BaseModel):
    """A service has dropped what it held of the person."""

    service: str
    """Which."""
    confirmed_at: datetime | None
    """When it had done so for the last of the leads; empty while one is open."""
    dropped: dict[str, int]
    """What it dropped, counted."""


class Remainder(BaseModel):
    """Something that stays after an erasure."""

    what: str
    """What stays."""
    why: str
    """Why it does."""
    until: str
    """For how long."""


class ErasureCertificate(Reply):
    """What was erased of a person, by whom and when, who has confirmed it, and what stays."""

    erasure_id: UUID
    person_id: UUID
    lead_ids: list[UUID]
    """The leads erased with the person."""
    erased_at: datetime
    service: str
    """By way of which service, or ``operator``."""
    actor: str | None
    """Which user ordered it; empty where the operator did."""
    role: str | None
    """The user's role."""
    reason: str
    """Why, as it was ordered."""
    erased: dict[str, int]
    """What intake erased, counted by kind."""
    confirmations: list[Confirmation]
    """What the other services dropped; one for each that holds anything of a lead."""
    complete: bool
    """Whether every one of them has confirmed it."""
    remains: list[Remainder]
    """What stays, why and until when."""
    lifted_at: datetime | None = None
    """When the person was allowed to be submitted again."""
    lifted_by: str | None = None
    """Who allowed it."""


class GetErasureCertificate(Request[ErasureCertificate]):
    """The certificate of an erasure, as complete as it is by now."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_erasure_certificate")
    erasure_id: UUID


class Lifted(Reply):
    """The person may be submitted again."""

    erasure_id: UUID
    entries: int
    """How many entries were forgotten; 0 where that was done before."""


class LiftSuppression(Request[Lifted]):
    """Allow an erased person to be submitted again, as when they come back by themselves; what was erased stays so."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "lift_suppression")
    erasure_id: UUID
    reason: Slug
    """Why, as a word for programs."""
    on_behalf_of: OnBehalfOf | None = None
    """Who wants it; empty where the operator acts."""


class SuppressionLifted(Event):
    """An erased person may be submitted again."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "suppression_lifted")
    erasure_id: UUID
    reason: Slug
    """Why, as a word for programs."""
    service: str
    """By way of which service, or ``operator``."""
    actor: Actor | None = None
    """Which user allowed it; empty where the operator did."""
    occurred_at: datetime


class ExportKind(StrEnum):
    """What an entry of an export is."""

    LEAD = "lead"
    """A lead with its personal values, from intake."""
    SUBMISSION = "submission"
    """The verdict on a submission of a lead, from intake."""
    MERGE = "merge"
    """That a lead was merged into another one, from intake."""
    ASSIGNMENT = "assignment"
    """Who owned a lead, from intake."""
    REVEAL = "reveal"
    """Who was shown the person's values, from intake's audit."""
    DECISION = "decision"
    """Why a lead went where it did, from intake."""
    OUTCOME = "outcome"
    """What became of a lead, from outcomes."""
    MESSAGE = "message"
    """A message to the person, from outreach."""
    EVENT = "event"
    """An event about a lead, from the aggregator."""


class ExportEntry(BaseModel):
    """One thing that is known of the person."""

    kind: ExportKind
    """What it is."""
    lead_id: UUID
    """Of which of the person's leads."""
    content: Annotated[dict[str, Any], Field(examples=[{"personal_name": "Ada Example", "source_key": "open_house"}])]
    """All that is known of it, as JSON."""


class ExportPage(Reply):
    """A page of all that is known of one person."""

    person_id: UUID
    entries: list[ExportEntry]
    """By lead, the oldest first, and of each by kind."""
    next_cursor: str | None = None
    """More is known; the next page is asked for with this."""


class ExportLead(Request[ExportPage]):
    """All that LeadLoop knows of the person of a lead, a page at a time; each page is audited as a reveal.

    Leads that are merged are one person's, and exported together.

    Intake asks the other services for what they hold: `unavailable` where one does not answer, for an export that lacks
    something would look like one that does not.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "export_lead")
    lead_id: UUID
    on_behalf_of: OnBehalfOf | None = None
    """Who wants it; empty where the operator acts."""
    cursor: Annotated[str, Field(max_length=300)] | None = None
