"""Leads leave their owners: for good, or for somebody else."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import EndReason, LeadUnassigned
from contracts.intake.routing import DecisionKind, WorkStatus
from intake.distribution import store
from intake.distribution.arriving import place_anew
from intake.distribution.assigning import BATCH, fill
from intake.distribution.staffing import workspaces_of
from intake.routing import store as routing
from intake.routing.placing import Arrival, Refusal, write_down
from intake.routing.published import published
from intake.routing.store_decisions import Decision


async def release(
    uow: UnitOfWork, tenant: str, leads: Sequence[UUID], reason: EndReason, actor: str | None = None
) -> list[RowMapping]:
    """End the ownership of leads for good, and publish it; returns what ended. The status of the work is the caller's."""
    ended = await store.end(uow, tenant, leads, reason, actor)
    await _leave(uow, tenant, ended, {})
    return ended


async def pass_on(
    uow: UnitOfWork, tenant: str, leads: Sequence[UUID], reason: EndReason, actor: str | None = None
) -> list[RowMapping]:
    """End the ownership of leads and give them to others, as far as there are any; the rest wait, at their old places.

    Where the published rules have such a workspace no more, they say where a lead belongs now. The tenant must be locked (`locks.whose_work`).

    Returns:
        What ended.
    """
    ended = await store.end(uow, tenant, leads, reason, actor)
    await routing.set_status(uow, tenant, [row["lead_id"] for row in ended], WorkStatus.ROUTED)
    workspaces = await workspaces_of(uow, tenant)
    left = {row["lead_id"]: row for row in ended if row["workspace"] in workspaces}
    given, refusals = await fill(
        uow, tenant, {row["workspace"] for row in left.values()}, max(BATCH, len(left)), sought=left, left=left
    )
    await _leave(uow, tenant, [row for row in ended if row["lead_id"] not in given], refusals)
    if homeless := [row["lead_id"] for row in ended if row["lead_id"] not in left]:
        await _place_anew(uow, tenant, homeless)
    return ended


async def _place_anew(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Have leads wait where the published rules say now, and give out what waits there."""
    rules = await published(uow, tenant)
    if rules is None:
        return
    work = await routing.lock_work(uow, tenant, leads)
    facts = await routing.facts_of(uow, tenant, leads)
    arrivals = [Arrival(row["lead_id"], row, uow.now, changed=True) for row in facts]
    await place_anew(uow, tenant, rules, arrivals, work)


async def _leave(uow: UnitOfWork, tenant: str, ended: Sequence[RowMapping], refusals: Mapping[UUID, Refusal]) -> None:
    """Write down and publish that leads have no owner any more."""
    decisions = []
    for row in ended:
        trace = {name: row[name] for name in ("user_id", "workspace", "version")}
        by = {"actor": row["ended_by"]} if row["ended_by"] else {}
        trace["version"] += 1
        decisions.append(
            Decision(row["lead_id"], DecisionKind.UNASSIGNED, {**trace, "reason": row["end_reason"], **by})
        )
        event = LeadUnassigned(
            lead_id=row["lead_id"], version=row["version"] + 1, assignment_id=row["assignment_id"],
            user_id=row["user_id"], workspace=row["workspace"], occurred_at=uow.now, reason=row["end_reason"],
            actor=row["ended_by"],
        )  # fmt: skip
        uow.publish(tenant, event)
    write_down(uow, tenant, decisions, refusals)
