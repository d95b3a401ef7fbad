"""What intake answers about many leads at once."""

from typing import Any
from uuid import UUID

from chassis import paging, tenants
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import LeadPage, ListLeads
from intake.leads.shown import first_id_at, view
from intake.listing import store
from intake.listing.store import VALUES, Wanted
from intake.routing.shown import told


async def list_leads(uow: UnitOfWork, request: Received[ListLeads]) -> LeadPage:
    ask = request.body
    bounds = [paging.after(ask.cursor, UUID), first_id_at(ask.received_until) if ask.received_until else None]
    wanted = Wanted(
        values=ask.model_dump(mode="json", include=set(VALUES), exclude_none=True),
        status=ask.status,
        workspace=ask.workspace,
        owner=ask.owner,
        lead_ids=ask.lead_ids,
        since=first_id_at(ask.received_since) if ask.received_since else None,
        before=min((bound for bound in bounds if bound), default=None),
        include_merged=ask.include_merged,
    )
    looked_to = await store.reach(uow, request.tenant, wanted)
    rows = await store.page(uow, request.tenant, wanted, looked_to, ask.limit + 1)
    page, cursor = paging.cut(rows, ask.limit, lambda row: row["lead_id"])
    allowed = (await tenants.settings_of(uow, request.tenant)).metadata_allowed
    return LeadPage(
        leads=[view(row, allowed) for row in page],
        work=[told(_work(row)) for row in page] if ask.with_work else [],
        next_cursor=cursor or (str(looked_to) if looked_to else None),
    )


def _work(row: Any) -> dict[str, Any]:
    return {name: row[f"work_{name}"] for name in store.WORK}
