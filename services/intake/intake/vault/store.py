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
    returning old.key_id as before, new.key_id as after
"""
# A key that seals nothing is destroyed at once: what it sealed may lie in copies of the rows.
_DROP_UNUSED_KEYS = """
    delete from person_key where tenant_id = :tenant and key_id = any(cast(:keys as uuid[]))
      and not exists (select from vault where vault.tenant_id = :tenant and vault.key_id = person_key.key_id)
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
    """Keep what is personal about leads: (lead, key, sealed). A key that seals nothing any more is destroyed."""
    if rows:
        leads, keys, sealed = (list(column) for column in zip(*rows, strict=True))
        kept = await uow.execute(_KEEP_SEALED, tenant=tenant, leads=leads, keys=keys, sealed=sealed)
        if left := {row.before for row in kept if row.before not in (None, row.after)}:
            await drop_unused_keys(uow, tenant, left)


async def drop_unused_keys(uow: UnitOfWork, tenant: str, keys: Collection[UUID]) -> int:
    """Destroy those of these keys that seal nothing any more; returns how many."""
    return (await uow.execute(_DROP_UNUSED_KEYS, tenant=tenant, keys=list(keys))).rowcount


async def sealed(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> Sequence[RowMapping]:
    """What is sealed of those of these leads whose key is there: lead_id, key_id, wrapped, sealed."""
    rows = await uow.execute(
        """select vault.lead_id, vault.key_id, person_key.wrapped, vault.sealed
           from vault join person_key using (tenant_id, key_id)
           where vault.tenant_id = :tenant and vault.lead_id = any(cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return rows.mappings().all()
