"""The tenant's events, as the aggregator stores them."""

from typing import Annotated

from fastapi import APIRouter, Query

from contracts.aggregator.events import EventPage, ListEvents
from gateway.gate import Admitted

router = APIRouter(tags=["events"])


@router.get("/events")
async def list_events(principal: Admitted, query: Annotated[ListEvents, Query()]) -> EventPage:
    """Events, last stored first, a page at a time."""
    return await principal.ask(query)
