"""Every query of the gateway."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row

from chassis.unit_of_work import UnitOfWork
from contracts.gateway import TenantSettings, TenantView


async def register_tenant(uow: UnitOfWork, tenant: str, settings: TenantSettings) -> bool:
    """Register a tenant at version 1; whether there was none of that name."""
    rows = await uow.execute(
        """insert into registered_tenant (tenant_id, version, settings, created_at)
           values (:tenant, 1, cast(:settings as jsonb), :now)
           on conflict do nothing returning tenant_id""",
        tenant=tenant, settings=settings.model_dump_json(), now=uow.now,
    )  # fmt: skip
    return rows.first() is not None


async def change_tenant(uow: UnitOfWork, tenant: str, version: int, settings: TenantSettings) -> TenantView | None:
    """Replace the settings of a version, making the next; none where there is another version."""
    rows = await uow.execute(
        """update registered_tenant set version = version + 1, settings = cast(:settings as jsonb)
           where tenant_id = :tenant and version = :version
           returning tenant_id, version, settings, created_at""",
        tenant=tenant, version=version, settings=settings.model_dump_json(),
    )  # fmt: skip
    row = rows.first()
    return _view(row) if row else None


async def registered_tenant(uow: UnitOfWork, tenant: str) -> TenantView | None:
    rows = await uow.execute(
        "select tenant_id, version, settings, created_at from registered_tenant where tenant_id = :tenant",
        tenant=tenant,
    )
    row = rows.first()
    return _view(row) if row else None


async def registered_tenants(uow: UnitOfWork, only: Sequence[str] = ()) -> list[TenantView]:
    """Every tenant of the installation, or those of the given names, by name."""
    rows = await uow.execute(
        """select tenant_id, version, settings, created_at from registered_tenant
           where tenant_id = any(cast(:only as text[])) or cardinality(cast(:only as text[])) = 0
           order by tenant_id collate "C"
        """,
        only=list(only),
    )
    return [_view(row) for row in rows]


def _view(row: Row[tuple[str, int, object, datetime]]) -> TenantView:
    return TenantView(
        tenant=row.tenant_id,
        version=row.version,
        settings=TenantSettings.model_validate(row.settings),
        created_at=row.created_at,
    )


async def add_key(uow: UnitOfWork, tenant: str, key_id: UUID, label: str, digest: bytes) -> None:
    await uow.execute(
        "insert into api_key (tenant_id, key_id, label, digest) values (:tenant, :key_id, :label, :digest)",
        tenant=tenant, key_id=key_id, label=label, digest=digest,
    )  # fmt: skip


async def revoke_key(uow: UnitOfWork, tenant: str, key_id: UUID) -> bool | None:
    """Revoke a key; whether this call did it, or None where the tenant has no such key."""
    rows = await uow.execute(
        """update api_key set revoked_at = coalesce(revoked_at, :now) where tenant_id = :tenant and key_id = :key_id
           returning revoked_at = :now as now""",
        tenant=tenant, key_id=key_id, now=uow.now,
    )  # fmt: skip
    return rows.scalar_one_or_none()


async def key_digest(uow: UnitOfWork, tenant: str, key_id: UUID) -> bytes | None:
    """The digest of a key that was not revoked."""
    rows = await uow.execute(
        "select digest from api_key where tenant_id = :tenant and key_id = :key_id and revoked_at is null",
        tenant=tenant, key_id=key_id,
    )  # fmt: skip
    return rows.scalar_one_or_none()


async def add_sign_in_link(uow: UnitOfWork, tenant: str, digest: bytes, expires_at: datetime) -> None:
    await uow.execute(
        "insert into sign_in_link (tenant_id, digest, expires_at) values (:tenant, :digest, :expires_at)",
        tenant=tenant, digest=digest, expires_at=expires_at,
    )  # fmt: skip


async def sign_in_link_expiry(uow: UnitOfWork, tenant: str, digest: bytes) -> datetime | None:
    """Until when a link that was not used yet works; None where it does not."""
    rows = await uow.execute(
        """select expires_at from sign_in_link
           where tenant_id = :tenant and digest = :digest and used_at is null and expires_at > now()""",
        tenant=tenant, digest=digest,
    )  # fmt: skip
    return rows.scalar_one_or_none()


async def use_sign_in_link(uow: UnitOfWork, tenant: str, digest: bytes) -> bool:
    """Use a link up; whether it worked. Of two at once, the second waits for the first and finds it used."""
    rows = await uow.execute(
        """update sign_in_link set used_at = now()
           where tenant_id = :tenant and digest = :digest and used_at is null and expires_at > now()
           returning tenant_id""",
        tenant=tenant, digest=digest,
    )  # fmt: skip
    return rows.first() is not None


async def add_session(uow: UnitOfWork, tenant: str, session_id: UUID, digest: bytes, expires_at: datetime) -> None:
    await uow.execute(
        """insert into session (tenant_id, digest, session_id, expires_at)
           values (:tenant, :digest, :session_id, :expires_at)""",
        tenant=tenant, digest=digest, session_id=session_id, expires_at=expires_at,
    )  # fmt: skip


async def session_id(uow: UnitOfWork, tenant: str, digest: bytes) -> UUID | None:
    """The id of a session that has not ended."""
    rows = await uow.execute(
        "select session_id from session where tenant_id = :tenant and digest = :digest and expires_at > now()",
        tenant=tenant, digest=digest,
    )  # fmt: skip
    return rows.scalar_one_or_none()


async def end_session(uow: UnitOfWork, tenant: str, digest: bytes) -> None:
    await uow.execute(
        "delete from session where tenant_id = :tenant and digest = :digest", tenant=tenant, digest=digest
    )


async def sweep(uow: UnitOfWork, tenants: Sequence[str]) -> tuple[int, int]:
    """Delete these tenants' sign-in links and sessions that have ended; how many of each."""
    gone = "where tenant_id = any(cast(:tenants as text[])) and expires_at < now()"
    links = await uow.execute(f"delete from sign_in_link {gone}", tenants=list(tenants))
    sessions = await uow.execute(f"delete from session {gone}", tenants=list(tenants))
    return links.rowcount, sessions.rowcount
