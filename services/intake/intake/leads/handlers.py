"""What intake answers about leads."""

from uuid import UUID

from chassis import paging, tenants
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import leads as messages
from intake.leads import source_ids, store
from intake.leads.problems import no_such_lead
from intake.leads.shown import view


async def get_lead(uow: UnitOfWork, request: Received[messages.GetLead]) -> messages.LeadView:
    row = await store.lead(uow, request.tenant, request.body.lead_id)
    if row is None:
        raise no_such_lead()
    return view(row, (await tenants.settings_of(uow, request.tenant)).metadata_allowed)


async def list_leads(uow: UnitOfWork, request: Received[messages.ListLeads]) -> messages.LeadPage:
    ask = request.body
    filters = ask.model_dump(include={"source_key", "geo_key", "intent", "tier"})
    before = paging.after(ask.cursor, UUID)
    rows = await store.page(uow, request.tenant, filters, before, ask.limit + 1, include_merged=ask.include_merged)
    allowed = (await tenants.settings_of(uow, request.tenant)).metadata_allowed
    leads = [view(row, allowed) for row in rows[: ask.limit]]
    return messages.LeadPage(leads=leads, next_cursor=str(leads[-1].lead_id) if len(rows) > ask.limit else None)


async def tokenise_source_ids(
    keys: TenantKeys, uow: UnitOfWork, request: Received[messages.TokeniseSourceIds]
) -> messages.SourceIds:
    key = await keys.of(uow, request.tenant)
    named = [(lead.source_system, lead.source_id) for lead in request.body.leads]
    return messages.SourceIds(source_ids=await source_ids.public(uow, key, named))
