"""Leads that nobody contacted in time go to somebody else, and in the end to a person's attention."""

from datetime import datetime

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import EndReason, LeadSlaMissed
from contracts.intake.routing import DecisionKind
from contracts.intake.workspaces import KeptBack, WorkspaceConfiguration
from intake import locks
from intake.distribution import store, store_agents
from intake.distribution.assigning import BATCH
from intake.distribution.returning import pass_on
from intake.distribution.staffing import Workspaces, workspaces_of
from intake.routing import store_decisions
from intake.routing.store_decisions import Decision


async def reassign_overdue(uow: UnitOfWork, tenant: str, by: datetime) -> int:
    """Take from their owners what they did not contact by a moment, at most a batch of it; returns how many leads that were."""
    await locks.whose_work(uow, tenant)
    overdue = await store.overdue(uow, tenant, by, BATCH)
    if not overdue:
        return 0
    workspaces = await workspaces_of(uow, tenant)
    staff = await _staff(uow, tenant)
    by_reason: dict[KeptBack | None, list[RowMapping]] = {}
    for row in overdue:
        by_reason.setdefault(_kept_back(row, workspaces, staff), []).append(row)
        event = LeadSlaMissed(
            lead_id=row["lead_id"], assignment_id=row["assignment_id"], user_id=row["user_id"],
            workspace=row["workspace"], due_at=row["due_at"], missed=row["missed_before"] + 1, occurred_at=uow.now,
        )  # fmt: skip
        uow.publish(tenant, event)
    for reason, rows in by_reason.items():
        leads = [row["lead_id"] for row in rows]
        if reason:
            await store.keep_back(uow, tenant, leads, reason.value)
        await pass_on(uow, tenant, leads, EndReason.SLA_MISSED)
        if reason:
            store_decisions.record(uow, tenant, [_why(row, reason) for row in rows])
    return len(overdue)


def _kept_back(row: RowMapping, workspaces: Workspaces, staff: dict[str, set[str]]) -> KeptBack | None:
    """Why a lead is given to nobody else by itself, if it is not."""
    configuration = workspaces.get(row["workspace"], WorkspaceConfiguration())
    if row["missed_before"] >= configuration.max_reassignments:
        return KeptBack.NOT_CONTACTED_IN_TIME
    others = staff.get(row["workspace"], set()) - {row["user_id"], *(row["passed_over"] or ())}
    return None if others else KeptBack.NOBODY_LEFT


def _why(row: RowMapping, reason: KeptBack) -> Decision:
    passed_over = sorted({row["user_id"], *(row["passed_over"] or ())})
    trace = {"workspace": row["workspace"], "reason": reason.value, "passed_over": passed_over}
    return Decision(row["lead_id"], DecisionKind.KEPT_BACK, trace)


async def _staff(uow: UnitOfWork, tenant: str) -> dict[str, set[str]]:
    """The active agents of each workspace."""
    found: dict[str, set[str]] = {}
    for workspaces, user in await store_agents.active(uow, tenant):
        for workspace in workspaces:
            found.setdefault(workspace, set()).add(user)
    return found
