"""Giving waiting leads to agents: the one way of every assignment that no person makes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.failures import LostRaceError
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.distribution import AssignedBy, LeadAssigned, LeadReassigned
from contracts.intake.routing import DecisionKind, WorkStatus
from contracts.intake.workspaces import WorkspaceConfiguration
from contracts.message import Envelope
from intake import locks
from intake.distribution import store
from intake.distribution.domain_choice import Distributor
from intake.distribution.staffing import Workspaces, distributors_of, workspaces_of
from intake.distribution.waiting import next_waiting
from intake.routing import store as routing
from intake.routing import store_decisions
from intake.routing.domain_round import Round
from intake.routing.placing import Refusal
from intake.routing.store import Placement
from intake.routing.store_decisions import Decision

BATCH = 500
"""How many leads one unit of work gives out at most."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A lead that rules have just sent to a workspace, and that nobody ever had: it stands behind all that wait there.

    Attributes:
        placement: where it is to wait if nobody can be given it.
        geo_key: its place.
        route: what the rules decided by, JSON.
        cause: the message that brought it.
    """

    placement: Placement
    geo_key: str | None
    route: str
    cause: Envelope | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A lead that is to be given to an agent.

    Attributes:
        trace: what the choice was made by; of one made in a round, what is its own (`domain_round.explain`).
        inherits: the ownership that goes on in this one, with what was left of its time when it ended and what came of it: that
            of a lead which was merged into this one, or its own before it was merged.
        newcomer: the lead's route, if it has not waited.
    """

    lead_id: UUID
    user_id: str
    workspace: str
    version: int
    assigned_by: AssignedBy
    trace: dict[str, Any]
    actor: str | None = None
    inherits: RowMapping | None = None
    newcomer: Newcomer | None = None


async def fill(
    uow: UnitOfWork,
    tenant: str,
    workspaces: Iterable[str] | None = None,
    limit: int = BATCH,
    *,
    sought: Collection[UUID] = (),
    left: Mapping[UUID, RowMapping] | None = None,
) -> tuple[set[UUID], dict[UUID, Refusal]]:
    """Give the leads that wait in these workspaces (in all, if none are named), oldest first, to agents who can be given work.

    Parameters:
        limit: how many, at most.
        sought: leads that this unit of work has just had wait there, or put back.
        left: by lead, the ownership that has just ended and that a new one is to follow.

    Returns:
        The leads that have an owner now; of those sought that nobody can be given, why.
    """
    configured = await workspaces_of(uow, tenant)
    wanted = configured if workspaces is None else {n: configured[n] for n in workspaces if n in configured}
    if not wanted:
        return set(), {}
    await locks.distribution(uow, tenant)
    return await give_out(uow, tenant, wanted, limit, sought=sought, left=left)


async def give_out(
    uow: UnitOfWork,
    tenant: str,
    workspaces: Workspaces,
    limit: int = BATCH,
    *,
    newcomers: Sequence[Newcomer] = (),
    sought: Collection[UUID] = (),
    left: Mapping[UUID, RowMapping] | None = None,
    causes: Mapping[UUID, Envelope] | None = None,
    by_place: bool = True,
) -> tuple[set[UUID], dict[UUID, Refusal]]:
    """As `fill`, of a tenant that is locked (`locks.distribution`): first what waits in these workspaces, then the newcomers to them.

    A newcomer who is given to somebody never waits; the others are the caller's to have wait.

    Parameters:
        sought: as in `fill`; somebody is looked for for each of them, wherever it is from.
        causes: of those that wait, the message that changed them.
        by_place: whether leads are looked for of which only some agents take the place. That goes through all that wait, so it is
            for when there is more room than before, and not for when leads come.

    Returns:
        The leads that have an owner now; of the newcomers and those sought that nobody can be given, why. Of what merely goes on
        waiting nothing is said.
    """
    left = left or {}
    open_ = {name: workspaces[name] for name in await store.busy(uow, tenant, workspaces)}
    busy = set(open_)
    for newcomer in newcomers:
        name = newcomer.placement.workspace
        assert name
        open_[name] = workspaces[name]
    round_, distributors = await distributors_of(uow, tenant, open_) if open_ else (Round({}), {})
    assignments: list[Assignment] = []
    refused: dict[UUID, dict[str, Any]] = {}
    behind = None
    while busy and len(assignments) < limit:
        room = limit - len(assignments)
        waiting = {name: distributors[name] for name in busy}
        page = await next_waiting(uow, tenant, waiting, behind, room, by_place=by_place)
        assignments += [found for row in page if (found := _choose(distributors, workspaces, row, left))]
        if len(page) < room:
            break
        behind = page[-1]["waiting_since"], page[-1]["lead_id"]
    asked = set(sought).difference(assignment.lead_id for assignment in assignments)
    for row in await store.sought(uow, tenant, list(asked)) if busy and asked else []:
        if len(assignments) == limit or row["workspace"] not in distributors:
            continue
        if found := _choose(distributors, workspaces, row, left):
            assignments.append(found)
        else:
            refusal = distributors[row["workspace"]].refusal(row["geo_key"], row["passed_over"])
            refused[row["lead_id"]] = {"workspace": row["workspace"], **refusal}
    for newcomer in newcomers[: limit - len(assignments)]:
        lead_id, workspace = newcomer.placement.lead_id, newcomer.placement.workspace
        assert workspace
        if choice := distributors[workspace].choose(newcomer.geo_key):
            by = _decided_by(workspaces[workspace], follows_another=False)
            assignments.append(Assignment(lead_id, choice.user_id, workspace, 1, by, choice.trace, newcomer=newcomer))
        else:
            refused[lead_id] = {"workspace": workspace, **distributors[workspace].refusal(newcomer.geo_key)}
    if not assignments and not refused:
        return set(), {}
    grounds = orjson.dumps(round_.grounds({name: d.grounds() for name, d in distributors.items()})).decode()
    if assignments:
        await give(uow, tenant, workspaces, assignments, causes=causes, left=left, grounds=grounds)
        await store.keep_rotations(uow, tenant, {name: d.standing for name, d in distributors.items() if d.standing})
    refusals = {lead_id: Refusal(trace, grounds) for lead_id, trace in refused.items()}
    return {assignment.lead_id for assignment in assignments}, refusals


async def drain(database: Database, tenant: str) -> int:
    """Give out what waits in all workspaces, batch by batch, as far as it goes; returns how many leads that were."""
    given = 0
    while True:
        async with database.begin(tenant) as uow:
            batch = len((await fill(uow, tenant))[0])
        given += batch
        if batch < BATCH:
            return given


def _choose(
    distributors: Mapping[str, Distributor], workspaces: Workspaces, row: RowMapping, left: Collection[UUID]
) -> Assignment | None:
    """Who gets a lead that waits, if anybody."""
    workspace = row["workspace"]
    choice = distributors[workspace].choose(row["geo_key"], row["passed_over"])
    if choice is None:
        return None
    by = _decided_by(workspaces[workspace], row["lead_id"] in left)
    return Assignment(row["lead_id"], choice.user_id, workspace, row["version"] + 2, by, choice.trace)


def _decided_by(configuration: WorkspaceConfiguration, follows_another: bool) -> AssignedBy:
    return AssignedBy.RULE if configuration.chain and not follows_another else AssignedBy.SYSTEM


async def give(
    uow: UnitOfWork,
    tenant: str,
    workspaces: Workspaces,
    assignments: Sequence[Assignment],
    *,
    causes: Mapping[UUID, Envelope] | None = None,
    left: Mapping[UUID, RowMapping] | None = None,
    grounds: str | None = None,
) -> list[dict[str, Any]]:
    """Give leads that nobody owns to agents, write down why, and publish it; returns the new rows.

    Parameters:
        grounds: what the choices have in common, if they were made in a round: JSON.

    Raises:
        LostRaceError: another unit of work gave one of them to somebody.
    """
    rows = [_row(uow, workspaces.get(a.workspace, WorkspaceConfiguration()), a) for a in assignments]
    await store.assign(uow, tenant, rows)
    waited = [a.lead_id for a in assignments if not a.newcomer]
    begun = [replace(a.newcomer.placement, status=WorkStatus.ASSIGNED) for a in assignments if a.newcomer]
    changed = len(await routing.set_status(uow, tenant, waited, WorkStatus.ASSIGNED)) if waited else 0
    if changed + len(await routing.place(uow, tenant, begun, replace=False)) < len(assignments):
        raise LostRaceError("the work on a lead was changed by another unit of work")
    if contacted := [row["lead_id"] for row in rows if row["contacted_at"]]:
        await routing.set_status(uow, tenant, contacted, WorkStatus.WORKED)
    left, causes = left or {}, causes or {}
    store_decisions.record(uow, tenant, [_decision(a, left.get(a.lead_id), grounds) for a in assignments])
    for assignment, row in zip(assignments, rows, strict=True):
        if newcomer := assignment.newcomer:
            _publish(uow, tenant, row, None, newcomer.cause, newcomer.placement)
        else:
            _publish(uow, tenant, row, left.get(row["lead_id"]), causes.get(row["lead_id"]))
    return rows


def _decision(assignment: Assignment, before: RowMapping | None, grounds: str | None) -> Decision:
    route = assignment.newcomer.route if assignment.newcomer else None
    return Decision(assignment.lead_id, DecisionKind.ASSIGNED, _trace(assignment, before), route=route, round=grounds)


def _row(uow: UnitOfWork, configuration: WorkspaceConfiguration, assignment: Assignment) -> dict[str, Any]:
    minutes, before = configuration.sla_minutes, assignment.inherits
    time = timedelta(minutes=minutes) if minutes else None
    if before:
        time = before["due_at"] - before["ended_at"] if before["due_at"] else None
    return {
        "assignment_id": uuid7(),
        "lead_id": assignment.lead_id,
        "user_id": assignment.user_id,
        "workspace": assignment.workspace,
        "version": assignment.version,
        "assigned_at": uow.now,
        "assigned_by": assignment.assigned_by.value,
        "actor": assignment.actor,
        "due_at": None if time is None else uow.now + time,
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
    uow: UnitOfWork,
    tenant: str,
    row: Mapping[str, Any],
    before: RowMapping | None,
    cause: Envelope | None,
    route: Placement | None = None,
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
        way = (
            {"sub_vertical": route.sub_vertical, "rule": route.rule, "routing_version": route.version} if route else {}
        )
        uow.publish(tenant, LeadAssigned(**fields, **way, occurred_at=uow.now), cause)
