"""Every query about the secrets of webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

MOST: Final = 5
"""How many of an account's secrets count at once, the newest; who makes more within an overlap ends the oldest."""


async def add(
    uow: UnitOfWork, tenant: str, account_id: UUID, secret_id: UUID, sealed: bytes, actor: str, others_end_at: datetime
) -> None:
    """Add a secret; those that count end then, or sooner."""
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


async def counting(uow: UnitOfWork, tenant: str, account_id: UUID) -> Sequence[RowMapping]:
    """An account's secrets that count now, the newest first."""
    rows = await uow.execute(
        """select secret_id, sealed, created_at, created_by, ends_at from webhook_secret
           where tenant_id = :tenant and account_id = :account and (ends_at is null or ends_at > :now)
           order by secret_id desc limit :most""",
        tenant=tenant, account=account_id, now=uow.now, most=MOST,
    )  # fmt: skip
    return rows.mappings().all()


async def remove(uow: UnitOfWork, tenant: str, account_id: UUID) -> int:
    """Delete all of an account's secrets; returns how many."""
    removed = await uow.execute(
        "delete from webhook_secret where tenant_id = :tenant and account_id = :account",
        tenant=tenant, account=account_id,
    )  # fmt: skip
    return removed.rowcount


async def sweep(uow: UnitOfWork, tenants: Sequence[str]) -> int:
    """Delete these tenants' secrets that count no more; returns how many."""
    swept = await uow.execute(
        "delete from webhook_secret where tenant_id = any(cast(:tenants as text[])) and ends_at < :now",
        tenants=list(tenants), now=uow.now,
    )  # fmt: skip
    return swept.rowcount
