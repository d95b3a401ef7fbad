"""What is answered about which leads a bulk records outcomes of, and about bulks that were recorded."""

from typing import Final
from uuid import UUID

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts import outcomes as messages
from outcomes import store_choosing

_MOST_COUNTED: Final = messages.MAX_BULK_ROWS + 1
_MOST_LOOKED_THROUGH: Final = 5_000


async def choose_leads(uow: UnitOfWork, request: Received[messages.ChooseLeads]) -> messages.ChosenLeads:
    """Exactly the leads that a bulk with this filter is about. Who is looked for may be rare, so that a page ends where so many leads were
    looked through, whatever it holds by then."""
    tenant, ask = request.tenant, request.body
    before = paging.after(ask.cursor, UUID)
    looked_to = await store_choosing.looked_to(uow, tenant, before, _MOST_LOOKED_THROUGH)
    rows = await store_choosing.chosen(uow, tenant, ask.leads, ask.limit + 1, before=before, looked_to=looked_to)
    page, cursor = paging.cut(rows, ask.limit, lambda row: row["lead_id"])
    return messages.ChosenLeads(
        leads=[messages.ChosenLead.model_validate(dict(row)) for row in page],
        count=await store_choosing.count_chosen(uow, tenant, ask.leads, _MOST_COUNTED) if ask.count else None,
        next_cursor=cursor or (str(looked_to) if looked_to else None),
    )


async def list_lead_keys(uow: UnitOfWork, request: Received[messages.ListLeadKeys]) -> messages.LeadKeys:
    keys = await store_choosing.lead_keys(uow, request.tenant, messages.MOST_LEAD_KEYS)
    return messages.LeadKeys(sources=keys["source"], places=keys["place"], partners=keys["partner"])


async def list_bulks(uow: UnitOfWork, request: Received[messages.ListBulks]) -> messages.BulkPage:
    ask = request.body
    rows = await store_choosing.bulks(uow, request.tenant, paging.after(ask.cursor, UUID), ask.limit + 1)
    page, cursor = paging.cut(rows, ask.limit, lambda row: row["bulk_id"])
    return messages.BulkPage(bulks=[messages.BulkView.model_validate(dict(row)) for row in page], next_cursor=cursor)
