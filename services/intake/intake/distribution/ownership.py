"""What people decide about who owns a lead: assigning, claiming, reassigning, putting back, being done."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import AssignedBy, EndReason, Standing
from contracts.intake.routing import WorkStatus
from contracts.intake.workspaces import WorkspaceConfiguration
from contracts.message import ProblemCode, ProblemError
from intake import locks
from intake.distribution import progress, store, store_agents, store_progress
from intake.distribution.assigning import Assignment, fill, give
from intake.distribution.returning import pass_on
from intake.distribution.staffing import candidate, longest_ramp, no_such_workspace, standing, workspaces_of
from intake.leads import store as leads
from intake.leads.problems import no_such_lead
from intake.routing import store as routing
from intake.routing.published import published

_SWITCHED_OFF = "the agent is switched off: upsert_agent with active switches them on"


@dataclass(frozen=True, slots=True)
class Gift:
    """A lead that a person gives to an agent.

    Attributes:
        actor: who gives it; the agent themselves, where they claim it.
        workspace: where an unrouted lead is to be worked on.
        override: whether the agent's being full, away or of another workspace is no obstacle.
    """

    lead_id: UUID
    user_id: str
    actor: str
    workspace: str | None = None
    override: bool = False


async def assign(uow: UnitOfWork, tenant: str, gift: Gift) -> Any:
    """Give a lead that waits to an agent; returns the assignment, the one there is where they own it already.

    Raises:
        ProblemError: `not_found`, there is no such lead or agent; `conflict`, somebody else owns it, its work is closed, or the
            agent cannot be given work.
    """
    return await _give(uow, tenant, gift, claimed=False)


async def claim(uow: UnitOfWork, tenant: str, gift: Gift) -> Any:
    """An agent takes a lead that waits; raises as `assign` does."""
    return await _give(uow, tenant, gift, claimed=True)


async def _give(uow: UnitOfWork, tenant: str, gift: Gift, *, claimed: bool) -> Any:
    await locks.whose_work(uow, tenant)
    work = await _open_work(uow, tenant, gift.lead_id)
    owned = await store.owner(uow, tenant, gift.lead_id)
    if owned and owned["user_id"] == gift.user_id:
        return owned
    if owned:
        raise ProblemError(ProblemCode.CONFLICT, "somebody owns this lead already; reassign it instead", "lead_id")
    workspaces = await workspaces_of(uow, tenant)
    agent = await _agent(uow, tenant, gift.user_id, longest_ramp(workspaces))
    workspace = work["workspace"] or _workspace(gift, agent, workspaces)
    configuration = workspaces.get(workspace, WorkspaceConfiguration())
    verdict = _claims(agent, workspace) if claimed else _takes(agent, workspace, configuration, uow, gift.override)
    if work["workspace"] is None:
        await store.place(uow, tenant, gift.lead_id, workspace)
    await store.keep_back(uow, tenant, [gift.lead_id], None)
    version = await store.last_version(uow, tenant, gift.lead_id) + 2
    assignment = _assignment(gift, workspace, version, {"claimed": claimed, **verdict})
    (row,) = await give(uow, tenant, workspaces, [assignment])
    return row


async def reassign(uow: UnitOfWork, tenant: str, gift: Gift) -> Any:
    """Give a lead that somebody owns to another agent; returns the new assignment.

    Raises:
        ProblemError: `not_found`, there is no such lead or agent; `conflict`, nobody owns it, or the agent cannot be given work.
    """
    await locks.whose_work(uow, tenant)
    owned = await _owned(uow, tenant, gift.lead_id)
    if owned["user_id"] == gift.user_id:
        return owned
    workspaces = await workspaces_of(uow, tenant)
    agent = await _agent(uow, tenant, gift.user_id, longest_ramp(workspaces))
    workspace = owned["workspace"]
    verdict = _takes(agent, workspace, workspaces.get(workspace, WorkspaceConfiguration()), uow, gift.override)
    (ended,) = await store.end(uow, tenant, [gift.lead_id], EndReason.REASSIGNED, gift.actor)
    await routing.set_status(uow, tenant, [gift.lead_id], WorkStatus.ROUTED)
    assignment = _assignment(gift, workspace, owned["version"] + 2, verdict)
    (row,) = await give(uow, tenant, workspaces, [assignment], left={gift.lead_id: ended})
    await fill(uow, tenant)  # there is room with whoever had it
    return row


async def unassign(uow: UnitOfWork, tenant: str, lead_id: UUID, actor: str) -> RowMapping:
    """Put a lead back into its workspace's queue, whence the rules may give it to somebody else; returns what ended.

    Raises:
        ProblemError: `not_found`, there is no such lead; `conflict`, nobody owns it.
    """
    await locks.whose_work(uow, tenant)
    await _owned(uow, tenant, lead_id)
    (ended,) = await pass_on(uow, tenant, [lead_id], EndReason.UNASSIGNED, actor)
    return ended


async def complete(uow: UnitOfWork, tenant: str, lead_id: UUID, actor: str) -> RowMapping:
    """Close the work on a lead that somebody owns; returns what ended.

    Raises:
        ProblemError: `not_found`, there is no such lead; `conflict`, nobody owns it.
    """
    await locks.whose_work(uow, tenant)
    owned = await _owned(uow, tenant, lead_id)
    await store_progress.note(uow, [(tenant, lead_id, owned["assignment_id"], uow.now)])
    (ended,) = await progress.close(uow, tenant, [lead_id], EndReason.COMPLETED, actor)
    return ended


async def _open_work(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping:
    work = (await routing.lock_work(uow, tenant, [lead_id])).get(lead_id)
    if work is None:
        raise await _no_work(uow, tenant, lead_id)
    if work["status"] == routing.MERGED:
        raise ProblemError(
            ProblemCode.CONFLICT, "the lead is merged into another one, which is worked on: see get_person", "lead_id"
        )
    if work["status"] == WorkStatus.CLOSED:
        raise ProblemError(ProblemCode.CONFLICT, "the work on this lead is closed", "lead_id")
    return work


async def _no_work(uow: UnitOfWork, tenant: str, lead_id: UUID) -> ProblemError:
    """Why there is no work on a lead."""
    lead = await leads.lead(uow, tenant, lead_id)
    if lead is None:
        return no_such_lead()
    if lead["erased_at"]:
        text = "the lead's person was erased: nobody is left to work on"
    elif await published(uow, tenant):
        text = "the published routing is still being applied to this lead: try again in a moment"
    else:
        text = "no routing is published, so there is no work to give out; publish it first"
    return ProblemError(ProblemCode.CONFLICT, text, "lead_id")


async def _owned(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping:
    await _open_work(uow, tenant, lead_id)
    owned = await store.owner(uow, tenant, lead_id)
    if owned is None:
        raise ProblemError(ProblemCode.CONFLICT, "nobody owns this lead; assign it instead", "lead_id")
    return owned


async def _agent(uow: UnitOfWork, tenant: str, user_id: str, ramp: Any) -> RowMapping:
    found = await store_agents.roster(uow, tenant, ramp, users=[user_id])
    if not found:
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such agent", "user_id")
    return found[0]


def _workspace(gift: Gift, agent: RowMapping, workspaces: Any) -> str:
    """Where a lead is worked on that no rule matched."""
    if gift.workspace:
        if gift.workspace not in workspaces:
            raise no_such_workspace(workspaces)
        return gift.workspace
    if len(agent["workspaces"]) != 1:
        raise ProblemError(
            ProblemCode.INVALID,
            "no rule matched this lead, and the agent has several workspaces: name one",
            "workspace",
        )
    only: str = agent["workspaces"][0]
    if only not in workspaces:
        raise ProblemError(
            ProblemCode.CONFLICT, f"the agent's workspace {only} is not in the published routing", "user_id"
        )
    return only


def _takes(
    agent: RowMapping, workspace: str, configuration: WorkspaceConfiguration, uow: UnitOfWork, override: bool
) -> dict[str, Any]:
    """The verdict on an agent who is given a lead by a person."""
    effective = candidate(agent, configuration, uow.now).capacity
    found = standing(agent, effective, uow.now)
    elsewhere = workspace not in agent["workspaces"]
    if found is Standing.INACTIVE:
        raise ProblemError(ProblemCode.CONFLICT, _SWITCHED_OFF, "user_id")
    if not override and elsewhere:
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"the agent does not work in {workspace}; set override to assign it all the same",
            "user_id",
        )
    if not override and found is not Standing.AVAILABLE:
        raise ProblemError(
            ProblemCode.CONFLICT, f"the agent is {found.value}; set override to assign it all the same", "user_id"
        )
    return {
        "standing": found.value,
        "override": override,
        "eligible": {agent["user_id"]: f"{agent['held']}/{effective}"},
    }


def _claims(agent: RowMapping, workspace: str) -> dict[str, Any]:
    """The verdict on an agent who takes a lead: neither their hours nor a ramp keeps them from it."""
    if workspace not in agent["workspaces"]:
        raise ProblemError(
            ProblemCode.FORBIDDEN, f"the agent does not work in {workspace}: upsert_agent says where they do", "user_id"
        )
    if not agent["active"]:
        raise ProblemError(ProblemCode.CONFLICT, _SWITCHED_OFF, "user_id")
    if agent["away"]:
        raise ProblemError(ProblemCode.CONFLICT, "the agent is on time off; cancel it first", "user_id")
    if agent["held"] >= agent["capacity"]:
        raise ProblemError(
            ProblemCode.CONFLICT,
            "the agent holds as many leads as they can take: complete or unassign one, or assign it with override",
            "user_id",
        )
    return {"eligible": {agent["user_id"]: f"{agent['held']}/{agent['capacity']}"}}


def _assignment(gift: Gift, workspace: str, version: int, verdict: dict[str, Any]) -> Assignment:
    trace = {"user_id": gift.user_id, **verdict}
    return Assignment(gift.lead_id, gift.user_id, workspace, version, AssignedBy.USER, trace, gift.actor)
