"""Giving waiting leads to agents: the one way of every assignment that no person makes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.failures import LostRaceError
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.distribution import AssignedBy, EndReason, LeadAssigned, LeadReassigned, LeadUnassigned
from contracts.intake.routing import DecisionKind, WorkStatus
from contracts.intake.workspaces import WorkspaceConfiguration
from contracts.message import Envelope
from intake.distribution import store
from intake.distribution.domain_choice import Distributor
from intake.distribution.staffing import Workspaces, staff_of, workspaces_of
from intake.routing import store as routing
from intake.routing.store import Decision

BATCH = 500
"""How many leads one unit of work gives out at most."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A lead that is to be given to an agent.

    Attributes:
        inherits: the ownership that goes on in this one, with its deadline and what came of it: that of a lead which was merged
            into this one, or its own before it was merged.
    """

    lead_id: UUID
    user_id: str
    workspace: str
    version: int
    assigned_by: AssignedBy
    trace: dict[str, Any]
    actor: str | None = None
    inherits: RowMapping | None = None


async def fill(
    uow: UnitOfWork,
    tenant: str,
    workspaces: Iterable[str] | None = None,
    limit: int = BATCH,
    *,
    causes: Mapping[UUID, Envelope] | None = None,
    left: Mapping[UUID, RowMapping] | None = None,
) -> set[UUID]:
    """Give the leads that wait in these workspaces (in all, if none are named), oldest first, to agents who can be given work.

    Parameters:
        limit: how many, at most.
        causes: by lead, the message that brought it.
        left: by lead, the ownership that has just ended and that a new one is to follow.

    Returns:
        The leads that have an owner now.
    """
    configured = await workspaces_of(uow, tenant)
    wanted = configured if workspaces is None else {n: configured[n] for n in workspaces if n in configured}
    if not wanted:
        return set()
    await store.lock(uow, tenant)
    busy = {name: wanted[name] for name in await store.busy(uow, tenant, wanted)}
    distributors = await _distributors(uow, tenant, busy) if busy else {}
    left = left or {}
    assignments: list[Assignment] = []
    behind = None
    while len(assignments) < limit:
        room = limit - len(assignments)
        page = await _page(uow, tenant, distributors, behind, room)
        for row in page:
            choice = distributors[row["workspace"]].choose(row["geo_key"], row["passed_over"])
            if choice:
                by = _decided_by(busy[row["workspace"]], row["lead_id"] in left)
                assignments.append(
                    Assignment(
                        row["lead_id"], choice.user_id, row["workspace"], row["version"] + 2, by, choice.trace
                    )
                )  # fmt: skip
        if len(page) < room:
            break
        behind = page[-1]["waiting_since"], page[-1]["lead_id"]
    if assignments:
        await give(uow, tenant, configured, assignments, causes=causes, left=left)
        await store.keep_rotations(uow, tenant, {name: d.standing for name, d in distributors.items() if d.standing})
    return {assignment.lead_id for assignment in assignments}


async def drain(database: Database, tenant: str) -> int:
    """Give out what waits in all workspaces, batch by batch, as far as it goes; returns how many leads that were."""
    given = 0
    while True:
        async with database.begin(tenant) as uow:
            batch = len(await fill(uow, tenant))
        given += batch
        if batch < BATCH:
            return given


def _decided_by(configuration: WorkspaceConfiguration, follows_another: bool) -> AssignedBy:
    return AssignedBy.RULE if configuration.chain and not follows_another else AssignedBy.SYSTEM


async def _distributors(uow: UnitOfWork, tenant: str, workspaces: Workspaces) -> dict[str, Distributor]:
    staff = await staff_of(uow, tenant, workspaces)
    held = staff.held  # shared: who is given a lead of one workspace has less room for those of another
    standings = await store.rotations(uow, tenant, list(workspaces))
    distributors = {}
    for name, configuration in workspaces.items():
        candidates = staff.of(name, configuration)
        known = {c.user_id for c in candidates}
        standing = {user: place for user, place in standings.get(name, {}).items() if user in known}
        distributors[name] = Distributor(configuration.chain, candidates, held, standing)
    return distributors


async def _page(
    uow: UnitOfWork, tenant: str, distributors: Mapping[str, Distributor], behind: Any, limit: int
) -> list[RowMapping]:
    """The next leads for which, by their place, there is somebody."""
    everywhere = {name: distributor.open_to_every_place() for name, distributor in distributors.items()}
    regions = [
        (name, _like(pattern))
        for name, distributor in distributors.items()
        if not everywhere[name]
        for pattern in sorted(distributor.open_regions())
    ]
    regional = {name for name, _ in regions}
    searched = {name: every for name, every in everywhere.items() if every or name in regional}
    return await store.waiting(uow, tenant, searched, regions, behind, limit) if searched else []


def _like(pattern: str) -> str:
    fixed = pattern.removeprefix("*").removesuffix("*").replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"{'%' * pattern.startswith('*')}{fixed}{'%' * pattern.endswith('*')}"


async def give(
    uow: UnitOfWork,
    tenant: str,
    workspaces: Workspaces,
    assignments: Sequence[Assignment],
    *,
    causes: Mapping[UUID, Envelope] | None = None,
    left: Mapping[UUID, RowMapping] | None = None,
) -> list[dict[str, Any]]:
    """Give leads that nobody owns to agents, write down why, and publish it; returns the new rows.

    Raises:
        LostRaceError: another unit of work gave one of them to somebody.
    """
    rows = [_row(uow, workspaces.get(a.workspace, WorkspaceConfiguration()), a) for a in assignments]
    await store.assign(uow, tenant, rows)
    leads = [assignment.lead_id for assignment in assignments]
    if len(await routing.set_status(uow, tenant, leads, WorkStatus.ASSIGNED)) < len(leads):
        raise LostRaceError("the work on a lead was changed by another unit of work")
    if contacted := [row["lead_id"] for row in rows if row["contacted_at"]]:
        await routing.set_status(uow, tenant, contacted, WorkStatus.WORKED)
    left, causes = left or {}, causes or {}
    decisions = [Decision(a.lead_id, DecisionKind.ASSIGNED, _trace(a, left.get(a.lead_id))) for a in assignments]
    await routing.record_decisions(uow, tenant, decisions)
    for row in rows:
        _publish(uow, tenant, row, left.get(row["lead_id"]), causes.get(row["lead_id"]))
    return rows


def _row(uow: UnitOfWork, configuration: WorkspaceConfiguration, assignment: Assignment) -> dict[str, Any]:
    minutes, before = configuration.sla_minutes, assignment.inherits
    due_at = uow.now + timedelta(minutes=minutes) if minutes else None
    return {
        "assignment_id": uuid7(),
        "lead_id": assignment.lead_id,
        "user_id": assignment.user_id,
        "workspace": assignment.workspace,
        "version": assignment.version,
        "assigned_at": uow.now,
        "assigned_by": assignment.assigned_by.value,
        "actor": assignment.actor,
        "due_at": before["due_at"] if before else due_at,
        "contacted_at": before["contacted_at"] if before else None,
        "inherited_from": before["lead_id"] if before and before["lead_id"] != assignment.lead_id else None,
    }


def _trace(assignment: Assignment, before: RowMapping | None) -> dict[str, Any]:
    return {
        "workspace": assignment.workspace,
        "assigned_by": assignment.assigned_by.value,
        "version": assignment.version,
        **({"actor": assignment.actor} if assignment.actor else {}),
        **({"from_user_id": before["user_id"], "reason": before["end_reason"]} if before else {}),
        **assignment.trace,
    }


def _publish(
    uow: UnitOfWork, tenant: str, row: Mapping[str, Any], before: RowMapping | None, cause: Envelope | None
) -> None:
    fields = {
        name: row[name]
        for name in (
            "lead_id", "version", "assignment_id", "user_id", "workspace", "assigned_by", "actor", "due_at"
        )
    }  # fmt: skip
    if before:
        event = LeadReassigned(
            **fields, occurred_at=uow.now, from_user_id=before["user_id"], reason=before["end_reason"]
        )
        uow.publish(tenant, event, cause)
    else:
        uow.publish(tenant, LeadAssigned(**fields, occurred_at=uow.now), cause)


async def release(
    uow: UnitOfWork, tenant: str, leads: Sequence[UUID], reason: EndReason, actor: str | None = None
) -> list[RowMapping]:
    """End the ownership of leads for good, and publish it; returns what ended. The status of the work is the caller's."""
    ended = await store.end(uow, tenant, leads, reason, actor)
    await _leave(uow, tenant, ended)
    return ended


async def pass_on(
    uow: UnitOfWork, tenant: str, leads: Sequence[UUID], reason: EndReason, actor: str | None = None
) -> list[RowMapping]:
    """End the ownership of leads and give them to others, as far as there are any; the rest wait, at their old places.

    Returns:
        What ended.
    """
    ended = await store.end(uow, tenant, leads, reason, actor)
    await routing.set_status(uow, tenant, [row["lead_id"] for row in ended], WorkStatus.ROUTED)
    left = {row["lead_id"]: row for row in ended}
    given = await fill(uow, tenant, {row["workspace"] for row in ended}, max(BATCH, len(ended)), left=left)
    await _leave(uow, tenant, [row for row in ended if row["lead_id"] not in given])
    return ended


async def _leave(uow: UnitOfWork, tenant: str, ended: Sequence[RowMapping]) -> None:
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
    await routing.record_decisions(uow, tenant, decisions)
