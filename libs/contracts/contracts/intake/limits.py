"""Messages of intake: what waits because its source sends more than its rate limit allows."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel

from contracts.message import Kind, Reply, Request, Topic


class ParkedSource(BaseModel):
    """A source of whose submissions some are parked."""

    source_system: str
    parked: int
    """How many wait."""
    oldest_received_at: datetime
    """When the broker took in the one that has waited longest."""
    leads_per_minute: int
    """How many a minute are let through."""


class ParkedList(Reply):
    """The tenant's sources that sent more than they may."""

    sources: list[ParkedSource]
    """The one that has waited longest first; empty when nothing is parked."""


class ListParked(Request[ParkedList]):
    """How many submissions are parked beyond the rate limit, by source."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_parked")
