"""Messages of outreach: a made-up history, for trying out and testing what is made of events."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.message import Kind, Reply, Request, Topic


class GeneratedHistory(Reply):
    """What a made-up history tells."""

    events: int
    """How many events are published."""
    leads: int
    """To how many leads, who exist nowhere else, anything was sent."""
    messages: int
    """How many messages were sent."""
    replies: int
    """How many came back."""
    waiting: int
    """Of how many replies nothing says what they mean."""
    campaigns: list[UUID]
    """The campaigns it tells of."""
    accounts: list[UUID]
    """The accounts it tells of."""


class GenerateHistory(Request[GeneratedHistory]):
    """Tell seven days of made-up outreach, today included, as if it had happened: every type of event that sending brings forth.

    Nothing is queued and nobody is contacted; outreach itself knows none of the campaigns, accounts and leads. The events are published
    from the reply on. `conflict` where the tenant has events already, but those of the gateway. `unavailable` while the aggregator does
    not answer.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "generate_history")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The same tenant, seed and moment make the same history."""
