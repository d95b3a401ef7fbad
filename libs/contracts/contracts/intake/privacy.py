"""Messages of intake: who is shown what is personal and why, and the export of all that is known of a person."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Purpose, Role
from contracts.values import Actor

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
    SOURCE_ID = "source_id"


class RevealState(StrEnum):
    """What became of the wish to see a lead's personal values, or a text."""

    REVEALED = "revealed"
    NOT_FOUND = "not_found"
    """This tenant has no such lead, or text; whether another has is not told."""
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
    source_id: str | None = None
    """What the source calls the lead, where that is an e-mail address or a telephone number."""
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
    """The values that were shown; ``export`` stands for all that is known of the person, ``text`` for a text received of them."""
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
    """Only of this person, and of leads that are theirs by now."""
    purpose: Purpose | None = None
    """Only for this purpose."""
    since: AwareDatetime | None = None
    """Only from this moment on."""
    until: AwareDatetime | None = None
    """Only before this moment."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ExportKind(StrEnum):
    """What an entry of an export is."""

    LEAD = "lead"
    """A lead with its personal values, from intake, and its `suppressions`: what outreach's ledger says of its person."""
    SUBMISSION = "submission"
    """The verdict on a submission of a lead, from intake."""
    MERGE = "merge"
    """That a lead was merged into another one, from intake."""
    ASSIGNMENT = "assignment"
    """Who owned a lead, from intake."""
    REVEAL = "reveal"
    """Who was shown the person's values, from intake's audit."""
    WORK = "work"
    """How far the work on a lead has come, from intake."""
    DECISION = "decision"
    """Why a lead went where it did, from intake."""
    CONTACT = "contact"
    """What enrichment found of the person, from intake; it stands with the oldest of the person's leads."""
    ACTION = "action"
    """An action about the person, from intake's memory of actions."""
    TEXT = "text"
    """A text that a service received of the person, from intake."""
    OUTCOME = "outcome"
    """What became of a lead, from outcomes."""
    MESSAGE = "message"
    """A message to the person, from outreach; one that another system sent has no `message_id`."""
    EVENT = "event"
    """An event about a lead, from the aggregator."""


class ExportEntry(BaseModel):
    """One thing that is known of the person."""

    kind: ExportKind
    """What it is."""
    lead_id: UUID
    """Of which of the person's leads."""
    content: Annotated[dict[str, Any], Field(examples=[{"personal_name": "Ada Example", "source_key": "open_house"}])]
    """All that is known of it, as JSON. A value that is too large for a page is named in `in_parts`, and follows in entries of the
    same kind and lead: `json` of each with this `part_of`, put together in their order, is the value's JSON."""


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
    something would look like one that does not. What is not a lead yet is in none: commands that wait or were put away, and files of
    imports, are sealed and cannot be searched by person.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "export_lead")
    lead_id: UUID
    on_behalf_of: OnBehalfOf | None = None
    """Who wants it; empty where the operator acts."""
    cursor: Annotated[str, Field(max_length=300)] | None = None
