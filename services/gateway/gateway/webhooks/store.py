"""Every query about the secrets of webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

MOST: Final = 5
"""How many of an account's secrets count at once, the newest; who makes more within an overlap ends the oldest."""
_COUNTS: Final = "tenant_id = :tenant and (ends_at is null or ends_at > :now)"


async def add(
    uow: UnitOfWork, tenant: str, account_id: UUID, secret_id: UUID, sealed: bytes, actor: str, others_end_at: datetime
) -> None:
    """Add a secret; those that count end then, or sooner, and beyond the newest at once."""
    await uow.execute(
        """update webhook_secret set ends_at = least(ends_at, :ends)
           where tenant_id = :tenant and account_id = :account""",
        tenant=tenant, account=account_id, ends=others_end_at,
    )  # fmt: skip
    await uow.execute(
        """insert into webhook_secret (tenant_id, account_id, secret_id, sealed, created_at, created_by)
           values (:tenant, :account, :secret, :sealed, :now, :actor)""",
        tenant=tenant, account=account_id, secret=secret_id, sealed=sealed, now=uow.now, actor=actor,
    )  # fmt: skip
    # Were they kept, one of them would count again when a newer one is revoked.
    await uow.execute(
        """delete from webhook_secret where tenant_id = :tenant and account_id = :account and secret_id not in (
               select secret_id from webhook_secret where tenant_id = :tenant and account_id = :account
               order by secret_id desc limit :most)""",
        tenant=tenant, account=account_id, most=MOST,
    )  # fmt: skip


async def counting(uow: UnitOfWork, tenant: str, account_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """The secrets of accounts that count now, of each account the newest first."""
    rows = await uow.execute(
        f"""select account_id, secret_id, sealed, created_at, created_by, ends_at from webhook_secret
            where {_COUNTS} and account_id = any(cast(:accounts as uuid[]))
            order by account_id, secret_id desc""",
        tenant=tenant, accounts=list(account_ids), now=uow.now,
    )  # fmt: skip
    return rows.mappings().all()


async def accounts(uow: UnitOfWork, tenant: str, after: UUID | None, limit: int) -> Sequence[UUID]:
    """The accounts with secrets that count now, by their ids, from behind one on."""
    rows = await uow.execute(
        f"""select distinct account_id from webhook_secret
            where {_COUNTS} and account_id > coalesce(cast(:after as uuid), '00000000-0000-0000-0000-000000000000')
            order by account_id limit :limit""",
        tenant=tenant, after=after, limit=limit, now=uow.now,
    )  # fmt: skip
    return rows.scalars().all()


async def remove(uow: UnitOfWork, tenant: str, account_id: UUID, secret_id: UUID | None = None) -> int:
    """Delete all of an account's secrets, or one; returns how many."""
    removed = await uow.execute(
        """delete from webhook_secret
           where tenant_id = :tenant and account_id = :account and secret_id = coalesce(cast(:secret as uuid), secret_id)""",
        tenant=tenant, account=account_id, secret=secret_id,
    )  # fmt: skip
    return removed.rowcount


async def sweep(uow: UnitOfWork, tenants: Sequence[str]) -> int:
    """Delete these tenants' secrets that count no more; returns how many."""
    swept = await uow.execute(
        "delete from webhook_secret where tenant_id = any(cast(:tenants as text[])) and ends_at < :now",
        tenants=list(tenants), now=uow.now,
    )  # fmt: skip
    return swept.rowcount
