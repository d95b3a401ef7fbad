"""Every query about what was sent under an `Idempotency-Key`."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

_BEGIN = """
    insert into idempotency_key as known
        (tenant_id, key_id, fingerprint, made_id, attempt, busy_until, expires_at)
    values (:tenant, :key, :fingerprint, :made, :attempt, now() + cast(:at_work as interval), now() + cast(:kept as interval))
    on conflict (tenant_id, key_id) do update set
        fingerprint = excluded.fingerprint, attempt = excluded.attempt, busy_until = excluded.busy_until,
        expires_at = excluded.expires_at,
        made_id = case when known.expires_at < now() then excluded.made_id else known.made_id end,
        done_at = case when known.expires_at < now() then null else known.done_at end
    where known.expires_at < now()
        or (known.fingerprint = excluded.fingerprint and (known.busy_until is null or known.busy_until < now()))
    returning made_id, done_at is not null as done
"""


async def begin(
    uow: UnitOfWork,
    tenant: str,
    key_id: UUID,
    *,
    fingerprint: UUID,
    made_id: UUID,
    attempt: UUID,
    at_work: timedelta,
    kept: timedelta,
) -> RowMapping | None:
    """Have an attempt be the one at work under a key: the id of what it makes, and whether it was done before.

    None where another is at work, or the key came with something else.
    """
    rows = await uow.execute(
        _BEGIN, tenant=tenant, key=key_id, fingerprint=fingerprint, made=made_id, attempt=attempt, at_work=at_work,
        kept=kept,
    )  # fmt: skip
    return rows.mappings().one_or_none()


async def is_same(uow: UnitOfWork, tenant: str, key_id: UUID, fingerprint: UUID) -> bool:
    """Whether this is what a key came with; true where the key was forgotten a moment ago."""
    rows = await uow.execute(
        "select fingerprint = :fingerprint from idempotency_key where tenant_id = :tenant and key_id = :key",
        tenant=tenant, key=key_id, fingerprint=fingerprint,
    )  # fmt: skip
    return rows.scalar_one_or_none() is not False


async def end(uow: UnitOfWork, tenant: str, key_id: UUID, attempt: UUID, *, done: bool) -> None:
    """An attempt is no longer at work."""
    await uow.execute(
        """update idempotency_key set busy_until = null, done_at = case when :done then coalesce(done_at, now()) else done_at end
           where tenant_id = :tenant and key_id = :key and attempt = :attempt""",
        tenant=tenant, key=key_id, attempt=attempt, done=done,
    )  # fmt: skip


async def forget(uow: UnitOfWork, tenant: str, key_id: UUID, attempt: UUID) -> None:
    """Free a key under which nothing was done."""
    await uow.execute(
        """delete from idempotency_key
           where tenant_id = :tenant and key_id = :key and attempt = :attempt and done_at is null""",
        tenant=tenant, key=key_id, attempt=attempt,
    )  # fmt: skip


async def sweep(uow: UnitOfWork, tenants: Sequence[str]) -> int:
    """Delete these tenants' keys that have expired; returns how many."""
    swept = await uow.execute(
        "delete from idempotency_key where tenant_id = any(cast(:tenants as text[])) and expires_at < now()",
        tenants=list(tenants),
    )
    return swept.rowcount
