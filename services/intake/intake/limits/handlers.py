"""What intake answers about its rate limits."""

from chassis import tenants
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import limits as messages
from intake.limits import store


async def list_parked(uow: UnitOfWork, request: Received[messages.ListParked]) -> messages.ParkedList:
    settings = await tenants.settings_of(uow, request.tenant)
    return messages.ParkedList(
        sources=[
            messages.ParkedSource(
                source_system=row.source_system,
                parked=row.parked,
                oldest_received_at=row.oldest_received_at,
                leads_per_minute=settings.lead_limit(row.source_system),
            )
            for row in await store.by_source(uow, request.tenant)
        ]
    )
