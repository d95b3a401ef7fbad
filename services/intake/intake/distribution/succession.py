"""Who works on a person whose leads are merged, and on each of the leads when they are parted again.

A lead that stands is worked on for those merged into it: what was done for one of them goes on there.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import AssignedBy, EndReason, Standing
from contracts.intake.routing import WorkStatus
from contracts.intake.workspaces import WorkspaceConfiguration
from intake import locks
from intake.distribution import progress, store, store_agents, store_progress
from intake.distribution.assigning import Assignment, give
from intake.distribution.returning import release
from intake.distribution.staffing import Workspaces, candidate, longest_ramp, workspaces_of
from intake.routing import store as routing


async def merge(uow: UnitOfWork, tenant: str, merged: Mapping[UUID, UUID]) -> None:
    """Have the work on leads that are merged go on with the lead that stands for each.

    Its place in the queue is the oldest of theirs. Its owner stays; if it has none, it goes to whoever has owned one of them the
    longest, or waits if they cannot be given work. If it was closed and one of them is open, it is open again: the person has
    come back.
    """
    await locks.whose_work(uow, tenant)
    survivors = set(merged.values())
    work = await routing.lock_work(uow, tenant, [*merged, *survivors])
    closed = await store_progress.closed_among(uow, tenant, {*merged, *survivors})
    coming = {lead: survivor for lead, survivor in merged.items() if lead not in closed}
    if reopened := closed & set(coming.values()):
        await store_progress.reopen(uow, tenant, reopened)
        await routing.drop_closed(uow, tenant, list(reopened))
    ended = await release(uow, tenant, list(merged), EndReason.WITHDRAWN)
    await routing.hand_on(uow, tenant, _heirs(coming, ended, work))
    await routing.put_by(uow, tenant, list(merged))
    before = await store.last_assignments(uow, tenant, survivors)
    inherited: dict[UUID, RowMapping] = {}
    for row in sorted(ended, key=lambda row: row["assigned_at"]):
        survivor = merged[row["lead_id"]]
        if survivor not in before or before[survivor]["ended_at"]:
            inherited.setdefault(survivor, row)
    await go_on(uow, tenant, inherited, {lead: row["version"] for lead, row in before.items()})


async def part(uow: UnitOfWork, tenant: str, parted: UUID, survivor: UUID, *, alone: bool) -> None:
    """Have a lead that was parted from another be worked on as before, and the other without it.

    Args:
        alone: whether the other one stands for no lead any more.
    """
    await locks.whose_work(uow, tenant)
    both = [parted, survivor]
    await routing.lock_work(uow, tenant, both)
    last = await store.last_assignments(uow, tenant, both)
    heir = last.get(survivor)
    if heir and heir["ended_at"] is None and heir["inherited_from"] == parted:
        await release(uow, tenant, [survivor], EndReason.WITHDRAWN)
        await routing.go_home(uow, tenant, survivor)
    if alone:
        await store_progress.take_back_reopening(uow, tenant, survivor)
    await routing.take_up(uow, tenant, parted)
    await routing.go_back(uow, tenant, both)
    await progress.catch_up(uow, tenant, both)
    before = last.get(parted)
    if before is None or before["end_reason"] != EndReason.WITHDRAWN:
        return
    work = (await routing.lock_work(uow, tenant, [parted])).get(parted)
    if work and work["status"] == WorkStatus.ROUTED:
        await go_on(uow, tenant, {parted: before}, {parted: before["version"]})


def _heirs(
    merged: Mapping[UUID, UUID], ended: Collection[RowMapping], work: Mapping[UUID, RowMapping]
) -> dict[UUID, UUID]:
    """For each lead that stands the one whose place it takes: one that was owned before one that waits, the oldest first."""
    owned = {row["lead_id"] for row in ended}
    heirs: dict[UUID, UUID] = {}
    waiting = [lead for lead in merged if lead in work]
    for lead in sorted(waiting, key=lambda lead: (lead not in owned, work[lead]["waiting_since"], lead)):
        heirs.setdefault(merged[lead], lead)
    return heirs


async def go_on(uow: UnitOfWork, tenant: str, ended: Mapping[UUID, RowMapping], versions: Mapping[UUID, int]) -> None:
    """Give leads to the owners that others, or they themselves, had before, as far as these can go on; the rest wait."""
    if not ended:
        return
    workspaces = await workspaces_of(uow, tenant)
    continued = await _able(uow, tenant, workspaces, ended)
    for lead, row in continued.items():
        await routing.go_on_in(uow, tenant, lead, row["workspace"])
    assignments = [
        Assignment(
            lead, row["user_id"], row["workspace"], versions.get(lead, -1) + 2, AssignedBy.SYSTEM,
            {"user_id": row["user_id"], "continues": str(row["lead_id"])}, inherits=row,
        )
        for lead, row in continued.items()
    ]  # fmt: skip
    if assignments:
        await give(uow, tenant, workspaces, assignments)


async def _able(
    uow: UnitOfWork, tenant: str, workspaces: Workspaces, ended: Mapping[UUID, RowMapping]
) -> dict[UUID, RowMapping]:
    """Those of these ownerships whose agents still work there, are not away, and have room; their hours keep nobody from it."""
    users = sorted({row["user_id"] for row in ended.values()})
    roster = await store_agents.roster(uow, tenant, longest_ramp(workspaces), users=users)
    agents = {agent["user_id"]: agent for agent in roster}
    held = {user: agent["held"] for user, agent in agents.items()}
    able = {}
    for lead, row in ended.items():
        agent = agents.get(row["user_id"])
        if agent is None or row["workspace"] not in agent["workspaces"]:
            continue
        seen = candidate(agent, workspaces.get(row["workspace"], WorkspaceConfiguration()), uow.now)
        there = seen.standing in (Standing.AVAILABLE, Standing.OFF_HOURS)
        if there and held[seen.user_id] < seen.capacity:
            held[seen.user_id] += 1
            able[lead] = row
    return able
