"""Every query about the vault: persons' keys, and what is sealed with them."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

Sealed = tuple[UUID, UUID, bytes]
"""A lead, the key that seals what is personal about it, and that, sealed."""

_PERSON_KEYS = "select key_id, wrapped from person_key where tenant_id = :tenant and key_id = any(cast(:ids as uuid[]))"
_KEEP_NEW_PERSON_KEYS = """
    insert into person_key (tenant_id, key_id, wrapped)
    select :tenant, * from unnest(cast(:ids as uuid[]), cast(:wrapped as bytea[]))
"""
_KEEP_PERSON_KEYS = f"{_KEEP_NEW_PERSON_KEYS} on conflict do nothing returning key_id"
_KEEP_SEALED = """
    insert into vault (tenant_id, lead_id, key_id, sealed)
    select :tenant, * from unnest(cast(:leads as uuid[]), cast(:keys as uuid[]), cast(:sealed as bytea[]))
    on conflict (tenant_id, lead_id) do update set key_id = excluded.key_id, sealed = excluded.sealed
    returning new.lead_id, old.key_id as before, new.key_id as after
"""
_KEEP_NEW = """
    insert into vault (tenant_id, lead_id, key_id, sealed)
    select :tenant, * from unnest(cast(:leads as uuid[]), cast(:keys as uuid[]), cast(:sealed as bytea[]))
"""
# A text is sealed with the key of its lead's record, so that a key which seals no record seals no text. The offset has each key be
# looked for by itself, whatever the planner thinks of the others (docs/adr/0009-lookups-by-the-whole-key.md).
_DROP_UNUSED_KEYS = """
    delete from person_key where tenant_id = :tenant and key_id = any(cast(:keys as uuid[]))
      and not exists (select from vault where vault.tenant_id = :tenant and vault.key_id = person_key.key_id offset 0)
"""


async def person_keys(uow: UnitOfWork, tenant: str, persons: Sequence[UUID]) -> dict[UUID, bytes]:
    """The wrapped keys of those of these persons who have one."""
    rows = await uow.execute(_PERSON_KEYS, tenant=tenant, ids=list(persons))
    return {row.key_id: row.wrapped for row in rows}


async def keep_person_keys(uow: UnitOfWork, tenant: str, wrapped: Mapping[UUID, bytes]) -> set[UUID]:
    """Keep new wrapped keys; returns the persons who had none before."""
    rows = await uow.execute(_KEEP_PERSON_KEYS, tenant=tenant, ids=list(wrapped), wrapped=list(wrapped.values()))
    return {row.key_id for row in rows}


def keep_new_person_keys(uow: UnitOfWork, tenant: str, wrapped: Mapping[UUID, bytes]) -> None:
    """Keep the wrapped keys of persons of whom nobody knows yet."""
    if wrapped:
        uow.write(_KEEP_NEW_PERSON_KEYS, tenant=tenant, ids=list(wrapped), wrapped=list(wrapped.values()))


def keep_new(uow: UnitOfWork, tenant: str, rows: Sequence[Sealed]) -> None:
    """Keep what is personal about new leads."""
    if rows:
        leads, keys, sealed = (list(column) for column in zip(*rows, strict=True))
        uow.write(_KEEP_NEW, tenant=tenant, leads=leads, keys=keys, sealed=sealed)


async def keep_sealed(uow: UnitOfWork, tenant: str, rows: Sequence[Sealed]) -> dict[UUID, UUID]:
    """Keep what is personal about leads; returns those that had another key before, with that key."""
    if not rows:
        return {}
    leads, keys, sealed = (list(column) for column in zip(*rows, strict=True))
    kept = await uow.execute(_KEEP_SEALED, tenant=tenant, leads=leads, keys=keys, sealed=sealed)
    return {row.lead_id: row.before for row in kept if row.before not in (None, row.after)}


async def key_of(uow: UnitOfWork, tenant: str, lead_id: UUID) -> UUID | None:
    """The key that seals a lead's record, which is no other until the unit of work ends; none where nothing is sealed."""
    rows = await uow.execute(
        "select key_id from vault where tenant_id = :tenant and lead_id = :lead for share", tenant=tenant, lead=lead_id
    )
    key: UUID | None = rows.scalar_one_or_none()
    return key


async def texts_of(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> Sequence[RowMapping]:
    """The texts of these leads: text_id, sealed, key_id and that key as it is wrapped, and the `new_key_id` that seals the lead."""
    rows = await uow.execute(
        """select text.text_id, text.sealed, text.key_id, person_key.wrapped, vault.key_id as new_key_id
           from text join vault using (tenant_id, lead_id)
           join person_key on person_key.tenant_id = text.tenant_id and person_key.key_id = text.key_id
           where text.tenant_id = :tenant and text.lead_id = any(cast(:leads as uuid[])) for update of text""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return rows.mappings().all()


async def reseal_texts(uow: UnitOfWork, tenant: str, texts: Sequence[tuple[UUID, UUID, bytes]]) -> None:
    """Keep texts as they are sealed anew: (text, key, sealed)."""
    if texts:
        ids, keys, sealed = (list(column) for column in zip(*texts, strict=True))
        await uow.execute(
            """update text set key_id = given.key_id, sealed = given.sealed
               from unnest(cast(:ids as uuid[]), cast(:keys as uuid[]), cast(:sealed as bytea[])) as given (text_id, key_id, sealed)
               where text.tenant_id = :tenant and text.text_id = given.text_id""",
            tenant=tenant, ids=ids, keys=keys, sealed=sealed,
        )  # fmt: skip


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
