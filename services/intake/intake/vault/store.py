"""Every query about the vault: persons' keys, and what is sealed with them."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

_PERSON_KEYS = "select key_id, wrapped from person_key where tenant_id = :tenant and key_id = any(cast(:ids as uuid[]))"
_KEEP_PERSON_KEYS = """
    insert into person_key (tenant_id, key_id, wrapped)
    select :tenant, * from unnest(cast(:ids as uuid[]), cast(:wrapped as bytea[]))
    on conflict do nothing
    returning key_id
"""
_KEEP_SEALED = """
    insert into vault (tenant_id, lead_id, key_id, sealed)
    select :tenant, * from unnest(cast(:leads as uuid[]), cast(:keys as uuid[]), cast(:sealed as bytea[]))
    on conflict (tenant_id, lead_id) do update set key_id = excluded.key_id, sealed = excluded.sealed
"""


async def person_keys(uow: UnitOfWork, tenant: str, persons: Sequence[UUID]) -> dict[UUID, bytes]:
    """The wrapped keys of those of these persons who have one."""
    rows = await uow.execute(_PERSON_KEYS, tenant=tenant, ids=list(persons))
    return {row.key_id: row.wrapped for row in rows}


async def keep_person_keys(uow: UnitOfWork, tenant: str, wrapped: Mapping[UUID, bytes]) -> set[UUID]:
    """Keep new wrapped keys; returns the persons who had none before."""
    rows = await uow.execute(_KEEP_PERSON_KEYS, tenant=tenant, ids=list(wrapped), wrapped=list(wrapped.values()))
    return {row.key_id for row in rows}


async def keep_sealed(uow: UnitOfWork, tenant: str, rows: Sequence[tuple[UUID, UUID, bytes]]) -> None:
    """Keep what is personal about leads: (lead, key, sealed)."""
    if rows:
        leads, keys, sealed = (list(column) for column in zip(*rows, strict=True))
        await uow.execute(_KEEP_SEALED, tenant=tenant, leads=leads, keys=keys, sealed=sealed)


async def sealed(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> Sequence[RowMapping]:
    """What is sealed of those of these leads whose key is there: lead_id, key_id, wrapped, sealed."""
    rows = await uow.execute(
        """select vault.lead_id, vault.key_id, person_key.wrapped, vault.sealed
           from vault join person_key using (tenant_id, key_id)
           where vault.tenant_id = :tenant and vault.lead_id = any(cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return rows.mappings().all()
