"""Every query about what happened to leads by itself: when they were contacted, and whether they are closed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.values import EARLIEST

Noted = tuple[str, UUID, UUID | None, datetime]
"""A tenant, its lead, what closed that, and when it did; no more than a contact, where nothing closed it."""

_NOTE = """
    with given as materialized (
        select given.tenant_id, coalesce(lead.merged_into, given.lead_id) as lead_id, ending_id, at
        from unnest(cast(:tenants as text[]), cast(:leads as uuid[]), cast(:endings as uuid[]),
                    cast(:moments as timestamptz[])) as given (tenant_id, lead_id, ending_id, at)
        left join lateral (
            select merged_into from lead where lead.tenant_id = given.tenant_id and lead.lead_id = given.lead_id limit 1
        ) as lead on true
    ), ended as (
        insert into ending (tenant_id, ending_id, lead_id, closed_at)
        select tenant_id, ending_id, lead_id, at from given where ending_id is not null order by tenant_id, ending_id
        on conflict (tenant_id, ending_id) do update set lead_id = excluded.lead_id, closed_at = excluded.closed_at
        returning tenant_id, lead_id, closed_at, voided
    ), noted as (
        select tenant_id, lead_id, at as contacted_at, null::timestamptz as closed_at from given where ending_id is null
        union all
        select tenant_id, lead_id, null, closed_at from ended where not voided
    )
    insert into progress (tenant_id, lead_id, contacted_at, closed_at)
    select tenant_id, lead_id, max(contacted_at), max(closed_at) from noted
    group by tenant_id, lead_id order by tenant_id, lead_id
    on conflict (tenant_id, lead_id) do update set
        contacted_at = greatest(progress.contacted_at, excluded.contacted_at),
        closed_at = greatest(progress.closed_at, excluded.closed_at)
    returning tenant_id, lead_id
"""
_VOID = """
    with given as materialized (
        select * from unnest(cast(:tenants as text[]), cast(:endings as uuid[]), cast(:leads as uuid[]))
                      as given (tenant_id, ending_id, lead_id)
    ), voided as (
        insert into ending (tenant_id, ending_id, voided)
        select tenant_id, ending_id, true from given order by tenant_id, ending_id
        on conflict (tenant_id, ending_id) do update set voided = true
        returning tenant_id, ending_id, lead_id
    )
    select tenant_id, coalesce(voided.lead_id, given.lead_id) as lead_id from voided join given using (tenant_id, ending_id)
"""


async def note(uow: UnitOfWork, noted: Collection[Noted]) -> dict[str, list[UUID]]:
    """Keep when leads were last contacted and last closed, whatever of it is new; what closes one at most once.

    Returns:
        By tenant the leads of which that is kept: for one that is merged, the one that stands for it.
    """
    tenants, leads, endings, moments = map(list, zip(*noted, strict=True))
    rows = await uow.execute(_NOTE, tenants=tenants, leads=leads, endings=endings, moments=moments)
    kept: dict[str, list[UUID]] = {}
    for row in rows:
        kept.setdefault(row.tenant_id, []).append(row.lead_id)
    return kept


async def note_messages(uow: UnitOfWork, sent: Mapping[tuple[str, UUID], datetime]) -> None:
    """Keep when a message was last sent by way of these leads."""
    if sent:
        await uow.execute(
            """insert into progress (tenant_id, lead_id, messaged_at)
               select * from unnest(cast(:tenants as text[]), cast(:leads as uuid[]), cast(:moments as timestamptz[]))
                             as given (tenant_id, lead_id, at) order by tenant_id, lead_id
               on conflict (tenant_id, lead_id) do update
                   set messaged_at = greatest(progress.messaged_at, excluded.messaged_at)""",
            tenants=[tenant for tenant, _ in sent], leads=[lead for _, lead in sent], moments=list(sent.values()),
        )  # fmt: skip


async def void(uow: UnitOfWork, voided: Mapping[tuple[str, UUID], UUID]) -> dict[str, list[UUID]]:
    """Have what closed leads count no more, also where it is not known yet.

    Parameters:
        voided: by tenant and what closed a lead, the lead.

    Returns:
        By tenant the leads that are open again.
    """
    if not voided:
        return {}
    rows = await uow.execute(
        _VOID, tenants=[tenant for tenant, _ in voided], endings=[ending for _, ending in voided],
        leads=list(voided.values()),
    )  # fmt: skip
    concerned = {(row.tenant_id, row.lead_id) for row in rows}
    rows = await uow.execute(
        """update progress set closed_at = (
               select max(closed_at) from ending
               where ending.tenant_id = progress.tenant_id and ending.lead_id = progress.lead_id and not voided)
           from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant_id, lead_id)
           where progress.tenant_id = given.tenant_id and progress.lead_id = given.lead_id and progress.closed
           returning progress.tenant_id, progress.lead_id, progress.closed""",
        tenants=[tenant for tenant, _ in concerned], leads=[lead for _, lead in concerned],
    )  # fmt: skip
    opened: dict[str, list[UUID]] = {}
    for row in rows:
        if not row.closed:
            opened.setdefault(row.tenant_id, []).append(row.lead_id)
    return opened


async def closed_among(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> set[UUID]:
    """Those of these leads that are closed: by an outcome, or the work on them."""
    rows = await uow.execute(
        """select lead_id from progress where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and closed
           union
           select lead_id from work where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and status = 'closed'""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return set(rows.scalars())


async def reopen(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> None:
    """Have these leads count as open, until they are closed again."""
    await uow.execute(
        """insert into progress (tenant_id, lead_id, reopened_at)
           select :tenant, lead_id, :now from unnest(cast(:leads as uuid[])) as given (lead_id)
           on conflict (tenant_id, lead_id) do update set reopened_at = excluded.reopened_at""",
        tenant=tenant, leads=sorted(leads), now=uow.now,
    )  # fmt: skip


async def take_back_reopening(uow: UnitOfWork, tenant: str, lead: UUID) -> None:
    """Have a lead count as closed again, if it was before it was reopened."""
    await uow.execute(
        "update progress set reopened_at = null where tenant_id = :tenant and lead_id = :lead", tenant=tenant, lead=lead
    )


async def forget(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> None:
    """Forget when these leads were contacted and what closed them; what was voided counts for nothing anyway."""
    for statement in (
        "delete from progress where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))",
        "delete from ending where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and not voided",
    ):
        await uow.execute(statement, tenant=tenant, leads=list(leads))


async def hear(uow: UnitOfWork, through: datetime) -> None:
    """Keep until when the broker got the events that have been heard."""
    await uow.execute(
        """insert into heard (through) values (:through)
           on conflict (one) do update set through = greatest(heard.through, excluded.through)""",
        through=through,
    )


async def heard_through(uow: UnitOfWork) -> datetime:
    """Until when the broker got the events that have been heard; long ago before the first."""
    rows = await uow.execute("select through from heard")
    return rows.scalar_one_or_none() or EARLIEST


async def progressed(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> tuple[list[UUID], list[UUID]]:
    """Of these leads: those whose work is open although they are closed, and those whose owner was in touch and still counts as
    not having been."""
    rows = await uow.execute(
        """select work.lead_id, progress.closed
           from progress join work on work.tenant_id = :tenant and work.lead_id = progress.lead_id
           left join assignment as owned on owned.tenant_id = :tenant and owned.lead_id = progress.lead_id
                and owned.ended_at is null
           where progress.tenant_id = :tenant and progress.lead_id = any(cast(:leads as uuid[]))
                 and work.status <> 'closed'
                 and (progress.closed
                      or owned.contacted_at is null and progress.contacted_at >= owned.assigned_at)
           order by work.lead_id""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    found = list(rows)
    return [row.lead_id for row in found if row.closed], [row.lead_id for row in found if not row.closed]


async def close_unowned(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Close the work on those of these leads that are closed as far as is known; nobody owns them, and they are locked."""
    await uow.execute(
        """update work set status = 'closed', updated_at = :now from progress
           where work.tenant_id = :tenant and work.lead_id = any(cast(:leads as uuid[]))
                 and progress.tenant_id = :tenant and progress.lead_id = work.lead_id and progress.closed""",
        tenant=tenant, leads=list(leads), now=uow.now,
    )  # fmt: skip


async def open_though_closed(uow: UnitOfWork, tenant: str, limit: int) -> list[UUID]:
    """Leads that are closed, while the work on them is not."""
    rows = await uow.execute(
        """select work.lead_id from progress join work on work.tenant_id = :tenant and work.lead_id = progress.lead_id
           where progress.tenant_id = :tenant and progress.closed and work.status <> 'closed'
           order by work.lead_id limit :limit""",
        tenant=tenant, limit=limit,
    )  # fmt: skip
    return list(rows.scalars())


async def contacted(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """The owners of these leads have been in touch."""
    await uow.execute(
        """update assignment set contacted_at = progress.contacted_at from progress
           where assignment.tenant_id = :tenant and assignment.lead_id = any(cast(:leads as uuid[]))
                 and assignment.ended_at is null
                 and progress.tenant_id = :tenant and progress.lead_id = assignment.lead_id""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
