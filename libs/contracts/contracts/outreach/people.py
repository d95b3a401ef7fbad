"""Messages of outreach: who may not be contacted, and since when somebody was not."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Channel
from contracts.values import NO_NUL, Actor, Moment

Note = Annotated[
    str | None, Field(min_length=1, max_length=1_000, pattern=NO_NUL, repr=False, examples=["Asked by telephone."])
]
"""Free text about an entry of the suppression ledger; kept sealed, and dropped when its person is erased."""

MOST_LOOKED_AT: Final = 1000
"""How many leads a page of contacts is looked for among."""


class SuppressionReason(StrEnum):
    """Why somebody is not to be contacted."""

    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"
    """They reported a message as spam; it never ends."""
    BOUNCE = "bounce"
    """Their address does not exist."""
    DO_NOT_CONTACT = "do_not_contact"
    """Somebody of the tenant's decided so."""
    REQUEST = "request"
    """They asked for it otherwise."""


class SuppressionView(Reply):
    """An entry of the suppression ledger. None is ever deleted; one that was lifted stays."""

    suppression_id: UUID
    lead_id: UUID | None = None
    """By way of which lead it was made; it holds for everybody with one of that lead's addresses."""
    reason: SuppressionReason
    """Why."""
    channel: Channel | None = None
    """Which channel must not be used; none may, if empty."""
    campaign_id: UUID | None = None
    """Which campaign must not send; none may, if empty."""
    created_at: datetime
    actor: Actor | None = None
    expires_at: datetime | None = None
    lifted_at: datetime | None = None
    """When somebody ended it."""
    lifted_by: Actor | None = None
    """Who did."""
    note: Note = None
    """What was noted when it was made."""
    lift_note: Note = None
    """What was noted when it was lifted."""


class Suppress(Request[SuppressionView]):
    """Have a lead's person not be contacted, by whatever lead, from the reply on."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "suppress")
    lead_id: UUID
    reason: SuppressionReason = SuppressionReason.DO_NOT_CONTACT
    """Why."""
    channel: Channel | None = None
    """Which channel is not to be used; none, if empty."""
    campaign_id: UUID | None = None
    """Which campaign is not to send; none, if empty."""
    expires_at: Moment | None = None
    """When it ends by itself; a complaint's never does."""
    actor: Actor | None = None
    note: Note = None
    """What is to be remembered of it; kept sealed, and dropped when the person is erased."""
    suppression_id: UUID | None = None
    """The entry's id, a UUIDv7 that was never used, so that it is made once; one of ours, if empty."""


class UnsubscribeTaken(Reply):
    """The person is contacted no more, by whatever lead."""

    message_id: UUID


class Unsubscribe(Request[UnsubscribeTaken]):
    """Have the person of a message not be contacted any more, from the reply on, because they clicked its link (RFC 8058).

    A second time changes nothing. A wrong token, an unknown message and an erased person are `not_found` alike.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "unsubscribe")
    message_id: UUID
    token: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False, examples=["00" * 32])]
    """What the link ends with: it proves that the link is ours."""


class Unsuppress(Request[SuppressionView]):
    """End an entry of the suppression ledger; a complaint's is refused."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "unsuppress")
    suppression_id: UUID
    actor: Actor | None = None
    note: Note = None
    """Why it is lifted; kept sealed, and dropped when the person is erased. Of an entry that was lifted before, the first one stays."""


class SuppressionList(Reply):
    """Entries of the suppression ledger."""

    suppressions: list[SuppressionView]
    """Those of the page."""
    next_cursor: str | None = None


class ListSuppressions(Request[SuppressionList]):
    """The suppression ledger, newest first, a page at a time; with `lead_id` what is about that lead's person."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_suppressions")
    lead_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ContactStatus(StrEnum):
    """How a person stands with all campaigns together."""

    NEW = "new"
    """Never contacted."""
    IN_SEQUENCE = "in_sequence"
    """A campaign holds them."""
    RESTING = "resting"
    """Contacted less than 60 days ago."""
    CONTACTED = "contacted"
    """Contacted, longer ago."""
    SUPPRESSED = "suppressed"
    ERASED = "erased"


class Contact(BaseModel):
    """A person as far as contacting them goes."""

    lead_id: UUID
    channels: list[Channel]
    status: ContactStatus
    """How they stand."""
    last_contacted: datetime | None = None
    """When anything was sent to them last, or may have been."""
    eligible_for_outreach: bool
    """Whether a campaign that does not hold them could contact them now."""
    eligible_from: datetime | None = None
    """When it could; empty where it can, or where that has no date."""


class ContactView(Contact, Reply):
    """A person as far as contacting them goes."""


class GetContact(Request[ContactView]):
    """How a lead's person stands with all campaigns together."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "get_contact")
    lead_id: UUID


class ContactPage(Reply):
    """A page of contacts."""

    contacts: list[Contact]
    """Those that were asked for, of the leads looked at; a page may hold fewer than its limit, or none, although another follows."""
    next_cursor: str | None = None


class ListContacts(Request[ContactPage]):
    """How the persons of leads stand with all campaigns together, a page at a time, in the order of the leads' ids.

    A lead that another stands for is left out. A page is looked for among 1,000 leads at most.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_contacts")
    status: ContactStatus | None = None
    """Only who stands so."""
    eligible: bool | None = None
    """Only whom a campaign that does not hold them could contact now; only the others, where false."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class HistoryEntry(BaseModel):
    """Something that was sent to a person, by LeadLoop or before."""

    history_id: UUID
    """The entry."""
    lead_id: UUID
    """By way of which lead."""
    channel: Channel
    campaign_id: UUID | None = None
    message_id: UUID | None = None
    """Empty where it was sent before LeadLoop sent anything."""
    sent_at: datetime
    """When."""


class HistoryPage(Reply):
    """A page of what was sent to a person."""

    entries: list[HistoryEntry]
    """Those of the page."""
    next_cursor: str | None = None


class OutreachHistory(Request[HistoryPage]):
    """What was sent to a lead, and to those that it stands for, whatever by, newest first, a page at a time."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "outreach_history")
    lead_id: UUID
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class Unsubscribed(Event):
    """A person does not want to be contacted any more."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "unsubscribed")
    lead_id: UUID
    campaign_id: UUID | None = None
    message_id: UUID | None = None
    """The message they answered, where it is known."""
    occurred_at: datetime
