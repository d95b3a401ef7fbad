"""Every query about merges, and about leads that are kept apart."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.failures import LostRaceError
from chassis.unit_of_work import Row, UnitOfWork
from intake.leads.store import LEAD

_STANDING = """
    select lead_id, person_id, coalesce(merged_into, lead_id) as standing from lead
    where tenant_id = :tenant
      and (person_id = any(cast(:persons as uuid[])) and erased_at is null or lead_id = any(cast(:leads as uuid[])))
    order by lead_id for update
"""
_GROUPS = f"""
    select {LEAD} from lead
    where tenant_id = :tenant and (lead_id = any(cast(:leads as uuid[])) or merged_into = any(cast(:leads as uuid[])))
    order by lead_id for update
"""
_MERGE = """
    insert into merge (tenant_id, merge_id, survivor_id, merged_id, merged_at, merged_by)
    select :tenant, merge_id, survivor_id, merged_id, :now, :by
    from unnest(cast(:ids as uuid[]), cast(:survivors as uuid[]), cast(:merged as uuid[]))
         as given (merge_id, survivor_id, merged_id)
    on conflict (tenant_id, merged_id) where undone_at is null do nothing
"""
_PERSONS_APART = """
    select asked.person_id, other.person_id as other from (
        select lead_id, person_id from lead
        where tenant_id = :tenant and person_id = any(cast(:persons as uuid[]))
              and exists (select from kept_apart where tenant_id = :tenant)
    ) as asked
    join kept_apart on kept_apart.tenant_id = :tenant and kept_apart.lead_id = asked.lead_id
    join lead as other on other.tenant_id = :tenant and other.lead_id = kept_apart.other_id
"""
# Counted no further than needed: a number that many share may have thousands.
_WITH_FEW_LEADS = """
    select person from unnest(cast(:persons as uuid[])) as asked (person)
    where (select count(*) from (
        select from lead where tenant_id = :tenant and person_id = asked.person limit cast(:most as integer) + 1
    ) as counted) <= cast(:most as integer)
"""
_KEEP = """
    update lead set merged_into = given.merged_into, combined = given.combined, version = given.version, updated_at = :now
    from unnest(cast(:leads as uuid[]), cast(:into as uuid[]), cast(:combined as jsonb[]), cast(:versions as integer[]))
         as given (lead_id, merged_into, combined, version)
    where lead.tenant_id = :tenant and lead.lead_id = given.lead_id
"""


async def groups(
    uow: UnitOfWork, tenant: str, leads: Collection[UUID], persons: Collection[UUID] = ()
) -> dict[UUID, RowMapping]:
    """The leads that stand for these leads, and for those of these persons that have several, with all that are merged into
    them; locked until the unit ends.

    Which leads stand is locked first, and only then read what belongs to them: what another unit of work changed in a
    group meanwhile is seen.
    """
    found = (await uow.execute(_STANDING, tenant=tenant, leads=list(leads), persons=list(persons))).all()
    count = Counter(row.person_id for row in found)
    standing = {row.standing for row in found if row.lead_id in leads or count[row.person_id] > 1}
    if not standing:
        return {}
    rows = await uow.execute(_GROUPS, tenant=tenant, leads=sorted(standing))
    return {row["lead_id"]: row for row in rows.mappings()}


async def merge(uow: UnitOfWork, tenant: str, merges: Sequence[tuple[UUID, UUID]], by: str) -> None:
    """Keep merges: (merged, survivor).

    Raises:
        LostRaceError: one of them was merged by another unit of work a moment before.
    """
    if merges:
        kept = await uow.execute(
            _MERGE, tenant=tenant, now=uow.now, by=by, ids=[uuid7() for _ in merges],
            merged=[merged for merged, _ in merges], survivors=[survivor for _, survivor in merges],
        )  # fmt: skip
        if kept.rowcount < len(merges):
            raise LostRaceError("a lead was merged by another unit of work")


async def survivors(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> dict[UUID, UUID]:
    """What each of these leads that is merged was merged into, as it stood then."""
    rows = await uow.execute(
        """select merged_id, survivor_id from merge
           where tenant_id = :tenant and merged_id = any(cast(:leads as uuid[])) and undone_at is null""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return {row.merged_id: row.survivor_id for row in rows}


async def last_survivor(uow: UnitOfWork, tenant: str, lead_id: UUID) -> UUID | None:
    """What a lead was merged into when it last was; none if it never was."""
    rows = await uow.execute(
        """select survivor_id from merge where tenant_id = :tenant and merged_id = :lead
           order by merge_id desc limit 1""",
        tenant=tenant, lead=lead_id,
    )  # fmt: skip
    survivor: UUID | None = rows.scalar_one_or_none()
    return survivor


async def undo(uow: UnitOfWork, tenant: str, leads: Collection[UUID], by: str) -> None:
    """End the merges of leads.

    Raises:
        LostRaceError: another unit of work ended one of them a moment before.
    """
    ended = await uow.execute(
        """update merge set undone_at = :now, undone_by = :by
           where tenant_id = :tenant and merged_id = any(cast(:leads as uuid[])) and undone_at is null""",
        tenant=tenant, leads=list(leads), now=uow.now, by=by,
    )  # fmt: skip
    if ended.rowcount < len(leads):
        raise LostRaceError("a merge was undone by another unit of work")


async def keep_state(uow: UnitOfWork, tenant: str, leads: Sequence[Row]) -> None:
    """Keep what leads are merged into, what they say for others, and their versions."""
    if leads:
        await uow.execute(
            _KEEP, tenant=tenant, now=uow.now,
            leads=[row["lead_id"] for row in leads],
            into=[row["merged_into"] for row in leads],
            combined=[row["combined"] and orjson.dumps(row["combined"]).decode() for row in leads],
            versions=[row["version"] for row in leads],
        )  # fmt: skip


async def keep_apart(uow: UnitOfWork, tenant: str, one: UUID, others: Collection[UUID], by: str) -> bool:
    """Never merge a lead with others by themselves; returns whether that is new."""
    kept = await uow.execute(
        """insert into kept_apart (tenant_id, lead_id, other_id, since, said_by)
           select :tenant, least(cast(:one as uuid), other), greatest(cast(:one as uuid), other), :now, :by
           from unnest(cast(:others as uuid[])) as given (other) on conflict do nothing""",
        tenant=tenant, one=one, others=sorted(others), now=uow.now, by=by,
    )  # fmt: skip
    return kept.rowcount > 0


async def persons_apart(uow: UnitOfWork, tenant: str, persons: Collection[UUID]) -> set[frozenset[UUID]]:
    """Pairs of these persons of whom somebody said that they are two, by keeping a lead of one from one of the other's."""
    rows = await uow.execute(_PERSONS_APART, tenant=tenant, persons=list(persons))
    return {frozenset((row.person_id, row.other)) for row in rows if row.person_id != row.other}


async def with_few_leads(uow: UnitOfWork, tenant: str, persons: Collection[UUID], most: int) -> set[UUID]:
    """Those of these persons who have no more leads than that."""
    rows = await uow.execute(_WITH_FEW_LEADS, tenant=tenant, persons=list(persons), most=most)
    return set(rows.scalars())


async def allow_together(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> None:
    """Keep none of these leads apart from another of them."""
    await uow.execute(
        """delete from kept_apart where tenant_id = :tenant
             and lead_id = any(cast(:leads as uuid[])) and other_id = any(cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip


async def kept_apart(uow: UnitOfWork, tenant: str, leads: Iterable[UUID]) -> dict[UUID, set[UUID]]:
    """Of these leads, those that each is kept apart from."""
    rows = await uow.execute(
        """select lead_id, other_id from kept_apart where tenant_id = :tenant
             and lead_id = any(cast(:leads as uuid[])) and other_id = any(cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    apart: dict[UUID, set[UUID]] = defaultdict(set)
    for row in rows:
        apart[row.lead_id].add(row.other_id)
        apart[row.other_id].add(row.lead_id)
    return apart
