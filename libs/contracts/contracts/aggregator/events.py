"""The event store."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.message import Kind, Reply, Request, Topic


class StoredEvent(BaseModel):
    """An event as it was published."""

    event_id: UUID
    """The id of the message that carried it."""
    type: str
    """Its CloudEvents type, e.g. ``intake.event.lead_accepted.v1``."""
    occurred_at: datetime
    stored_at: datetime
    """When the aggregator stored it."""
    lead_id: UUID | None
    """The lead it is about, if it is about one."""
    body: dict[str, Any]
    """The event's JSON."""


class EventPage(Reply):
    """A page of events."""

    events: list[StoredEvent]
    """The events of this page."""
    next_cursor: Annotated[str, Field(examples=["1762"])] | None = None


class ListEvents(Request[EventPage]):
    """A tenant's events, last stored first, a page at a time."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_events")
    lead_id: UUID | None = None
    """Only events about this lead."""
    types: list[str] = []
    """Only events of these types; of every type, if empty."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200, examples=["1762"])] | None = None
