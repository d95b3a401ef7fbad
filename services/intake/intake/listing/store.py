"""The queries that find a page of leads among all of them.

A page must not take the longer the more leads there are. So it is looked for among the next `MOST_LOOKED_THROUGH` that an index
has in the order of their ids, by the most telling of the things that are asked for; the rest is asked of each of those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import MOST_LOOKED_THROUGH
from contracts.intake.routing import WorkStatus
from intake.leads.store import LEAD

VALUES: Final = ("source_key", "geo_key", "intent", "tier", "product_interest")
"""The columns of a lead that it can be asked for by. One that others are merged into has what they lend it, too."""
WORK: Final = ("lead_id", "status", "workspace", "sub_vertical", "rule", "routing_version", "waiting_since", "updated_at",
               "owner", "arrived_at")  # fmt: skip
"""What is told of the work on a lead, as `routing.store.status_of` has it."""
_OPEN: Final = frozenset({WorkStatus.UNROUTED, WorkStatus.ROUTED, WorkStatus.ASSIGNED, WorkStatus.WORKED})
"""Statuses of which the index `work_open` has the leads; those that were closed, or never routed, are many."""
_STANDS: Final = "case when lead.merged_into is null then lead.lead_id else lead.merged_into end"
_STATUS: Final = "case when lead.erased_at is null then work.status else 'closed' end"
_COLUMNS: Final = f"""
    {", ".join(f"lead.{name}" for name in LEAD.split(", "))},
    {_STANDS} as work_lead_id, uuid_extract_timestamp({_STANDS}) as work_arrived_at, {_STATUS} as work_status,
    work.workspace as work_workspace, work.sub_vertical as work_sub_vertical, work.rule as work_rule,
    work.routing_version as work_routing_version, work.waiting_since as work_waiting_since,
    coalesce(lead.erased_at, work.updated_at) as work_updated_at, assignment.user_id as work_owner
"""
_OF_EACH: Final = f"""
    left join lateral (
        select status, workspace, sub_vertical, rule, routing_version, waiting_since, updated_at from work
        where work.tenant_id = :tenant and work.lead_id = {_STANDS} limit 1
    ) as work on true
    left join lateral (
        select user_id from assignment
        where assignment.tenant_id = :tenant and assignment.lead_id = {_STANDS} and ended_at is null limit 1
    ) as assignment on true
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leads are asked for: those that match everything given.

    Attributes:
        values: by column, see `VALUES`.
        since: the lowest id that a lead may have.
        before: what every id must be below.
    """

    values: Mapping[str, str]
    status: WorkStatus | None
    workspace: str | None
    owner: str | None
    lead_ids: Sequence[UUID]
    since: UUID | None
    before: UUID | None
    include_merged: bool

    @property
    def parameters(self) -> dict[str, Any]:
        given = {"owner": self.owner, "workspace": self.workspace, "since": self.since, "before": self.before}
        named = {name: value for name, value in given.items() if value is not None}
        return named | dict(self.values) | ({"lead_ids": list(self.lead_ids)} if self.lead_ids else {})


async def reach(uow: UnitOfWork, tenant: str, wanted: Wanted) -> UUID | None:
    """The id down to which a page is looked for; none where that is among all there are."""
    source, condition = _led_by(wanted)
    found = [await _reach(uow, tenant, wanted, source, condition)]
    if source == "lead":
        found.append(await _reach(uow, tenant, wanted, source, "combined is not null"))
    return max((lead_id for lead_id in found if lead_id), default=None)


async def page(
    uow: UnitOfWork, tenant: str, wanted: Wanted, looked_to: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Leads that match, newest first, down to an id; with the work on each, its columns' names behind `work_`.

    A lead that others are merged into matches by what they lend it too. Where leads are found by what they are, such leads, which
    are few, are looked through apart, so that the index on what is asked for serves all others.
    """
    source, condition = _led_by(wanted)
    asked = [*_span(wanted, source), *_merged(wanted), *_work(wanted)]
    if looked_to:
        asked.append(f"{source}.lead_id >= :looked_to")
    lent = [f"coalesce(lead.{name}, lead.combined #>> '{{fields,{name},0}}') = :{name}" for name in wanted.values]
    if source == "lead":
        own = [f"lead.{name} = :{name}" for name in wanted.values]
        one = _select("lead", [*asked, *own, "lead.combined is null"])
        other = _select("lead", [*asked, *lent, "lead.combined is not null"])
        statement = f"({one}) union all ({other}) order by lead_id desc limit :limit"
    else:
        statement = _select(source, [condition, *asked, *lent])
    parameters = wanted.parameters | ({"looked_to": looked_to} if looked_to else {})
    rows = await uow.execute(statement, tenant=tenant, limit=limit, **parameters)
    return rows.mappings().all()


async def _reach(uow: UnitOfWork, tenant: str, wanted: Wanted, source: str, condition: str) -> UUID | None:
    span = "".join(f" and {each}" for each in _span(wanted, source))
    table = source if source == "lead" else f"{_TABLES[source]} as {source}"
    rows = await uow.execute(
        f"""select lead_id from {table} where {source}.tenant_id = :tenant and {condition}{span}
            order by lead_id desc offset :most limit 1""",
        tenant=tenant, most=MOST_LOOKED_THROUGH - 1, **_only_named(wanted, condition, span),
    )  # fmt: skip
    found: UUID | None = rows.scalar_one_or_none()
    return found


_TABLES: Final = {"owned": "assignment", "done": "work"}


def _led_by(wanted: Wanted) -> tuple[str, str]:
    """The table whose index finds the leads, and what it is asked for there."""
    if wanted.lead_ids:
        return "lead", "lead.lead_id = any(cast(:lead_ids as uuid[]))"
    if wanted.owner:
        return "owned", "owned.user_id = :owner and owned.ended_at is null"
    if wanted.status in _OPEN:
        return "done", f"done.status = '{wanted.status}'"  # in the statement itself, as in the partial index
    for name in ("source_key", "geo_key"):
        if name in wanted.values:
            return "lead", f"lead.{name} = :{name}"
    return "lead", "true"


def _select(source: str, conditions: Sequence[str]) -> str:
    if source == "lead":
        leads = "lead"
    else:
        leads = f"""{_TABLES[source]} as {source} join lateral (
            select {LEAD} from lead where lead.tenant_id = :tenant and lead.lead_id = {source}.lead_id limit 1
        ) as lead on true"""
    asked = " and ".join([f"{source}.tenant_id = :tenant", *conditions])
    return f"""select {_COLUMNS} from {leads} {_OF_EACH} where {asked}
               order by {source}.lead_id desc limit :limit"""


def _span(wanted: Wanted, source: str) -> list[str]:
    bounds = {"since": f"{source}.lead_id >= :since", "before": f"{source}.lead_id < :before"}
    return [bound for name, bound in bounds.items() if getattr(wanted, name) is not None]


def _merged(wanted: Wanted) -> list[str]:
    of_work = wanted.status or wanted.workspace or wanted.owner  # which is all of the lead that stands
    return [] if wanted.include_merged and not of_work else ["lead.merged_into is null"]


def _work(wanted: Wanted) -> list[str]:
    asked = ["work.workspace = :workspace"] if wanted.workspace else []
    if wanted.lead_ids:
        asked.append("lead.lead_id = any(cast(:lead_ids as uuid[]))")
    if wanted.owner:
        asked.append("assignment.user_id = :owner")
    match wanted.status:
        case None:
            pass
        case WorkStatus.RECEIVED:
            asked.append(f"({_STATUS}) is null")
        case status:
            asked.append(f"({_STATUS}) = '{status}'")
    return asked


def _only_named(wanted: Wanted, *texts: str) -> dict[str, Any]:
    """Those of the parameters that the statement names; a statement takes no others."""
    return {name: value for name, value in wanted.parameters.items() if any(f":{name}" in text for text in texts)}
