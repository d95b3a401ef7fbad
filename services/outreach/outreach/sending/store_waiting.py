"""Every query about messages that waited for something that has happened."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
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


async def for_gates(uow: UnitOfWork, tenant: str, gates: Collection[Gate], after: UUID, limit: int) -> list[UUID]:
    """Messages that one of these gates keeps, in their ids' order from behind one of them."""
    rows = await uow.execute(
        """select message_id from send_queue
           where tenant_id = :tenant and state = 'queued' and waiting_for = any (cast(:gates as text[]))
                 and due_at > :now and message_id > :after
           order by message_id limit :limit""",
        tenant=tenant, gates=[gate.value for gate in gates], after=after, limit=limit, now=uow.now,
    )  # fmt: skip
    return list(rows.scalars())


async def look_earlier(uow: UnitOfWork, tenant: str, moments: Mapping[UUID, datetime]) -> int:
    """Have messages that wait be looked at at these moments, where that is earlier; returns how many are."""
    rows = await uow.execute(
        """update send_queue set due_at = given.due
           from unnest(cast(:messages as uuid[]), cast(:due as timestamptz[])) as given (message, due)
           where tenant_id = :tenant and message_id = given.message and message_id = any (cast(:messages as uuid[]))
                 and state = 'queued' and due_at > given.due
           returning tenant_id, account_id, campaign_id, kind, due_at""",
        tenant=tenant, messages=list(moments), due=list(moments.values()),
    )  # fmt: skip
    earlier = list(rows.mappings())
    if earlier:
        await store_entries.make_lanes(uow, earlier)
    return len(earlier)
