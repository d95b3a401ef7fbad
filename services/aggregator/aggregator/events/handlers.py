"""What is asked of the event store, and its job."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from aggregator.events import store, store_archive
from aggregator.events.domain_wanted import Wanted
from chassis import paging
from chassis.jobs import Counts
from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts.aggregator import events as messages

_MOST_BYTES = 900_000
"""Of bodies in a reply: with all else of 200 events it is less than a message may be (1 MiB)."""
_MONTHS_AHEAD = 3


async def list_events(uow: UnitOfWork, request: Received[messages.ListEvents]) -> messages.EventPage:
    ask = request.body
    wanted = Wanted.of(ask)
    before = paging.after(ask.cursor, wanted.position)
    rows = await store.events(uow, request.tenant, wanted, before, ask.limit + 1)
    page, cursor = paging.cut(rows, min(ask.limit, _fitting(rows)), wanted.position_of)
    archived = await store_archive.archived_months(uow, request.tenant)
    return messages.EventPage(events=[_shown(row) for row in page], next_cursor=cursor, archived_months=archived)


async def make_months(database: Database, slot: datetime) -> Counts:
    """The daily job: have the months be there in which events of the next days and weeks will be kept."""
    async with database.begin() as uow:
        months = [slot.date() + timedelta(days=28 * ahead) for ahead in range(_MONTHS_AHEAD + 1)]
        return {"months": await store.make_months(uow, months)}


def _fitting(rows: Sequence[RowMapping]) -> int:
    """How many of these events, from the first on, fit into a reply; at least one, whose body may be left out."""
    size = 0
    for number, row in enumerate(rows):
        size += row["size"]
        if size > _MOST_BYTES:
            return max(number, 1)
    return len(rows)


def _shown(row: RowMapping) -> messages.StoredEvent:
    omitted = row["size"] > _MOST_BYTES
    shown = dict(row) | ({"body": {}} if omitted else {})
    return messages.StoredEvent.model_validate(shown | {"body_omitted": omitted})
