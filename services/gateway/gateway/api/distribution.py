"""Distribution: agents, their time off and workload, the manual queue, and whose a lead is."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.intake.distribution import (
    AgentPage,
    AgentRemovalResult,
    AgentView,
    AssignLead,
    AssignmentPage,
    AssignmentView,
    CancelTimeOff,
    GetAgent,
    GetWorkload,
    ListAgents,
    ListAssignments,
    ListWorkspaces,
    ReassignLead,
    RemoveAgent,
    SetTimeOff,
    UnassignLead,
    UpsertAgent,
    WorkspacePage,
    WorkspaceWorkload,
)
from contracts.intake.routing import LeadStatus, ListWorkQueue, RouteLead, WorkQueuePage
from contracts.intake.workspaces import OnAbsence
from contracts.values import Actor, Slug
from gateway.api.idempotency import OptionalKey
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["distribution"])


@router.get("/agents")
async def list_agents(principal: Admitted, query: Annotated[ListAgents, Query()]) -> AgentPage:
    """The agents of the tenant or of a workspace with their workload, a page at a time."""
    return await principal.ask(query)


@router.get("/agents/{user_id}")
async def get_agent(principal: Admitted, user_id: Actor) -> AgentView:
    """One agent."""
    return await principal.ask(GetAgent(user_id=user_id))


@router.put("/agents/{user_id}")
async def set_agent(
    principal: Admitted, user_id: Actor, given: Annotated[BaseModel, sent(UpsertAgent, "user_id")]
) -> AgentView:
    """Make somebody an agent, or give an agent another profile; what is left out takes its default."""
    return await principal.ask(order(UpsertAgent, given, user_id=user_id))


@router.delete("/agents/{user_id}")
async def remove_agent(
    principal: Admitted,
    user_id: Actor,
    held: Annotated[
        OnAbsence | None,
        Query(description="What becomes of their leads; what the workspace's `on_absence` says, if empty."),
    ] = None,
) -> AgentRemovalResult:
    """Somebody is no agent any more."""
    return await principal.ask(RemoveAgent(user_id=user_id, held=held))


@router.post("/agents/{user_id}/time-off", status_code=HTTPStatus.CREATED)
async def add_time_off(
    principal: Admitted,
    user_id: Actor,
    given: Annotated[BaseModel, sent(SetTimeOff, "user_id", "time_off_id")],
    key: OptionalKey,
) -> AgentView:
    """Give an agent time off; while it lasts they are given no work. With the same `Idempotency-Key` it is the same time off."""
    time_off = key.id("time_off") if key else None
    return await principal.ask(order(SetTimeOff, given, user_id=user_id, time_off_id=time_off))


@router.put("/agents/{user_id}/time-off/{time_off_id}")
async def change_time_off(
    principal: Admitted,
    user_id: Actor,
    time_off_id: UUID,
    given: Annotated[BaseModel, sent(SetTimeOff, "user_id", "time_off_id")],
) -> AgentView:
    """Change an agent's time off, or give it under an id of the caller's own."""
    return await principal.ask(order(SetTimeOff, given, user_id=user_id, time_off_id=time_off_id))


@router.delete("/agents/{user_id}/time-off/{time_off_id}")
async def cancel_time_off(principal: Admitted, user_id: Actor, time_off_id: UUID) -> AgentView:
    """Take time off back; what is under way ends now."""
    return await principal.ask(CancelTimeOff(user_id=user_id, time_off_id=time_off_id))


@router.get("/workspaces")
async def list_workspaces(principal: Admitted, query: Annotated[ListWorkspaces, Query()]) -> WorkspacePage:
    """How the work of each published workspace is spread, by name, a page at a time."""
    return await principal.ask(query)


@router.get("/workspaces/{workspace}/workload")
async def get_workload(principal: Admitted, workspace: Slug) -> WorkspaceWorkload:
    """How much the agents of a workspace have to do, and how fairly that is spread."""
    return await principal.ask(GetWorkload(workspace=workspace))


@router.get("/work-queue")
async def list_work_queue(principal: Admitted, query: Annotated[ListWorkQueue, Query()]) -> WorkQueuePage:
    """The leads that wait for somebody to give them away by hand, who has waited longest first, a page at a time."""
    return await principal.ask(query)


@router.get("/assignments")
async def list_assignments(principal: Admitted, query: Annotated[ListAssignments, Query()]) -> AssignmentPage:
    """Assignments that match everything given, newest first, a page at a time."""
    return await principal.ask(query)


@router.post("/leads/{lead_id}/route")
async def route_lead(
    principal: Admitted, lead_id: UUID, given: Annotated[BaseModel, sent(RouteLead, "lead_id", "actor")]
) -> LeadStatus:
    """Send a lead that has no owner to a workspace by hand."""
    return await principal.ask(order(RouteLead, given, lead_id=lead_id, actor=principal.actor))


@router.post("/leads/{lead_id}/assign")
async def assign_lead(
    principal: Admitted, lead_id: UUID, given: Annotated[BaseModel, sent(AssignLead, "lead_id", "actor")]
) -> AssignmentView:
    """Give a lead that waits to an agent, past the rules; to its owner again changes nothing."""
    return await principal.ask(order(AssignLead, given, lead_id=lead_id, actor=principal.actor))


@router.post("/leads/{lead_id}/reassign")
async def reassign_lead(
    principal: Admitted, lead_id: UUID, given: Annotated[BaseModel, sent(ReassignLead, "lead_id", "actor")]
) -> AssignmentView:
    """Give a lead that somebody owns to another agent."""
    return await principal.ask(order(ReassignLead, given, lead_id=lead_id, actor=principal.actor))


@router.post("/leads/{lead_id}/unassign")
async def unassign_lead(principal: Admitted, lead_id: UUID) -> AssignmentView:
    """Put a lead that somebody owns back into its workspace's queue, at its old place."""
    return await principal.ask(UnassignLead(lead_id=lead_id, actor=principal.actor))
