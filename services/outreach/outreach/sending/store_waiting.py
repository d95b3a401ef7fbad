"""Every query about messages that waited for something that has happened."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.outreach.sending import Gate
from outreach.leads.store import OF_MERGED
from outreach.sending import store_entries

_SUPPRESSIONS = ", ".join(f"'{gate}'" for gate in (Gate.SUPPRESSION, Gate.UNSUBSCRIBED, Gate.DO_NOT_CONTACT))
"""The gates that the ledger keeps closed, in so many words: an index is of these."""


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


async def look_again_at_lifted(uow: UnitOfWork, tenant: str, suppression_id: UUID) -> None:
    """Have the messages be looked at again that the ledger keeps, to whoever one of its entries is about, by whatever lead.

    Needs `locks.accounts_change`: what is being claimed is just about to wait for the entry.
    """
    rows = await uow.execute(
        f"""update send_queue as message set due_at = :now, waiting_for = null
            where tenant_id = :tenant and state = 'queued' and waiting_for in ({_SUPPRESSIONS}) and exists (
                select from (
                    select names || {OF_MERGED} as every_name from lead
                    where tenant_id = :tenant and lead_id = message.lead_id offset 0
                ) as lead
                join suppressed_name as about on about.name = any (every_name)
                where about.tenant_id = :tenant and about.suppression_id = :suppression
            )
            returning tenant_id, account_id, campaign_id, kind, due_at""",
        tenant=tenant, suppression=suppression_id, now=uow.now,
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
