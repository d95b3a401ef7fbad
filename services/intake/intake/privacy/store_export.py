"""Every query about all that intake knows of a person."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork


async def leads_of(uow: UnitOfWork, tenant: str, persons: Collection[UUID]) -> dict[UUID, UUID]:
    """The leads of these persons, the oldest first, and whose each is."""
    rows = await uow.execute(
        """select lead_id, person_id from lead where tenant_id = :tenant and person_id = any(cast(:persons as uuid[]))
           order by lead_id""",
        tenant=tenant, persons=list(persons),
    )  # fmt: skip
    return {row.lead_id: row.person_id for row in rows}


async def merges(uow: UnitOfWork, tenant: str, lead_id: UUID, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """The merges of a lead into others, from behind one of them."""
    rows = await uow.execute(
        """select merge_id, survivor_id, merged_at, merged_by, undone_at, undone_by from merge
           where tenant_id = :tenant and merged_id = :lead_id and (cast(:after as uuid) is null or merge_id > :after)
           order by merge_id limit :limit""",
        tenant=tenant, lead_id=lead_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def work(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping | None:
    """What is done with a lead and what it went through; none where nothing was."""
    rows = await uow.execute(
        """select work.status, work.workspace, work.sub_vertical, work.rule, work.waiting_since, work.updated_at,
                  progress.contacted_at, progress.closed_at, progress.reopened_at,
                  array(select case when lead_id = :lead_id then other_id else lead_id end from kept_apart
                        where tenant_id = :tenant and :lead_id in (lead_id, other_id)) as kept_apart_from
           from lead
           left join work on work.tenant_id = :tenant and work.lead_id = lead.lead_id
           left join progress on progress.tenant_id = :tenant and progress.lead_id = lead.lead_id
           where lead.tenant_id = :tenant and lead.lead_id = :lead_id""",
        tenant=tenant, lead_id=lead_id,
    )  # fmt: skip
    return rows.mappings().first()


async def submissions(
    uow: UnitOfWork, tenant: str, lead_id: UUID, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """The verdicts on a lead's submissions, from behind one of them."""
    rows = await uow.execute(
        """select submission_id, verdict, version, correlation_id, reasons, handled_at from submission
           where tenant_id = :tenant and lead_id = :lead_id
             and (cast(:after as uuid) is null or submission_id > :after)
           order by submission_id limit :limit""",
        tenant=tenant, lead_id=lead_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def ids_of(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> set[UUID]:
    """Every id that somebody may know these leads by: their own, their submissions', their sources' where that is a UUID; and
    their persons', each by the oldest of its leads."""
    rows = await uow.execute(
        """with own as (
               select lead_id, person_id, source_id from lead
               where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
           )
           select cast(lead_id as text) as id from own
           union select source_id from own
           union select cast(submission_id as text) from submission
                 where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
           union select cast(person_id as text) from own where not exists (
               select from lead as older
               where older.tenant_id = :tenant and older.person_id = own.person_id and older.lead_id < own.lead_id)""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return {found for id_ in rows.scalars() if (found := _uuid(id_))}


async def tokens_of_person(uow: UnitOfWork, tenant: str, lead_id: UUID) -> Sequence[str]:
    """All tokens of a lead's person, those of former values included; none unless it is the oldest of the person's leads."""
    rows = await uow.execute(
        """select token from person_token join lead using (tenant_id, person_id)
           where tenant_id = :tenant and lead_id = :lead_id and not exists (
               select from lead as older
               where older.tenant_id = :tenant and older.person_id = lead.person_id and older.lead_id < lead.lead_id)""",
        tenant=tenant, lead_id=lead_id,
    )  # fmt: skip
    return rows.scalars().all()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
