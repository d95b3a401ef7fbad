"""What becomes of the leads of agents who are not there."""

from collections.abc import Sequence

from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import EndReason
from contracts.intake.workspaces import OnAbsence, WorkspaceConfiguration
from intake import locks
from intake.distribution import store, store_agents
from intake.distribution.returning import pass_on
from intake.distribution.staffing import workspaces_of


async def begin_absences(uow: UnitOfWork, tenant: str) -> int:
    """Apply each workspace's policy to those whose time off has begun; returns how many leads went back into a queue."""
    await locks.whose_work(uow, tenant)
    users = await store_agents.apply_time_off(uow, tenant)
    return await leave(uow, tenant, users) if users else 0


async def leave(uow: UnitOfWork, tenant: str, users: Sequence[str], policy: OnAbsence | None = None) -> int:
    """Apply a policy, or else each workspace's, to what these agents hold; returns how many leads went back into a queue.

    The tenant must be locked, and the agents not be there any more.
    """
    workspaces = await workspaces_of(uow, tenant)
    returning = [
        row["lead_id"]
        for row in await store.held_by(uow, tenant, users)
        if (policy or workspaces.get(row["workspace"], WorkspaceConfiguration()).on_absence)
        is OnAbsence.RETURN_TO_QUEUE
    ]
    if returning:
        await pass_on(uow, tenant, returning, EndReason.ABSENT)
    return len(returning)
