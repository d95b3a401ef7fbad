"""Every query that shows messages."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork


async def to_lead(uow: UnitOfWork, tenant: str, lead_id: UUID, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """The messages to a lead, the last queued first, from behind one of them."""
    rows = await uow.execute(
        """select * from send_queue as message
           where tenant_id = :tenant and lead_id = :lead_id and (cast(:after as uuid) is null or exists (
               select from send_queue as last
               where last.tenant_id = :tenant and last.lead_id = :lead_id and last.message_id = :after
                 and (message.queued_at < last.queued_at
                      or (message.queued_at = last.queued_at and message.message_id > last.message_id))))
           order by queued_at desc, message_id limit :limit""",
        tenant=tenant, lead_id=lead_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def before(uow: UnitOfWork, tenant: str, messages: Sequence[UUID]) -> dict[UUID, tuple[str, ...]]:
    """The references of what was sent in these messages' sequences before them, from their accounts and of their kind, oldest first; of
    those that are the first, nothing."""
    rows = await uow.execute(
        """select message.message_id, array_agg(earlier.reference order by earlier.step) as references
           from unnest(cast(:messages as uuid[])) as given (message_id)
           join send_queue as message on message.tenant_id = :tenant and message.message_id = given.message_id
           join send_queue as earlier on earlier.tenant_id = :tenant and earlier.enrollment_id = message.enrollment_id
                and earlier.step < message.step
           where earlier.state = 'sent' and earlier.kind = message.kind and earlier.account_id = message.account_id
           group by message.message_id""",
        tenant=tenant, messages=list(messages),
    )  # fmt: skip
    return {row.message_id: tuple(row.references) for row in rows}


async def changes(uow: UnitOfWork, tenant: str, message_id: UUID) -> Sequence[RowMapping]:
    """All that happened to a message, in its order."""
    rows = await uow.execute(
        """select state, at, reason, account_id from message_event
           where tenant_id = :tenant and message_id = :message order by event_id""",
        tenant=tenant, message=message_id,
    )  # fmt: skip
    return rows.mappings().all()
