"""What intake answers about leads."""

from chassis import tenants
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


async def tokenise_source_ids(
    keys: TenantKeys, uow: UnitOfWork, request: Received[messages.TokeniseSourceIds]
) -> messages.SourceIds:
    key = await keys.of(uow, request.tenant)
    named = [(lead.source_system, lead.source_id) for lead in request.body.leads]
    return messages.SourceIds(source_ids=await source_ids.public(uow, key, named))
