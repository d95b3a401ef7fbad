"""What is asked of the event store."""

from aggregator.events import store
from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator import events as messages


async def list_events(uow: UnitOfWork, request: Received[messages.ListEvents]) -> messages.EventPage:
    ask = request.body
    before = paging.after(ask.cursor, int)
    rows = await store.events(uow, request.tenant, ask.lead_id, ask.types, before, ask.limit + 1)
    page = rows[: ask.limit]
    return messages.EventPage(
        events=[messages.StoredEvent.model_validate(dict(row)) for row in page],
        next_cursor=str(page[-1]["seq"]) if len(rows) > ask.limit else None,
    )
