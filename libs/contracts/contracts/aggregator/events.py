"""The event store."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from contracts.message import Kind, Reply, Request, Topic


class StoredEvent(BaseModel):
    """An event as it was published."""

    event_id: UUID
    """The id of the message that carried it."""
    type: str
    """Its CloudEvents type, e.g. ``intake.event.lead_accepted.v1``."""
    occurred_at: datetime
    """When what it tells happened."""
    stored_at: datetime
    """When the aggregator stored it."""
    told_at: datetime | None = None
    """When it was published (`ce-time`); the month in which it is kept follows from this."""
    lead_id: UUID | None
    """The lead it is about, if it is about one."""
    campaign_id: UUID | None = None
    """The campaign it is about, if it is about one."""
    account_id: UUID | None = None
    """The account of outreach it is about, if it is about one."""
    body: dict[str, Any]
    """The event's JSON."""
    body_omitted: bool = False
    """The JSON is larger than a reply can carry, and `body` is empty instead."""


class EventPage(Reply):
    """A page of events. It ends early, before `limit`, where more would be larger than a reply can be."""

    events: list[StoredEvent]
    """The events of this page."""
    next_cursor: Annotated[str, Field(examples=["1762"])] | None = None


class ListEvents(Request[EventPage]):
    """A tenant's events, a page at a time: last stored first, or where `types`, `campaign_id`, `account_id`, `since` or `until` is
    given, last occurred first. An event is shown if it fits everything that is given.

    A page is as quick among a million events, and however far into them.
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_events")
    lead_id: UUID | None = None
    """Only events about this lead."""
    campaign_id: UUID | None = None
    """Only events about this campaign."""
    account_id: UUID | None = None
    """Only events about this account of outreach."""
    types: Annotated[list[str], Field(examples=[["message_sent", "intake.event.lead_accepted.v1"]])] = []
    """Only events of these types, each by its CloudEvents type or by its name, which stands for every version of it and every service
    that tells it; of every type, if empty."""
    since: AwareDatetime | None = None
    """Only events that occurred at this moment or later."""
    until: AwareDatetime | None = None
    """Only events that occurred before this moment."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200, examples=["1762"])] | None = None
