"""Every query about tenants."""

from collections.abc import Sequence
from datetime import datetime

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


async def find_tenants(uow: UnitOfWork, named: str, after: str | None, limit: int) -> list[TenantView]:
    """A page of the tenants whose name holds a text, by name, from behind one of them."""
    rows = await uow.execute(
        """select tenant_id, version, settings, created_at from registered_tenant
           where strpos(tenant_id, :named) > 0 and tenant_id collate "C" > coalesce(:after, '')
           order by tenant_id collate "C" limit :limit
        """,
        named=named, after=after, limit=limit,
    )  # fmt: skip
    return [_view(row) for row in rows]


def _view(row: Row[tuple[str, int, object, datetime]]) -> TenantView:
    return TenantView(
        tenant=row.tenant_id,
        version=row.version,
        settings=TenantSettings.model_validate(row.settings),
        created_at=row.created_at,
    )
