"""Every query about API keys, sign-in links and sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.gateway.users import SignInMethod


async def add_key(
    uow: UnitOfWork,
    tenant: str,
    key_id: UUID,
    label: str,
    digest: bytes,
    scopes: Sequence[str],
    expires_at: datetime | None,
    created_by: str,
) -> None:
    await uow.execute(
        """insert into api_key (tenant_id, key_id, label, digest, scopes, expires_at, created_by)
           values (:tenant, :key_id, :label, :digest, :scopes, :expires_at, :created_by)""",
        tenant=tenant, key_id=key_id, label=label, digest=digest, scopes=list(scopes), expires_at=expires_at,
        created_by=created_by,
    )  # fmt: skip


async def revoke_key(uow: UnitOfWork, tenant: str, key_id: UUID) -> bool | None:
    """Revoke a key; whether this call did it, or None where the tenant has no such key."""
    rows = await uow.execute(
        """update api_key set revoked_at = coalesce(revoked_at, :now) where tenant_id = :tenant and key_id = :key_id
           returning revoked_at = :now as now""",
        tenant=tenant, key_id=key_id, now=uow.now,
    )  # fmt: skip
    return rows.scalar_one_or_none()


async def key(uow: UnitOfWork, tenant: str, key_id: UUID) -> RowMapping | None:
    """A key of the tenant's, and whether it still opens something; one from before keys had scopes has none."""
    rows = await uow.execute(
        """select digest, scopes, revoked_at is null and (expires_at is null or expires_at > now()) as valid
           from api_key where tenant_id = :tenant and key_id = :key_id""",
        tenant=tenant, key_id=key_id,
    )  # fmt: skip
    return rows.mappings().one_or_none()


async def keys(uow: UnitOfWork, tenant: str, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """A page of keys, newest first, from before one of them, each with the state of the user who made it, if one did."""
    rows = await uow.execute(
        """select key_id, label, scopes, shown.created_at, created_by, expires_at, revoked_at, maker.state as maker_state
           from (select * from api_key
                 where tenant_id = :tenant and (cast(:before as uuid) is null or key_id < :before)
                 order by key_id desc limit :limit) as shown
           left join user_account as maker on maker.tenant_id = :tenant and 'user:' || maker.user_id = shown.created_by
           order by key_id desc""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def keys_of(uow: UnitOfWork, tenant: str, maker: str, limit: int) -> list[UUID]:
    """The keys that somebody made and that open something, newest first."""
    rows = await uow.execute(
        """select key_id from api_key where tenant_id = :tenant and created_by = :maker
               and revoked_at is null and (expires_at is null or expires_at > now())
           order by key_id desc limit :limit""",
        tenant=tenant, maker=maker, limit=limit,
    )  # fmt: skip
    return list(rows.scalars())


async def add_sign_in_link(
    uow: UnitOfWork, tenant: str, digest: bytes, expires_at: datetime, user_id: UUID | None
) -> None:
    await uow.execute(
        """insert into sign_in_link (tenant_id, digest, expires_at, user_id)
           values (:tenant, :digest, :expires_at, :user_id)""",
        tenant=tenant, digest=digest, expires_at=expires_at, user_id=user_id,
    )  # fmt: skip


async def sign_in_link_expiry(uow: UnitOfWork, tenant: str, digest: bytes) -> datetime | None:
    """Until when a link that was not used yet works; None where it does not."""
    rows = await uow.execute(
        """select expires_at from sign_in_link
           where tenant_id = :tenant and digest = :digest and used_at is null and expires_at > now()""",
        tenant=tenant, digest=digest,
    )  # fmt: skip
    return rows.scalar_one_or_none()


class UsedLink(NamedTuple):
    """A link that was used up; it is the first admin's where it names nobody."""

    user_id: UUID | None


async def use_sign_in_link(uow: UnitOfWork, tenant: str, digest: bytes) -> UsedLink | None:
    """Use a link up; None where it does not work. Of two at once, the second waits for the first and finds it used."""
    rows = await uow.execute(
        """update sign_in_link set used_at = now()
           where tenant_id = :tenant and digest = :digest and used_at is null and expires_at > now()
           returning user_id""",
        tenant=tenant, digest=digest,
    )  # fmt: skip
    row = rows.first()
    return UsedLink(row.user_id) if row else None


async def add_session(
    uow: UnitOfWork,
    tenant: str,
    session_id: UUID,
    digest: bytes,
    user_id: UUID,
    method: SignInMethod,
    lifetime: timedelta,
    began_at: datetime | None = None,
) -> None:
    """Add a session; one that goes on from another began when that did."""
    await uow.execute(
        """insert into session (tenant_id, digest, session_id, user_id, method, began_at, expires_at)
           values (:tenant, :digest, :session_id, :user_id, :method, coalesce(:began_at, now()),
                   coalesce(:began_at, now()) + cast(:lifetime as interval))""",
        tenant=tenant, digest=digest, session_id=session_id, user_id=user_id, method=method, lifetime=lifetime,
        began_at=began_at,
    )  # fmt: skip


async def session(uow: UnitOfWork, tenant: str, digest: bytes, idle: timedelta) -> RowMapping | None:
    """A session that has not ended, whose user may be signed in."""
    rows = await uow.execute(
        """select s.session_id, s.user_id, s.method, s.began_at, s.used_at, u.role, now() as now
           from session s join user_account u on u.tenant_id = s.tenant_id and u.user_id = s.user_id
           where s.tenant_id = :tenant and s.digest = :digest and s.expires_at > now()
               and s.used_at > now() - cast(:idle as interval) and u.state = 'active'""",
        tenant=tenant, digest=digest, idle=idle,
    )  # fmt: skip
    return rows.mappings().one_or_none()


async def note_use(uow: UnitOfWork, tenant: str, digest: bytes) -> None:
    """Write down that a session is used now."""
    await uow.execute(
        "update session set used_at = now() where tenant_id = :tenant and digest = :digest",
        tenant=tenant, digest=digest,
    )  # fmt: skip


async def end_session(uow: UnitOfWork, tenant: str, digest: bytes) -> None:
    await uow.execute(
        "delete from session where tenant_id = :tenant and digest = :digest", tenant=tenant, digest=digest
    )


async def end_sessions(uow: UnitOfWork, tenant: str, user_id: UUID) -> int:
    """End all of a user's sessions, and take their links away; how many sessions that were."""
    await uow.execute(
        "delete from sign_in_link where tenant_id = :tenant and user_id = :user", tenant=tenant, user=user_id
    )
    ended = await uow.execute(
        "delete from session where tenant_id = :tenant and user_id = :user", tenant=tenant, user=user_id
    )
    return ended.rowcount


async def sweep(uow: UnitOfWork, tenants: Sequence[str], idle: timedelta) -> tuple[int, int]:
    """Delete these tenants' sign-in links and sessions that have ended; how many of each."""
    gone = "where tenant_id = any(cast(:tenants as text[])) and (expires_at < now()"
    links = await uow.execute(f"delete from sign_in_link {gone})", tenants=list(tenants))
    sessions = await uow.execute(
        f"delete from session {gone} or used_at < now() - cast(:idle as interval))", tenants=list(tenants), idle=idle
    )
    return links.rowcount, sessions.rowcount
