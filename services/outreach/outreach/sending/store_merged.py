"""Every query about messages that waited because another lead stood for theirs."""

from collections.abc import Sequence
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from outreach.sending import store_entries


async def look_again(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> None:
    """Have the messages to (tenant, lead) be looked at again that waited because another lead stood for it."""
    rows = await uow.execute(
        """update send_queue set due_at = :now, waiting_for = null
           from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant, lead)
           where tenant_id = given.tenant and lead_id = given.lead and state = 'queued' and waiting_for = 'merged'
           returning tenant_id, account_id, campaign_id, kind, due_at""",
        tenants=[tenant for tenant, _ in leads], leads=[lead for _, lead in leads], now=uow.now,
    )  # fmt: skip
    if woken := list(rows.mappings()):
        await store_entries.make_lanes(uow, woken)
