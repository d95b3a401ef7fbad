"""Every query about who owns which lead, and about which leads wait for an owner."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping

from chassis.failures import LostRaceError
from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import EndReason

ASSIGNMENT = (
    "assignment_id, lead_id, user_id, workspace, version, assigned_at, assigned_by, actor, due_at, contacted_at, "
    "ended_at, end_reason, ended_by"
)
_WAITING = """
    select waiting.*, coalesce(before.passed_over, '{}') as passed_over, coalesce(before.version, -1) as version
    from unnest(cast(:workspaces as text[]), cast(:every_place as boolean[])) as open (workspace, every_place)
    cross join lateral (
        select work.lead_id, work.workspace, work.waiting_since, lead.geo_key
        from work
        join (select tenant_id, lead_id, coalesce(geo_key, combined #>> '{fields,geo_key,0}') as geo_key from lead) as lead
             on lead.tenant_id = :tenant and lead.lead_id = work.lead_id
        where work.tenant_id = :tenant and work.status = 'routed' and work.workspace = open.workspace
              and work.kept_back is null
              and (cast(:since as timestamptz) is null or
                   (work.waiting_since, work.lead_id) > (cast(:since as timestamptz), cast(:after as uuid)))
              and (open.every_place or exists (
                  select from unnest(cast(:regional as text[]), cast(:places as text[])) as region (workspace, place)
                  where region.workspace = open.workspace
                        and (lead.geo_key like region.place or lead.geo_key is null and region.place = 'unknown')))
        order by work.waiting_since, work.lead_id
        limit :limit for update of work skip locked
    ) as waiting
    left join lateral (
        select max(version) as version,
               array_agg(user_id) filter (where end_reason in ('sla_missed', 'unassigned')) as passed_over
        from assignment where tenant_id = :tenant and lead_id = waiting.lead_id
    ) as before on true
    order by waiting_since, lead_id
    limit :limit
"""
_SOUGHT = """
    select work.lead_id, work.workspace, coalesce(lead.geo_key, lead.combined #>> '{fields,geo_key,0}') as geo_key,
           coalesce(before.passed_over, '{}') as passed_over, coalesce(before.version, -1) as version
    from work join lead on lead.tenant_id = :tenant and lead.lead_id = work.lead_id
    left join lateral (
        select max(version) as version,
               array_agg(user_id) filter (where end_reason in ('sla_missed', 'unassigned')) as passed_over
        from assignment where tenant_id = :tenant and lead_id = work.lead_id
    ) as before on true
    where work.tenant_id = :tenant and work.lead_id = any(cast(:leads as uuid[])) and work.status = 'routed'
          and work.kept_back is null
    order by work.waiting_since, work.lead_id
"""
_ASSIGN = """
    insert into assignment (tenant_id, assignment_id, lead_id, user_id, workspace, version, assigned_at, assigned_by,
                            actor, due_at, contacted_at, inherited_from)
    select :tenant, assignment_id, lead_id, user_id, workspace, version, :now, assigned_by, actor, due_at, contacted_at,
           inherited_from
    from unnest(cast(:assignment_id as uuid[]), cast(:lead_id as uuid[]), cast(:user_id as text[]),
                cast(:workspace as text[]), cast(:version as integer[]), cast(:assigned_by as text[]),
                cast(:actor as text[]), cast(:due_at as timestamptz[]), cast(:contacted_at as timestamptz[]),
                cast(:inherited_from as uuid[]))
         as given (assignment_id, lead_id, user_id, workspace, version, assigned_by, actor, due_at, contacted_at,
                   inherited_from)
    on conflict (tenant_id, lead_id) where ended_at is null do nothing
"""
_END = f"""
    update assignment set ended_at = :now, end_reason = :reason, ended_by = :actor
    where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and ended_at is null
    returning {ASSIGNMENT}
"""
_OVERDUE = f"""
    select {ASSIGNMENT}, (
        select count(*) from assignment as before
        where before.tenant_id = :tenant and before.lead_id = assignment.lead_id and before.end_reason = 'sla_missed'
    ) as missed_before, (
        select array_agg(user_id) from assignment as before
        where before.tenant_id = :tenant and before.lead_id = assignment.lead_id
              and before.end_reason in ('sla_missed', 'unassigned')
    ) as passed_over
    from assignment
    where tenant_id = :tenant and ended_at is null and contacted_at is null and due_at <= :by
    order by due_at limit :limit
"""


async def busy(uow: UnitOfWork, tenant: str, workspaces: Iterable[str]) -> list[str]:
    """Those of these workspaces in which a lead waits for somebody."""
    rows = await uow.execute(
        """select name from unnest(cast(:names as text[])) as named (name) where exists (
               select from work where tenant_id = :tenant and status = 'routed' and workspace = name and kept_back is null)""",
        tenant=tenant, names=list(workspaces),
    )  # fmt: skip
    return [row.name for row in rows]


async def waiting(
    uow: UnitOfWork,
    tenant: str,
    workspaces: Mapping[str, bool],
    regions: Sequence[tuple[str, str]],
    behind: tuple[datetime, UUID] | None,
    limit: int,
) -> list[RowMapping]:
    """Leads that can be given out, oldest first, from behind one of them: `waiting_since` and `lead_id`.

    Parameters:
        workspaces: where to look; whether leads of every place can be given out there.
        regions: workspaces and LIKE patterns of the places whose leads can be given out there.

    Returns:
        With them who is passed over, and the version of the last ownership.
    """
    rows = await uow.execute(
        _WAITING, tenant=tenant, workspaces=list(workspaces), every_place=list(workspaces.values()),
        regional=[workspace for workspace, _ in regions], places=[place for _, place in regions],
        since=behind[0] if behind else None, after=behind[1] if behind else None, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def sought(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> list[RowMapping]:
    """Those of these leads that can be given out, oldest first, as `waiting` has them; they are locked already."""
    rows = await uow.execute(_SOUGHT, tenant=tenant, leads=list(leads))
    return list(rows.mappings())


async def assign(uow: UnitOfWork, tenant: str, assignments: Sequence[Mapping[str, Any]]) -> None:
    """Give leads their owners.

    Raises:
        LostRaceError: one of them has an owner.
    """
    names = ("assignment_id", "lead_id", "user_id", "workspace", "version", "assigned_by", "actor", "due_at", "contacted_at",
             "inherited_from")  # fmt: skip
    columns = {name: [row[name] for row in assignments] for name in names}
    made = await uow.execute(_ASSIGN, tenant=tenant, now=uow.now, **columns)
    if made.rowcount < len(assignments):
        raise LostRaceError("a lead was assigned by another unit of work")


async def end(
    uow: UnitOfWork, tenant: str, leads: Sequence[UUID], reason: EndReason, actor: str | None = None
) -> list[RowMapping]:
    """End the ownership of these leads; returns what ended."""
    rows = await uow.execute(_END, tenant=tenant, leads=list(leads), reason=reason.value, actor=actor, now=uow.now)
    return list(rows.mappings())


async def owner(uow: UnitOfWork, tenant: str, lead: UUID) -> RowMapping | None:
    """The assignment that lasts, if somebody owns the lead."""
    last = (await last_assignments(uow, tenant, [lead])).get(lead)
    return last if last and last["ended_at"] is None else None


async def last_assignments(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> dict[UUID, RowMapping]:
    """The last ownership of each of these leads that had one, and the lead that it was `inherited_from`."""
    rows = await uow.execute(
        f"""select distinct on (lead_id) {ASSIGNMENT}, inherited_from from assignment
            where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) order by lead_id, version desc""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return {row["lead_id"]: row for row in rows.mappings()}


async def last_version(uow: UnitOfWork, tenant: str, lead: UUID) -> int:
    """The version of the lead's last ownership; -1 where it had none."""
    last = (await last_assignments(uow, tenant, [lead])).get(lead)
    return last["version"] if last else -1


async def held_by(uow: UnitOfWork, tenant: str, users: Sequence[str]) -> list[RowMapping]:
    """What these agents own."""
    rows = await uow.execute(
        f"""select {ASSIGNMENT} from assignment
            where tenant_id = :tenant and user_id = any(cast(:users as text[])) and ended_at is null
            order by assignment_id""",
        tenant=tenant, users=list(users),
    )  # fmt: skip
    return list(rows.mappings())


async def with_something_to_do(uow: UnitOfWork, tenants: Sequence[str]) -> list[str]:
    """Those of these tenants for which time may have brought work: a lead waits, one is overdue, or an absence has begun."""
    rows = await uow.execute(
        """select name from unnest(cast(:names as text[])) as named (name)
           where exists (select from work where tenant_id = name and status = 'routed' and kept_back is null)
                 or exists (select from assignment
                            where tenant_id = name and ended_at is null and contacted_at is null and due_at <= :now)
                 or exists (select from time_off where tenant_id = name and not applied and starts_at <= :now)
           order by name""",
        names=list(tenants), now=uow.now,
    )  # fmt: skip
    return [row.name for row in rows]


async def page(
    uow: UnitOfWork, tenant: str, filters: Mapping[str, Any], active: bool | None, before: UUID | None, limit: int
) -> list[RowMapping]:
    """Assignments that match what is given, newest first, from before one of them."""
    given = {column: value for column, value in filters.items() if value is not None}
    conditions = "".join(f" and {column} = :{column}" for column in given)
    if active is not None:
        conditions += " and ended_at is null" if active else " and ended_at is not null"
    if before:
        conditions += " and assignment_id < :before"
        given["before"] = before
    rows = await uow.execute(
        f"""select {ASSIGNMENT} from assignment where tenant_id = :tenant{conditions}
            order by assignment_id desc limit :limit""",
        tenant=tenant, limit=limit, **given,
    )  # fmt: skip
    return list(rows.mappings())


async def rotations(uow: UnitOfWork, tenant: str, workspaces: Sequence[str]) -> dict[str, dict[str, int]]:
    """The standing of each workspace's round robin."""
    rows = await uow.execute(
        "select workspace, standing from rotation where tenant_id = :tenant and workspace = any(cast(:names as text[]))",
        tenant=tenant, names=list(workspaces),
    )  # fmt: skip
    return {row.workspace: row.standing for row in rows}


async def keep_rotations(uow: UnitOfWork, tenant: str, standings: Mapping[str, Mapping[str, int]]) -> None:
    await uow.execute(
        """insert into rotation (tenant_id, workspace, standing)
           select :tenant, * from unnest(cast(:names as text[]), cast(:standings as jsonb[]))
           on conflict (tenant_id, workspace) do update set standing = excluded.standing""",
        tenant=tenant, names=list(standings), standings=[orjson.dumps(s).decode() for s in standings.values()],
    )  # fmt: skip


async def overdue(uow: UnitOfWork, tenant: str, by: datetime, limit: int) -> list[RowMapping]:
    """Ownerships that were to lead to a contact by a moment, and did not; the longest overdue first.

    With each, how many owners of the lead missed theirs before, and who is passed over.
    """
    return list((await uow.execute(_OVERDUE, tenant=tenant, by=by, limit=limit)).mappings())


async def keep_back(uow: UnitOfWork, tenant: str, leads: Sequence[UUID], why: str | None) -> None:
    """Say why these leads are given to nobody by themselves any more; or that they are again."""
    await uow.execute(
        "update work set kept_back = :why where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))",
        tenant=tenant, leads=list(leads), why=why,
    )  # fmt: skip


async def let_go_on(uow: UnitOfWork, tenant: str, user: str, workspaces: Sequence[str]) -> None:
    """Keep leads back no longer of which every agent of their workspace had had each, since this one has not had them."""
    await uow.execute(
        """update work set kept_back = null
           where tenant_id = :tenant and status = 'routed' and kept_back = 'nobody_left'
                 and workspace = any(cast(:workspaces as text[]))
                 and not exists (select from assignment where tenant_id = :tenant and lead_id = work.lead_id
                                 and user_id = :user and end_reason in ('sla_missed', 'unassigned'))""",
        tenant=tenant, user=user, workspaces=list(workspaces),
    )  # fmt: skip


async def place(uow: UnitOfWork, tenant: str, lead: UUID, workspace: str) -> None:
    """Say where a lead is worked on that no rule matched."""
    await uow.execute(
        "update work set workspace = :workspace where tenant_id = :tenant and lead_id = :lead",
        tenant=tenant, lead=lead, workspace=workspace,
    )  # fmt: skip


async def counted(uow: UnitOfWork, tenant: str, workspaces: Sequence[str]) -> Sequence[RowMapping]:
    """Of each of these workspaces, in their order: how many of its leads wait, how many of them for a person, since when, and how
    many somebody owns."""
    rows = await uow.execute(
        """with waiting as (
               select workspace, count(*) as waiting, count(*) filter (where kept_back is not null) as kept_back,
                      min(waiting_since) as oldest_waiting_since
               from work where tenant_id = :tenant and status = 'routed' and workspace = any(cast(:workspaces as text[]))
               group by workspace
           ), owned as (
               select workspace, count(*) as active_leads
               from assignment
               where tenant_id = :tenant and ended_at is null and workspace = any(cast(:workspaces as text[]))
               group by workspace
           )
           select workspace, coalesce(waiting, 0) as waiting, coalesce(kept_back, 0) as kept_back, oldest_waiting_since,
                  coalesce(active_leads, 0) as active_leads
           from unnest(cast(:workspaces as text[])) with ordinality as asked (workspace, place)
           left join waiting using (workspace) left join owned using (workspace)
           order by place""",
        tenant=tenant, workspaces=list(workspaces),
    )  # fmt: skip
    return rows.mappings().all()
