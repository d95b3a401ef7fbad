"""Every query about the work that leads make.

Who locks several rows of `work` takes them by lead_id, or skips those that are locked, so that nobody waits in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import Row, UnitOfWork
from contracts.intake.routing import WorkStatus
from intake.leads.domain_combined import effective

MERGED = "merged"
"""Beside `WorkStatus`, and never told: the work on a lead that is merged is that on the one that stands for it."""
_WORK = "lead_id, status, workspace, sub_vertical, rule, routing_version, waiting_since, updated_at"
_FACTS = "lead.lead_id, product_interest, source_key, geo_key, intent, tier, timeline, metadata, combined"

_PLACE = """
    insert into work (tenant_id, lead_id, status, workspace, sub_vertical, rule, routing_version, waiting_since, updated_at)
    select :tenant, given.*, cast(:now as timestamptz)
    from unnest(cast(:leads as uuid[]), cast(:statuses as text[]), cast(:workspaces as text[]),
                cast(:sub_verticals as text[]), cast(:rules as text[]), cast(:versions as integer[]),
                cast(:since as timestamptz[])) as given (lead_id) order by given.lead_id
    on conflict (tenant_id, lead_id) do {otherwise}
    returning lead_id
"""
_REPLACE = """
    update set status = excluded.status, workspace = excluded.workspace, sub_vertical = excluded.sub_vertical,
        rule = excluded.rule, routing_version = excluded.routing_version, updated_at = excluded.updated_at,
        kept_back = null
    where work.status in ('unrouted', 'routed')
"""
_HAND_ON = """
    insert into work (tenant_id, lead_id, status, workspace, sub_vertical, rule, routing_version, waiting_since,
                      updated_at, kept_back)
    select :tenant, given.heir, case when workspace is null then 'unrouted' else 'routed' end, workspace, sub_vertical,
           rule, routing_version, waiting_since, :now, kept_back
    from unnest(cast(:heirs as uuid[]), cast(:others as uuid[])) as given (heir, other)
    join work on work.tenant_id = :tenant and work.lead_id = given.other
    order by given.heir
    on conflict (tenant_id, lead_id) do update
        set waiting_since = least(work.waiting_since, excluded.waiting_since), updated_at = excluded.updated_at,
            own_waiting_since = coalesce(work.own_waiting_since, work.waiting_since)
"""
_GO_BACK = """
    update work set waiting_since = least(own_waiting_since, (
        select min(coalesce(other.own_waiting_since, other.waiting_since))
        from lead join work as other on other.tenant_id = :tenant and other.lead_id = lead.lead_id
        where lead.tenant_id = :tenant and lead.merged_into = work.lead_id and other.status = 'merged'
    ))
    where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and own_waiting_since is not null
"""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a lead waits: in a workspace, or unrouted.

    Attributes:
        rule: the rule that sent it there; none where a person did, or none matched.
        since: when it began to wait; kept as it is where the lead waits already.
    """

    lead_id: UUID
    status: WorkStatus
    workspace: str | None
    sub_vertical: str | None
    rule: str | None
    version: int
    since: datetime


async def lock_work(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """The work on these leads, locked until the unit ends; a lead that makes none yet is left out."""
    rows = await uow.execute(
        f"""select {_WORK} from work where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
            order by lead_id for update""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return {row["lead_id"]: row for row in rows.mappings()}


async def set_status(
    uow: UnitOfWork, tenant: str, leads: Sequence[UUID], status: WorkStatus, *, waits_anew: bool = False
) -> list[UUID]:
    """Say how far the work on these leads has come; returns those for which that is new.

    A lead that goes back to `routed` keeps its place in the queue, before those that came later, unless it `waits_anew`.
    """
    rows = await uow.execute(
        """update work set status = :status, updated_at = :now,
               waiting_since = case when :waits_anew then :now else waiting_since end
           from (select lead_id from work where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
                 order by lead_id for update) as held
           where work.tenant_id = :tenant and work.lead_id = held.lead_id and work.status <> :status
           returning work.lead_id""",
        tenant=tenant, leads=list(leads), status=status.value, now=uow.now, waits_anew=waits_anew,
    )  # fmt: skip
    return list(rows.scalars())


async def drop_work(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Forget the work on leads, so that they are routed as new ones are."""
    await uow.execute(
        "delete from work where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip


async def place(uow: UnitOfWork, tenant: str, placements: Sequence[Placement], *, replace: bool = True) -> set[UUID]:
    """Have leads wait where they belong; returns those that do now.

    A lead that is assigned, worked or closed stays; so does, unless `replace`, one that waits elsewhere already.
    """
    if not placements:
        return set()
    rows = await uow.execute(
        _PLACE.format(otherwise=_REPLACE if replace else "nothing"),
        tenant=tenant, now=uow.now, leads=[p.lead_id for p in placements],
        statuses=[p.status.value for p in placements], workspaces=[p.workspace for p in placements],
        sub_verticals=[p.sub_vertical for p in placements], rules=[p.rule for p in placements],
        versions=[p.version for p in placements], since=[p.since for p in placements],
    )  # fmt: skip
    return set(rows.scalars())


async def hand_on(uow: UnitOfWork, tenant: str, heirs: Mapping[UUID, UUID]) -> None:
    """Have leads wait where others waited or were worked on, as long as these did: (heir, the other).

    An heir that waits or is worked on already stays where it is.
    """
    await uow.execute(_HAND_ON, tenant=tenant, now=uow.now, heirs=list(heirs), others=list(heirs.values()))


async def put_by(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Put by the work on leads that are merged, which nobody owns any more; what is closed stays so."""
    await uow.execute(
        """update work set status = 'merged', updated_at = :now
           where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and status <> 'closed'""",
        tenant=tenant, leads=list(leads), now=uow.now,
    )  # fmt: skip


async def go_on_in(uow: UnitOfWork, tenant: str, lead: UUID, workspace: str) -> None:
    """Have a lead be worked on where one was that is merged into it, as long as its owner goes on with it."""
    await uow.execute(
        """update work set own_workspace = workspace, workspace = :workspace
           where tenant_id = :tenant and lead_id = :lead""",
        tenant=tenant, lead=lead, workspace=workspace,
    )  # fmt: skip


async def go_home(uow: UnitOfWork, tenant: str, lead: UUID) -> None:
    """Have a lead that nobody goes on with (`go_on_in`) wait where it did before."""
    await uow.execute(
        """update work set workspace = own_workspace, updated_at = :now,
               status = case when own_workspace is null then 'unrouted' else 'routed' end
           where tenant_id = :tenant and lead_id = :lead""",
        tenant=tenant, lead=lead, now=uow.now,
    )  # fmt: skip


async def take_up(uow: UnitOfWork, tenant: str, lead: UUID) -> None:
    """Have a lead that was parted from another wait where it did before it was merged."""
    await uow.execute(
        """update work set status = case when workspace is null then 'unrouted' else 'routed' end, updated_at = :now
           where tenant_id = :tenant and lead_id = :lead and status = 'merged'""",
        tenant=tenant, lead=lead, now=uow.now,
    )  # fmt: skip


async def go_back(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Have leads of which others were parted wait since when they, and those that are still merged into them, did themselves."""
    await uow.execute(_GO_BACK, tenant=tenant, leads=list(leads))


async def open_again(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> list[UUID]:
    """Have leads on which the work was closed wait where they did before; returns those that do. One that is merged into another waits
    for nobody, and one whose person was erased stays closed."""
    rows = await uow.execute(
        """update work set updated_at = :now,
               status = case when lead.merged_into is not null then 'merged'
                             when work.workspace is null then 'unrouted' else 'routed' end
           from lead
           where work.tenant_id = :tenant and work.lead_id = any(cast(:leads as uuid[])) and work.status = 'closed'
                 and lead.tenant_id = :tenant and lead.lead_id = work.lead_id and lead.erased_at is null
           returning work.lead_id, work.status""",
        tenant=tenant, leads=list(leads), now=uow.now,
    )  # fmt: skip
    return [row.lead_id for row in rows if row.status == WorkStatus.ROUTED]


async def drop_closed(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Forget that the work on leads was closed, so that they are routed anew."""
    await uow.execute(
        "delete from work where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and status = 'closed'",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip


async def status_of(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping | None:
    """How far the work on a lead, or on the one that stands for it, has come, and `arrived_at`; none where there is no such
    lead."""
    rows = await uow.execute(
        """select lead.lead_id, uuid_extract_timestamp(lead.lead_id) as arrived_at,
               case when lead.erased_at is null then work.status else 'closed' end as status, work.workspace,
               work.sub_vertical, work.rule, work.routing_version, work.waiting_since,
               coalesce(lead.erased_at, work.updated_at) as updated_at,
               assignment.user_id as owner
           from lead as named join lead on lead.tenant_id = named.tenant_id and lead.lead_id =
                case when named.merged_into is null then named.lead_id else named.merged_into end
           left join work on work.tenant_id = lead.tenant_id and work.lead_id = lead.lead_id
           left join assignment on assignment.tenant_id = lead.tenant_id and assignment.lead_id = lead.lead_id
                and assignment.ended_at is null
           where named.tenant_id = :tenant and named.lead_id = :lead_id""",
        tenant=tenant, lead_id=lead_id,
    )  # fmt: skip
    return rows.mappings().first()


async def recent_leads(uow: UnitOfWork, tenant: str, before: UUID | None, limit: int) -> list[Row]:
    """What rules see of the last leads that came, newest first from before one, and how each of them is placed."""
    rows = await uow.execute(
        f"""select {_FACTS}, coalesce(work.status, case when progress.closed then 'closed' end) as status, work.workspace,
                   work.rule
            from lead
            left join lateral (select status, workspace, rule from work
                               where tenant_id = :tenant and lead_id = lead.lead_id limit 1) as work on true
            left join lateral (select closed from progress
                               where tenant_id = :tenant and lead_id = lead.lead_id limit 1) as progress on true
            where lead.tenant_id = :tenant and lead.merged_into is null and lead.erased_at is null
              and (cast(:before as uuid) is null or lead.lead_id < :before)
            order by lead.lead_id desc limit :limit""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    return _as_told(rows.mappings())


async def facts_of(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> list[Row]:
    """What rules see of these leads, in the order they came, and when they came."""
    rows = await uow.execute(
        f"""select {_FACTS}, uuid_extract_timestamp(lead_id) as arrived_at from lead
            where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) and erased_at is null and merged_into is null
            order by lead_id""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return _as_told(rows.mappings())


def _as_told(rows: Iterable[RowMapping]) -> list[Row]:
    """Leads as they are told: with what those that are merged into them lend them."""
    return [effective(row) if row["combined"] else row for row in rows]


async def every_lead(uow: UnitOfWork, tenant: str, after: UUID | None, limit: int) -> list[UUID]:
    """The next leads, in the order they came."""
    rows = await uow.execute(
        """select lead_id from lead where tenant_id = :tenant and erased_at is null
             and (cast(:after as uuid) is null or lead_id > :after)
           order by lead_id limit :limit""",
        tenant=tenant, after=after, limit=limit,
    )  # fmt: skip
    return list(rows.scalars())


async def every_waiting_lead(uow: UnitOfWork, tenant: str, after: UUID | None, limit: int) -> list[UUID]:
    """The next leads that wait, in the order they came."""
    rows = await uow.execute(
        """select lead_id from work where tenant_id = :tenant and status in ('unrouted', 'routed')
             and (cast(:after as uuid) is null or lead_id > :after) order by lead_id limit :limit""",
        tenant=tenant, after=after, limit=limit,
    )  # fmt: skip
    return list(rows.scalars())
