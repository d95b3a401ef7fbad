"""Every query of the memory: what is remembered for a while.

A value is gone for its readers when its time has come; the hourly job only clears it away. Whoever remembers, recalls or
forgets does so within the unit of work at hand, so that it is undone with it, and a value can be forgotten in the very transaction
that makes it wrong.
"""

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from chassis import tenants
from chassis.unit_of_work import UnitOfWork

_REMEMBER = """
    insert into memory (tenant_id, key, value, remembered_at, expires_at)
    values (:tenant, :key, cast(:value as jsonb), :now, :expires_at)
    on conflict (tenant_id, key) do update
        set value = excluded.value, remembered_at = excluded.remembered_at, expires_at = excluded.expires_at
"""
_RECALL = "select value from memory where tenant_id = :tenant and key = :key and expires_at > :now"
_FORGET = "delete from memory where tenant_id = :tenant and key = any(cast(:keys as text[]))"
_CLEAR_EXPIRED = """
    delete from memory where tenant_id = :tenant and key in (
        select key from memory where tenant_id = :tenant and expires_at <= :now
        order by expires_at limit :most for update skip locked)
"""


async def remember(uow: UnitOfWork, tenant: str, key: str, value: Any, ttl: timedelta | None = None) -> None:
    """Keep a JSON value under a key, in the place of what was there.

    Parameters:
        key: a word of ours before a slash, then what tells it from others; it lies in clear, so nothing personal and no
            request is in it but as a hash under the tenant's key. Neither is anything personal in the value, unless sealed.
        ttl: how long; as long as the tenant's settings say, if none. What changes in the settings later changes nothing of it.
    """
    ttl = ttl or await lifetime(uow, tenant)
    await uow.execute(
        _REMEMBER, tenant=tenant, key=key, value=json.dumps(value), now=uow.now, expires_at=uow.now + ttl
    )  # fmt: skip


async def recall(uow: UnitOfWork, tenant: str, key: str) -> Any:
    """What is remembered under the key; none when nothing is, or no longer."""
    return (await uow.execute(_RECALL, tenant=tenant, key=key, now=uow.now)).scalar()


async def forget(uow: UnitOfWork, tenant: str, keys: Collection[str]) -> None:
    """Forget what is remembered under these keys.

    What another unit of work is remembering at this moment is not seen: who must leave nothing excludes who remembers.
    """
    if keys:
        await uow.execute(_FORGET, tenant=tenant, keys=list(keys))


async def lifetime(uow: UnitOfWork, tenant: str) -> timedelta:
    """How long the tenant remembers, by its settings (`TenantSettings.memory_ttl_hours`)."""
    return timedelta(hours=(await tenants.settings_of(uow, tenant)).memory_ttl_hours)


async def clear_expired(uow: UnitOfWork, tenant: str, most: int) -> int:
    """Delete values whose time has come, not more than `most`; returns how many."""
    return (await uow.execute(_CLEAR_EXPIRED, tenant=tenant, now=uow.now, most=most)).rowcount
