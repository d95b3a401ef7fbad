"""Every query about parked submissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row

from chassis.unit_of_work import UnitOfWork
from contracts.gateway import TenantSettings

Source = tuple[str, str]
"""A tenant and one of its source systems."""

_SOURCES = """
    select tenant_id, source_system, tenant.settings, exists (
        select from parked where parked.tenant_id = source.tenant_id and parked.source_system = source.source_system
    ) as backlogged
    from unnest(cast(:tenants as text[]), cast(:sources as text[])) as source (tenant_id, source_system)
    join tenant using (tenant_id)
"""
_PARK = """
    insert into parked (tenant_id, source_system, message_id, received_at, sealed)
    select tenant_id, source_system, message_id, received_at, sealed
    from unnest(cast(:tenants as text[]), cast(:sources as text[]), cast(:ids as uuid[]), cast(:received as timestamptz[]),
                cast(:sealed as bytea[]))
         with ordinality as given (tenant_id, source_system, message_id, received_at, sealed, place)
    order by place
"""
_BACKLOGGED = """
    with recursive source as (
        (select tenant_id, source_system from parked order by tenant_id, source_system limit 1)
        union all
        select following.* from source cross join lateral (
            select tenant_id, source_system from parked
            where (parked.tenant_id, parked.source_system) > (source.tenant_id, source.source_system)
            order by tenant_id, source_system limit 1
        ) following
    )
    select tenant_id, source_system from source
"""
"""From source to source by the index, however many rows each has; row-level security says of which tenants."""


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A submission to be parked."""

    tenant: str
    source_system: str
    message_id: UUID
    received_at: datetime
    sealed: bytes


async def limits(uow: UnitOfWork, sources: Sequence[Source]) -> dict[Source, tuple[int, bool]]:
    """Of each source, how many leads a minute it may submit, and whether some of its are parked."""
    rows = await uow.execute(_SOURCES, tenants=[tenant for tenant, _ in sources], sources=[name for _, name in sources])
    return {
        (row.tenant_id, row.source_system): (
            TenantSettings.model_validate(row.settings).lead_limit(row.source_system),
            row.backlogged,
        )
        for row in rows
    }


def park(uow: UnitOfWork, rows: Sequence[ParkedRow]) -> None:
    """Park submissions behind those that are parked already, in this order."""
    uow.write(
        _PARK,
        tenants=[row.tenant for row in rows], sources=[row.source_system for row in rows],
        ids=[row.message_id for row in rows], received=[row.received_at for row in rows],
        sealed=[row.sealed for row in rows],
    )  # fmt: skip


async def backlogged(uow: UnitOfWork) -> list[Source]:
    """The sources of the tenants the unit acts for that have parked submissions."""
    return [(row.tenant_id, row.source_system) for row in await uow.execute(_BACKLOGGED)]


async def count(uow: UnitOfWork) -> int:
    """How many submissions of the tenants the unit acts for are parked."""
    return int((await uow.execute("select count(*) from parked")).scalar_one())


async def count_of(uow: UnitOfWork, tenant: str, source: str) -> int:
    """How many submissions of a source are parked."""
    rows = await uow.execute(
        "select count(*) from parked where tenant_id = :tenant and source_system = :source",
        tenant=tenant, source=source,
    )  # fmt: skip
    return int(rows.scalar_one())


async def oldest(
    uow: UnitOfWork, tenant: str, source: str, limit: int
) -> Sequence[Row[tuple[int, UUID, datetime, bytes]]]:
    """The submissions that were parked first: (seq, message_id, received_at, sealed)."""
    rows = await uow.execute(
        """select seq, message_id, received_at, sealed from parked
           where tenant_id = :tenant and source_system = :source order by seq limit :limit""",
        tenant=tenant, source=source, limit=limit,
    )  # fmt: skip
    return rows.all()


async def unpark(uow: UnitOfWork, tenant: str, source: str, last: int) -> None:
    """Delete what is parked of a source up to this one."""
    await uow.execute(
        "delete from parked where tenant_id = :tenant and source_system = :source and seq <= :last",
        tenant=tenant, source=source, last=last,
    )  # fmt: skip


async def by_source(uow: UnitOfWork, tenant: str) -> Sequence[Row[tuple[str, int, datetime]]]:
    """What is parked of a tenant: (source_system, parked, oldest_received_at), the longest waiting first."""
    rows = await uow.execute(
        """select source_system, count(*) as parked, min(received_at) as oldest_received_at from parked
           where tenant_id = :tenant group by source_system order by oldest_received_at, source_system""",
        tenant=tenant,
    )
    return rows.all()
