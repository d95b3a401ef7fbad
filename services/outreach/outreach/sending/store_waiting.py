"""Every query about messages that waited for something that has happened."""

from collections.abc import Sequence
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.outreach.sending import Gate
from outreach.sending import store_entries


async def look_again(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]], gates: Sequence[Gate]) -> None:
    """Have the messages to (tenant, lead) be looked at again that waited for one of these gates."""
    rows = await uow.execute(
        """update send_queue set due_at = :now, waiting_for = null
           from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant, lead)
           where tenant_id = given.tenant and lead_id = given.lead and state = 'queued' and waiting_for = any (cast(:gates as text[]))
           returning tenant_id, account_id, campaign_id, kind, due_at""",
        tenants=[tenant for tenant, _ in leads], leads=[lead for _, lead in leads], now=uow.now,
        gates=[gate.value for gate in gates],
    )  # fmt: skip
    if woken := list(rows.mappings()):
        await store_entries.make_lanes(uow, woken)
