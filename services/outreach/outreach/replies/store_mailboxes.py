"""Every query about mailboxes, and how far they have been read."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from outreach.replies.imap import Cursor

_COLUMNS = "account_id, mailbox.imap::text as imap, uid_validity, uid, read_at, failing_since, error, passed_over, mailbox.tenant_id"


async def put(uow: UnitOfWork, tenant: str, account_id: UUID, imap: str) -> None:
    """Have a mailbox be read; from its end, where it is another than it was."""
    await uow.execute(
        """insert into mailbox (tenant_id, account_id, imap, next_at, passed_over)
           values (:tenant, :account, cast(:imap as jsonb), :now, 0)
           on conflict (tenant_id, account_id) do update
               set imap = excluded.imap, next_at = excluded.next_at, failing_since = null, error = null,
                   uid_validity = case when mailbox.imap - 'password' = excluded.imap - 'password' then mailbox.uid_validity end,
                   uid = case when mailbox.imap - 'password' = excluded.imap - 'password' then mailbox.uid end""",
        tenant=tenant, account=account_id, imap=imap, now=uow.now,
    )  # fmt: skip


async def remove(uow: UnitOfWork, tenant: str, account_id: UUID) -> None:
    await uow.execute(
        "delete from mailbox where tenant_id = :tenant and account_id = :account", tenant=tenant, account=account_id
    )


async def one(uow: UnitOfWork, tenant: str, account_id: UUID) -> RowMapping | None:
    rows = await uow.execute(
        f"select {_COLUMNS} from mailbox where tenant_id = :tenant and account_id = :account",
        tenant=tenant, account=account_id,
    )  # fmt: skip
    return rows.mappings().first()


async def page(uow: UnitOfWork, tenant: str, after: UUID | None, limit: int) -> list[RowMapping]:
    rows = await uow.execute(
        f"""select {_COLUMNS} from mailbox
            where tenant_id = :tenant and (cast(:after as uuid) is null or account_id > :after)
            order by account_id limit :limit""",
        tenant=tenant, after=after, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def take_due(uow: UnitOfWork, tenants: Sequence[str], until: datetime, limit: int) -> list[RowMapping]:
    """Mailboxes that have to be read, with their accounts' `address`; nobody else reads them until then."""
    rows = await uow.execute(
        f"""update mailbox set next_at = :until
            from (select tenant_id, account_id, address from mailbox join account using (tenant_id, account_id)
                  where tenant_id = any (cast(:tenants as text[])) and mailbox.next_at <= :now and account.state <> 'removed'
                  order by mailbox.next_at limit :limit for update of mailbox skip locked) as due
            where mailbox.tenant_id = due.tenant_id and mailbox.account_id = due.account_id
            returning due.address, {_COLUMNS.replace("account_id", "mailbox.account_id", 1)}""",
        tenants=list(tenants), until=until, now=uow.now, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def moved(
    uow: UnitOfWork, tenant: str, account_id: UUID, before: Cursor | None, after: Cursor, *, passed_over: bool = False
) -> bool:
    """A mailbox was read a little further; false if somebody else has moved it meanwhile, or it is another one by now."""
    changed = await uow.execute(
        """update mailbox set uid_validity = :validity, uid = :uid, passed_over = passed_over + :passed_over
           where tenant_id = :tenant and account_id = :account
             and uid_validity is not distinct from cast(:was_validity as bigint)
             and uid is not distinct from cast(:was_uid as bigint)""",
        tenant=tenant, account=account_id, validity=after.uid_validity, uid=after.uid, passed_over=int(passed_over),
        was_validity=before.uid_validity if before else None, was_uid=before.uid if before else None,
    )  # fmt: skip
    return changed.rowcount == 1


async def read(uow: UnitOfWork, tenant: str, account_id: UUID, next_at: datetime) -> None:
    """A mailbox was read to its end; it is read again then."""
    await uow.execute(
        """update mailbox set read_at = :now, next_at = :next, failing_since = null, error = null
           where tenant_id = :tenant and account_id = :account""",
        tenant=tenant, account=account_id, now=uow.now, next=next_at,
    )  # fmt: skip


async def failed(uow: UnitOfWork, tenant: str, account_id: UUID, error: str, next_at: datetime) -> None:
    """A mailbox cannot be read; it is tried again then."""
    await uow.execute(
        """update mailbox set failing_since = coalesce(failing_since, :now), error = :error, next_at = :next
           where tenant_id = :tenant and account_id = :account""",
        tenant=tenant, account=account_id, now=uow.now, error=error, next=next_at,
    )  # fmt: skip
