"""What intake does with what it is asked about agents, and about whose lead is whose."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging, tenants
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import distribution as messages
from contracts.intake.routing import LeadStatus, RouteLead, WorkStatus
from contracts.intake.workspaces import WorkspaceConfiguration
from contracts.message import ProblemCode, ProblemError
from intake import locks
from intake.distribution import ownership, store, store_agents
from intake.distribution.absence import begin_absences, leave
from intake.distribution.arriving import route_by_hand
from intake.distribution.assigning import fill
from intake.distribution.domain_capacity import fairness
from intake.distribution.ownership import Gift
from intake.distribution.staffing import candidate, longest_ramp, no_such_workspace, workloads, workspaces_of
from intake.routing import store as store_work
from intake.routing.published import published
from intake.routing.shown import status


async def upsert_agent(uow: UnitOfWork, request: Received[messages.UpsertAgent]) -> messages.AgentView:
    ask, tenant = request.body, request.tenant
    await locks.whose_work(uow, tenant)
    zone = ask.time_zone or (await tenants.settings_of(uow, tenant)).time_zone
    hours = ask.working_hours
    profile = {
        **ask.model_dump(include={"user_id", "capacity", "weight", "regions", "active"}),
        "workspaces": sorted(set(ask.workspaces)),
        "roles": sorted(set(ask.roles)),
        "working_hours": None
        if hours is None
        else json.dumps({day.value: [[shift.start, shift.end] for shift in shifts] for day, shifts in hours.items()}),
        "time_zone": zone,
    }
    row = await store_agents.keep(uow, tenant, profile)
    _publish_change(uow, request, row)
    if ask.active:
        await store.let_go_on(uow, tenant, ask.user_id, profile["workspaces"])
    else:
        await leave(uow, tenant, [ask.user_id])
    await fill(uow, tenant)
    return await _view(uow, tenant, ask.user_id)


async def get_agent(uow: UnitOfWork, request: Received[messages.GetAgent]) -> messages.AgentView:
    return await _view(uow, request.tenant, request.body.user_id)


async def list_agents(uow: UnitOfWork, request: Received[messages.ListAgents]) -> messages.AgentPage:
    ask = request.body
    wanted = {"workspaces": [ask.workspace] if ask.workspace else None, "after": ask.cursor, "limit": ask.limit + 1}
    found = await _views(uow, request.tenant, **wanted)
    page = found[: ask.limit]
    return messages.AgentPage(agents=page, next_cursor=page[-1].user_id if len(found) > ask.limit else None)


async def remove_agent(uow: UnitOfWork, request: Received[messages.RemoveAgent]) -> messages.AgentRemovalResult:
    ask, tenant = request.body, request.tenant
    await locks.whose_work(uow, tenant)
    row = await store_agents.changed(uow, tenant, ask.user_id, removed=True)
    if row is None:
        raise _no_such_agent()
    _publish_change(uow, request, row)
    return messages.AgentRemovalResult(returned=await leave(uow, tenant, [ask.user_id], ask.held))


async def set_time_off(uow: UnitOfWork, request: Received[messages.SetTimeOff]) -> messages.AgentView:
    ask = request.body

    async def set_() -> None:
        id_ = ask.time_off_id or uuid7()
        if not await store_agents.keep_time_off(uow, request.tenant, ask.user_id, id_, ask.starts_at, ask.ends_at):
            raise ProblemError(ProblemCode.CONFLICT, "this time off is another agent's", "time_off_id")

    return await _change_time_off(uow, request, set_)


async def cancel_time_off(uow: UnitOfWork, request: Received[messages.CancelTimeOff]) -> messages.AgentView:
    ask = request.body

    async def cancel() -> None:
        if not await store_agents.cancel_time_off(uow, request.tenant, ask.user_id, ask.time_off_id):
            raise ProblemError(ProblemCode.NOT_FOUND, "the agent has no such time off, or it is over", "time_off_id")

    return await _change_time_off(uow, request, cancel)


async def _change_time_off(uow: UnitOfWork, request: Received[Any], change: Any) -> messages.AgentView:
    tenant, user = request.tenant, request.body.user_id
    await locks.whose_work(uow, tenant)
    row = await store_agents.changed(uow, tenant, user)
    if row is None:
        raise _no_such_agent()
    await change()
    _publish_change(uow, request, row)
    await begin_absences(uow, tenant)
    await fill(uow, tenant)
    return await _view(uow, tenant, user)


async def route_lead(uow: UnitOfWork, request: Received[RouteLead]) -> LeadStatus:
    ask, tenant = request.body, request.tenant
    before = await status(uow, tenant, ask.lead_id)
    # The same rules as who routes what comes in: a workspace must not be gone when the lead gets there.
    await locks.published_routing(uow, tenant)
    rules = await published(uow, tenant)
    if rules is None or ask.workspace not in rules.configuration.workspaces:
        known = ", ".join(sorted(rules.configuration.workspaces)) if rules else ""
        raise ProblemError(
            ProblemCode.INVALID,
            f"the published configuration has no such workspace; it has: {known or 'none'}",
            "workspace",
        )
    closed = before.status is WorkStatus.CLOSED  # an erased lead may make no work that could say so
    if not closed and not await store_work.facts_of(uow, tenant, [ask.lead_id]):
        text = "the lead is merged into another one, which is worked in its place: send that one, or unmerge this lead"
        raise ProblemError(ProblemCode.CONFLICT, text, "lead_id")
    if closed or not await route_by_hand(uow, tenant, ask.lead_id, ask.workspace, ask.sub_vertical, ask.actor, rules):
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"the lead is {before.status}: only one that waits can be sent to a workspace; take it from its owner first",
            "lead_id",
        )
    return await status(uow, tenant, ask.lead_id)


async def assign_lead(uow: UnitOfWork, request: Received[messages.AssignLead]) -> messages.AssignmentView:
    return _assignment(await ownership.assign(uow, request.tenant, Gift(**request.body.model_dump())))


async def claim_lead(uow: UnitOfWork, request: Received[messages.ClaimLead]) -> messages.AssignmentView:
    gift = Gift(**request.body.model_dump(), actor=request.body.user_id)
    return _assignment(await ownership.claim(uow, request.tenant, gift))


async def reassign_lead(uow: UnitOfWork, request: Received[messages.ReassignLead]) -> messages.AssignmentView:
    return _assignment(await ownership.reassign(uow, request.tenant, Gift(**request.body.model_dump())))


async def unassign_lead(uow: UnitOfWork, request: Received[messages.UnassignLead]) -> messages.AssignmentView:
    return _assignment(await ownership.unassign(uow, request.tenant, request.body.lead_id, request.body.actor))


async def complete_work(uow: UnitOfWork, request: Received[messages.CompleteWork]) -> messages.AssignmentView:
    return _assignment(await ownership.complete(uow, request.tenant, request.body.lead_id, request.body.actor))


async def list_assignments(uow: UnitOfWork, request: Received[messages.ListAssignments]) -> messages.AssignmentPage:
    ask = request.body
    filters = ask.model_dump(include={"user_id", "workspace", "lead_id"})
    rows = await store.page(uow, request.tenant, filters, ask.active, paging.after(ask.cursor, UUID), ask.limit + 1)
    page = [_assignment(row) for row in rows[: ask.limit]]
    cursor = str(page[-1].assignment_id) if len(rows) > ask.limit else None
    return messages.AssignmentPage(assignments=page, next_cursor=cursor)


async def get_workload(uow: UnitOfWork, request: Received[messages.GetWorkload]) -> messages.WorkspaceWorkload:
    tenant, workspace = request.tenant, request.body.workspace
    workspaces = await workspaces_of(uow, tenant)
    agents = await store_agents.roster(uow, tenant, longest_ramp(workspaces), workspaces=[workspace])
    if not agents and workspace not in workspaces:
        raise no_such_workspace(workspaces)
    found = await workloads(uow, tenant, agents, workspaces)
    loads = _loads(agents, workspaces.get(workspace, WorkspaceConfiguration()), uow.now)
    (counted,) = await store.counted(uow, tenant, [workspace])
    return messages.WorkspaceWorkload(
        **counted,
        fairness=fairness(list(loads.values())),
        agents=[
            messages.AgentWorkload(user_id=user, load=loads.get(user), **workload.model_dump())
            for user, workload in found.items()
        ],
    )


async def list_workspaces(uow: UnitOfWork, request: Received[messages.ListWorkspaces]) -> messages.WorkspacePage:
    ask, tenant = request.body, request.tenant
    workspaces = await workspaces_of(uow, tenant)
    rest = sorted(name for name in workspaces if ask.cursor is None or name > ask.cursor)
    names, cursor = paging.cut(rest, ask.limit, str)
    agents = await store_agents.roster(uow, tenant, longest_ramp(workspaces), workspaces=names)
    found = []
    for counted in await store.counted(uow, tenant, names):
        name = counted["workspace"]
        there = [agent for agent in agents if name in agent["workspaces"]]
        even = fairness(list(_loads(there, workspaces[name], uow.now).values()))
        found.append(messages.WorkspaceSummary(**counted, fairness=even, agent_count=len(there)))
    return messages.WorkspacePage(workspaces=found, next_cursor=cursor)


def _loads(agents: Sequence[RowMapping], configuration: WorkspaceConfiguration, now: datetime) -> dict[str, float]:
    """What each of a workspace's agents holds in proportion to what they can take there; of those who can take something."""
    loads = {}
    for agent in agents:
        seen = candidate(agent, configuration, now)
        if agent["active"] and not agent["away"] and seen.capacity:
            loads[agent["user_id"]] = agent["held"] / (seen.capacity * agent["weight"])
    return loads


async def _view(uow: UnitOfWork, tenant: str, user: str) -> messages.AgentView:
    found = await _views(uow, tenant, users=[user])
    if not found:
        raise _no_such_agent()
    return found[0]


async def _views(uow: UnitOfWork, tenant: str, **wanted: Any) -> list[messages.AgentView]:
    workspaces = await workspaces_of(uow, tenant)
    agents = await store_agents.roster(uow, tenant, longest_ramp(workspaces), **wanted)
    loads = await workloads(uow, tenant, agents, workspaces)
    off: dict[str, list[messages.TimeOffView]] = {}
    for row in await store_agents.time_off(uow, tenant, list(loads)):
        off.setdefault(row["user_id"], []).append(messages.TimeOffView.model_validate(dict(row)))
    return [_agent_view(agent, loads[agent["user_id"]], off.get(agent["user_id"], [])) for agent in agents]


def _agent_view(
    agent: RowMapping, workload: messages.Workload, time_off: list[messages.TimeOffView]
) -> messages.AgentView:
    hours = agent["working_hours"]
    return messages.AgentView.model_validate(
        {
            **agent,
            "working_hours": hours
            and {day: [{"start": start, "end": end} for start, end in shifts] for day, shifts in hours.items()},
            "time_off": time_off,
            "workload": workload,
        }
    )


def _assignment(row: Any) -> messages.AssignmentView:
    return messages.AssignmentView.model_validate(dict(row))


def _publish_change(uow: UnitOfWork, request: Received[Any], agent: RowMapping) -> None:
    copied = ("user_id", "version", "workspaces", "capacity", "active", "removed")
    event = messages.AgentChanged(**{name: agent[name] for name in copied}, occurred_at=uow.now)
    uow.publish(request.tenant, event, request.envelope)


def _no_such_agent() -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such agent", "user_id")
