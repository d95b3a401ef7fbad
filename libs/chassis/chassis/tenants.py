"""A service's own copy of the tenants and their settings."""

from collections.abc import Sequence

from sqlalchemy import text

from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.gateway import TenantChanged, TenantSettings, TenantView
from contracts.message import ProblemCode, ProblemError
from contracts.operations import GetTenant

_KEEP = """
    insert into tenant (tenant_id, version, settings, created_at)
    values (:tenant, :version, cast(:settings as jsonb), :created_at)
    on conflict (tenant_id) do update set version = excluded.version, settings = excluded.settings
        where tenant.version < excluded.version
"""


async def keep_copy(uow: UnitOfWork, messages: Sequence[Received[TenantChanged]]) -> None:
    """Handles `TenantChanged`: the highest version seen is kept, in whatever order they come."""
    for message in messages:
        await uow.execute(
            _KEEP,
            tenant=message.tenant,
            version=message.body.version,
            settings=message.body.settings.model_dump_json(),
            created_at=message.envelope.time,
        )


async def get_tenant(uow: UnitOfWork, request: Received[GetTenant]) -> TenantView:
    """Answers `GetTenant` from the copy."""
    rows = await uow.execute(
        "select version, settings, created_at from tenant where tenant_id = :tenant", tenant=request.tenant
    )
    row = rows.first()
    if row is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "no such tenant; create it with `leadloop tenant create`", "tenant")
    return TenantView(
        tenant=request.tenant,
        version=row.version,
        settings=TenantSettings.model_validate(row.settings),
        created_at=row.created_at,
    )


async def settings_of(uow: UnitOfWork, tenants: Sequence[str]) -> dict[str, TenantSettings]:
    """The settings of those tenants that are known."""
    rows = await uow.execute(
        text("select tenant_id, settings from tenant where tenant_id = any(cast(:tenants as text[]))"),
        tenants=sorted(set(tenants)),
    )
    return {row.tenant_id: TenantSettings.model_validate(row.settings) for row in rows}


async def all_tenants(uow: UnitOfWork) -> list[str]:
    """Every tenant the service knows, for jobs that go through them one by one."""
    return [row.tenant_id for row in await uow.execute("select tenant_id from tenant order by tenant_id")]
