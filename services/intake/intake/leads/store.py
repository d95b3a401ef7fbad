"""Every query about leads."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import Expected, Row, UnitOfWork

_LEAD_TYPES = {
    "lead_id": "uuid", "source_system": "text", "source_id": "text", "version": "integer", "person_id": "uuid",
    "submission_id": "uuid", "digest": "bytea", "field_digests": "jsonb", "key_generation": "smallint", "phone_token": "text", "email_token": "text",
    "linkedin_token": "text", "source_key": "text", "geo_key": "text", "intent": "text", "timeline": "text",
    "price_band": "text", "budget_band": "text", "tier": "text", "product_interest": "text", "partner": "text",
    "time_zone": "text",
    "created_at": "timestamptz", "last_activity_at": "timestamptz", "updated_at": "timestamptz",
    "warnings": "jsonb", "metadata": "jsonb",
}  # fmt: skip
_LEAD = ", ".join(_LEAD_TYPES)
LEAD = f"{_LEAD}, merged_into, combined, erased_at, suppressed"
"""The columns of a lead as it is read."""
_UNNEST_LEADS = ", ".join(f"cast(:{name} as {type_}[])" for name, type_ in _LEAD_TYPES.items())
_CHANGING = [name for name in _LEAD_TYPES if name not in ("lead_id", "source_system")]

_FIND_LEADS = f"""
    select {LEAD} from lead
    where tenant_id = :tenant and (source_system, source_id) in
          (select * from unnest(cast(:systems as text[]), cast(:ids as text[])))
    order by lead_id for update
"""
_INSERT_LEADS = f"""
    insert into lead (tenant_id, {_LEAD}) select :tenant, * from unnest({_UNNEST_LEADS})
    on conflict (tenant_id, source_system, source_id) do nothing
"""
_UPDATE_LEADS = f"""
    update lead set {", ".join(f"{name} = given.{name}" for name in _CHANGING)}, erased_at = null, suppressed = false
    from unnest({_UNNEST_LEADS}) as given ({_LEAD})
    where lead.tenant_id = :tenant and lead.lead_id = given.lead_id
"""

HIDING = """
    select system from unnest(cast(:systems as text[])) as named (system)
    where exists (select from lead where tenant_id = :tenant and source_system = system and source_id like '~%')
"""


async def find_leads(
    uow: UnitOfWork, tenant: str, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], RowMapping]:
    """The leads with these (source_system, source_id), locked until the unit ends."""
    rows = await uow.execute(_FIND_LEADS, tenant=tenant, systems=[k[0] for k in keys], ids=[k[1] for k in keys])
    return {(row["source_system"], row["source_id"]): row for row in rows.mappings()}


async def systems_with_hidden_ids(uow: UnitOfWork, tenant: str, systems: Collection[str]) -> set[str]:
    """Those of these systems that know some of their leads by what events may not tell."""
    return set((await uow.execute(HIDING, tenant=tenant, systems=sorted(systems))).scalars())


async def which_sources_are_known(
    uow: UnitOfWork, tenant: str, sources: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Those of these (source_system, source_id) that a lead has."""
    if not sources:
        return set()
    rows = await uow.execute(
        """select source_system, source_id from lead
           where tenant_id = :tenant and (source_system, source_id) in
                 (select * from unnest(cast(:systems as text[]), cast(:ids as text[])))""",
        tenant=tenant, systems=[system for system, _ in sources], ids=[id_ for _, id_ in sources],
    )  # fmt: skip
    return {(row.source_system, row.source_id) for row in rows}


async def named(
    uow: UnitOfWork, tenant: str, lead_ids: Sequence[UUID], sources: Sequence[tuple[str, str]]
) -> Sequence[RowMapping]:
    """The leads with these ids, or these (source_system, source_id): `lead_id`, their source, `person_id`, `merged_into`, `erased_at`."""
    rows = await uow.execute(
        """with wanted as materialized (
               select unnest(cast(:leads as uuid[])) as lead_id
               union
               select lead_id from lead
               where tenant_id = :tenant and (source_system, source_id) in
                     (select * from unnest(cast(:systems as text[]), cast(:ids as text[])))
           )
           select lead_id, source_system, source_id, person_id, merged_into, erased_at from lead
           where tenant_id = :tenant and lead_id = any(array(select lead_id from wanted))""",
        tenant=tenant, leads=list(lead_ids), systems=[system for system, _ in sources], ids=[id_ for _, id_ in sources],
    )  # fmt: skip
    return rows.mappings().all()


def insert_leads(uow: UnitOfWork, tenant: str, leads: Sequence[Row]) -> None:
    """Insert new leads; a race is lost where another unit of work inserted one of them a moment before."""
    if leads:
        all_new = Expected(len(leads), "a lead was inserted by another unit of work")
        uow.write(_INSERT_LEADS, all_new, tenant=tenant, **_columns(leads))


def update_leads(uow: UnitOfWork, tenant: str, leads: Sequence[Row]) -> None:
    if leads:
        uow.write(_UPDATE_LEADS, tenant=tenant, **_columns(leads))


async def change_persons(uow: UnitOfWork, tenant: str, merged: Mapping[UUID, UUID]) -> list[RowMapping]:
    """Give the leads of some persons to others; returns those leads, one version on."""
    rows = await uow.execute(
        f"""update lead set person_id = pair.new, version = version + 1, updated_at = now()
            from unnest(cast(:old as uuid[]), cast(:new as uuid[])) as pair (old, new)
            where tenant_id = :tenant and person_id = pair.old and erased_at is null returning {LEAD}""",
        tenant=tenant, old=list(merged), new=list(merged.values()),
    )  # fmt: skip
    return list(rows.mappings())


async def give_to_person(uow: UnitOfWork, tenant: str, leads: Collection[UUID], person: UUID) -> list[RowMapping]:
    """Give leads to a person; returns them, one version on."""
    rows = await uow.execute(
        f"""update lead set person_id = :person, version = version + 1, updated_at = :now
            where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) returning {LEAD}""",
        tenant=tenant, leads=list(leads), person=person, now=uow.now,
    )  # fmt: skip
    return list(rows.mappings())


async def page_with_other_metadata(
    uow: UnitOfWork, tenant: str, allowed: Collection[str], after: UUID, limit: int
) -> list[tuple[UUID, bool]]:
    """Leads behind one, in the order of their ids, each with whether it has, or lends, other metadata than that."""
    rows = await uow.execute(
        """select lead_id, metadata - cast(:allowed as text[]) <> '{}' or exists (
                   select from jsonb_object_keys(combined -> 'fields') as lent (field)
                   where starts_with(field, 'metadata.') and field <> all(cast(:lent as text[]))) as other
           from lead where tenant_id = :tenant and lead_id > :after order by lead_id limit :limit""",
        tenant=tenant, allowed=list(allowed), lent=[f"metadata.{name}" for name in allowed], after=after, limit=limit,
    )  # fmt: skip
    return [(row.lead_id, row.other) for row in rows]


async def lock_free(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> Sequence[RowMapping]:
    """Those of these leads that no other unit of work has locked, locked until the unit ends."""
    rows = await uow.execute(
        f"""select {LEAD} from lead where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
            order by lead_id for update skip locked""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return rows.mappings().all()


async def drop_metadata(
    uow: UnitOfWork, tenant: str, leads: Collection[UUID], names: Collection[str], lent: Collection[str]
) -> None:
    """Take metadata of these names from leads, and the `lent` fields from what others lend them."""
    await uow.execute(
        """update lead set metadata = metadata - cast(:names as text[]),
                           combined = jsonb_set(combined, '{fields}', (combined -> 'fields') - cast(:lent as text[]))
           where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(leads), names=list(names), lent=list(lent),
    )  # fmt: skip


async def lead(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping | None:
    rows = await uow.execute(
        f"select {LEAD} from lead where tenant_id = :tenant and lead_id = :lead_id", tenant=tenant, lead_id=lead_id
    )
    return rows.mappings().first()


def _columns(leads: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in leads] for name in _LEAD_TYPES}
