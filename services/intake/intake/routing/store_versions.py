"""Every query about the versions of a tenant's routing configuration.

Two locks of a tenant keep them in order: `locks.routing_versions` and `locks.published_routing`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.failures import LostRaceError
from chassis.unit_of_work import UnitOfWork
from intake import locks

_SUMMARY = """version, status, restores, created_by, created_at, published_by, published_at, caught_up,
    catching_up is not null as catching_up"""

PUBLISHED = "select version, published_at from routing_version where tenant_id = :tenant and status = 'published'"


async def published(uow: UnitOfWork, tenant: str) -> tuple[int, datetime] | None:
    """The published version, and when it was."""
    row = (await uow.execute(PUBLISHED, tenant=tenant)).first()
    return (row.version, row.published_at) if row else None


async def version(uow: UnitOfWork, tenant: str, number: int) -> RowMapping | None:
    """A version with its configuration, unless it was discarded."""
    rows = await uow.execute(
        f"""select {_SUMMARY}, configuration from routing_version
            where tenant_id = :tenant and version = :version and status <> 'discarded'""",
        tenant=tenant, version=number,
    )  # fmt: skip
    return rows.mappings().first()


async def page(uow: UnitOfWork, tenant: str, before: int | None, limit: int) -> Sequence[RowMapping]:
    """Versions without their configurations, newest first from before one."""
    rows = await uow.execute(
        f"""select {_SUMMARY} from routing_version
            where tenant_id = :tenant and status <> 'discarded' and (cast(:before as integer) is null or version < :before)
            order by version desc limit :limit""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def keep(uow: UnitOfWork, tenant: str, configuration: str, actor: str, *, restores: int | None = None) -> int:
    """Keep a configuration (JSON) as a new draft; returns its number, the next of the tenant's.

    Raises:
        LostRaceError: another unit of work took that number a moment before.
    """
    rows = await uow.execute(
        """insert into routing_version (tenant_id, version, status, configuration, restores, created_by, created_at)
           select :tenant, coalesce(max(version), 0) + 1, 'draft', cast(:configuration as jsonb), :restores, :actor, :now
           from routing_version where tenant_id = :tenant
           on conflict do nothing returning version""",
        tenant=tenant, configuration=configuration, restores=restores, actor=actor, now=uow.now,
    )  # fmt: skip
    number: int | None = rows.scalar()
    if number is None:
        raise LostRaceError("another unit of work took the version's number")
    return number


async def discard(uow: UnitOfWork, tenant: str, number: int) -> bool:
    """Whether there was such a draft; it is none any more, and its number stays taken."""
    done = await uow.execute(
        """update routing_version set status = 'discarded'
           where tenant_id = :tenant and version = :version and status = 'draft'""",
        tenant=tenant, version=number,
    )  # fmt: skip
    return done.rowcount == 1


async def publish(uow: UnitOfWork, tenant: str, number: int, actor: str) -> None:
    """Have a draft take the published version's place, as soon as nobody holds that one or applies it.

    What waits has to be looked at again; where no version has been applied to every lead yet, every lead.
    """
    # First the row, which who applies the version holds, then what who routes holds: nobody who holds the one wants the other.
    rows = await uow.execute(
        """select version, catching_up from routing_version
           where tenant_id = :tenant and status = 'published' for update""",
        tenant=tenant,
    )  # fmt: skip
    before = rows.first()
    await locks.publishing(uow, tenant)
    if before:
        await uow.execute(
            """update routing_version set status = 'superseded', catching_up = null
               where tenant_id = :tenant and version = :version""",
            tenant=tenant, version=before.version,
        )  # fmt: skip
    await uow.execute(
        """update routing_version set status = 'published', published_by = :actor, published_at = :now,
               catching_up = :catching_up
           where tenant_id = :tenant and version = :version""",
        tenant=tenant, version=number, actor=actor, now=uow.now,
        catching_up="waiting" if before and before.catching_up != "all" else "all",
    )  # fmt: skip


async def behind(uow: UnitOfWork) -> list[str]:
    """Those of the tenants that the unit acts for whose published version has still to be applied to leads."""
    rows = await uow.execute(
        """select tenant_id from routing_version where status = 'published' and catching_up is not null
             and tenant_id = any (nullif(current_setting('app.tenants', true), '')::text[]) order by published_at"""
    )
    return list(rows.scalars())


async def take_behind(uow: UnitOfWork, tenant: str) -> Any | None:
    """The published version (version, catching_up, caught_up_to) if it has still to be applied, locked until the unit ends.

    None also where another unit of work applies it at this moment.
    """
    rows = await uow.execute(
        """select version, published_at, catching_up, caught_up_to from routing_version
           where tenant_id = :tenant and status = 'published' and catching_up is not null for update skip locked""",
        tenant=tenant,
    )  # fmt: skip
    return rows.first()


async def note_caught_up(uow: UnitOfWork, tenant: str, number: int, to: UUID | None, leads: int) -> None:
    """Say how far a version was applied: up to a lead, or to all (`to` is none), so many leads more."""
    await uow.execute(
        """update routing_version set caught_up = caught_up + :leads, caught_up_to = coalesce(:to, caught_up_to),
               catching_up = case when cast(:to as uuid) is null then null else catching_up end
           where tenant_id = :tenant and version = :version""",
        tenant=tenant, version=number, to=to, leads=leads,
    )  # fmt: skip
