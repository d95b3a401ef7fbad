"""Distribution: how the work of each workspace is spread over its agents, and what waits for a person to give it away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.gateway.access import Scope
from contracts.intake.distribution import AgentView, AssignLead, GetWorkload, ListAgents, ListWorkspaces
from contracts.intake.routing import GetRouting, ListWorkQueue, RouteLead
from contracts.message import ProblemCode, ProblemError
from contracts.values import Slug
from gateway.gate import Admitted, Principal, needs
from gateway.pages.actors import actors
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import RIGHT, Chosen, Filled, Wrong, several, text, wrong_with
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.panel import PATIENCE_SECONDS, panel
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/distribution")

WRITES: Final = needs(Scope.ROUTING_READ, Scope.ROUTING_WRITE)
"""What whoever changes something needs, beside what everybody here does: names are shown to who may not."""
WORKSPACES_SHOWN: Final = 50
AGENTS_SHOWN: Final = 50
_QUEUE_SHOWN: Final = 50
_AGENTS_TO_CHOOSE: Final = 200


class Numbered(BaseModel):
    """Which page of a list that is known as a whole."""

    model_config = ConfigDict(frozen=True)

    page: Annotated[int, Field(ge=1, le=10_000)] = 1


class Cursor(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(frozen=True)

    cursor: Chosen[Annotated[str, Field(max_length=200)]] = None


class Queue(Cursor):
    """What the address of the queue says about what it shows."""

    workspace: Chosen[Slug] = None
    """Whose queue; the leads that no rule matched, if empty."""

    def address(self, tenant: str, cursor: str | None = None, below: str = "") -> str:
        terms = {"workspace": self.workspace, "cursor": cursor}
        query = urlencode({name: value for name, value in terms.items() if value})
        return f"/t/{tenant}/distribution/queue{below}{'?' if query else ''}{query}"


@router.get("")
async def distribution(principal: Admitted, shown: Annotated[Cursor, Query()], request: Request) -> Response:
    """Every workspace: how evenly its work is spread, and what waits there."""
    found, unrouted, agents, zone = await asyncio.gather(
        panel(principal, ListWorkspaces(limit=WORKSPACES_SHOWN, cursor=shown.cursor), PATIENCE_SECONDS),
        panel(principal, ListWorkQueue(limit=1)),
        panel(principal, ListAgents(limit=1)),
        time_zone(request, principal.tenant),
    )
    return page(
        "distribution.html",
        principal=principal,
        found=found,
        first=shown.cursor is None,
        unrouted=unrouted.reply.leads[0] if unrouted.reply and unrouted.reply.leads else None,
        has_agents=not agents.reply or bool(agents.reply.agents),
        zone=zone,
        now=datetime.now(UTC),
    )


@router.get("/workspaces/{workspace}")
async def workspace(
    principal: Admitted, workspace: Slug, which: Annotated[Numbered, Query()], request: Request
) -> Response:
    """The agents of a workspace: what each holds of what they can take."""
    found = await principal.ask(GetWorkload(workspace=workspace))
    loads = [agent.load for agent in found.agents if agent.load is not None]
    first = (which.page - 1) * AGENTS_SHOWN
    shown = found.agents[first : first + AGENTS_SHOWN]
    return page(
        "workspace.html",
        principal=principal,
        found=found,
        shown=shown,
        even=sum(loads) / len(loads) if loads else 0.0,
        largest=max(loads, default=0.0),
        counted=len(loads),
        number=which.page,
        pages=-(-len(found.agents) // AGENTS_SHOWN),
        named=await actors(principal, [agent.user_id for agent in shown]),
        zone=await time_zone(request, principal.tenant),
        now=datetime.now(UTC),
    )


@router.get("/queue")
async def queue(principal: Admitted, which: Annotated[Queue, Query()], request: Request) -> Response:
    """The manual queue of a workspace, or the leads that no rule matched: who has waited longest first."""
    return await _queue(principal, which, request)


@router.post("/queue", dependencies=REVEALS)
async def queue_by_name(principal: Admitted, which: Annotated[Queue, Query()], request: Request) -> Response:
    """The same page, with what its leads are called."""
    return await _queue(principal, which, request, named=True)


@router.post("/queue/give", dependencies=[WRITES])
async def give_away(principal: Admitted, which: Annotated[Queue, Query()], form: Filled, request: Request) -> Response:
    """Give the leads that were chosen to an agent, or send them to a workspace; each by itself, and what is refused is told."""
    lead_ids = several(form, "lead_ids")[:_QUEUE_SHOWN]
    if not lead_ids:
        return await _queue(principal, which, request, Wrong("choose the leads that are meant"))
    refused: list[tuple[str, Wrong]] = []
    for lead_id in lead_ids:
        try:
            if text(form, "to") == "workspace":
                await principal.ask(
                    RouteLead(lead_id=UUID(lead_id), workspace=text(form, "workspace"), actor=principal.actor)
                )
            else:
                await principal.ask(
                    AssignLead(
                        lead_id=UUID(lead_id), user_id=text(form, "user_id"), actor=principal.actor,
                        workspace=text(form, "workspace") or None, override="override" in form,
                    )
                )  # fmt: skip
        except (ValidationError, ProblemError) as error:
            refused.append((lead_id, wrong_with(error)))
        except ValueError:
            return await _queue(principal, which, request, Wrong("choose leads of this list"))
    if not refused:
        return see_other(which.address(principal.tenant))
    why = dict.fromkeys(wrong.text or "; ".join(wrong.fields.values()) for _, wrong in refused)
    told = f"{len(refused)} of {len(lead_ids)} stay in the queue: {'; '.join(why)}"
    return await _queue(principal, which, request, Wrong(told, status=refused[0][1].status), lead_ids)


async def _queue(
    principal: Principal,
    which: Queue,
    request: Request,
    wrong: Wrong = RIGHT,
    chosen: Sequence[str] = (),
    *,
    named: bool = False,
) -> Response:
    waiting, agents, workspaces, zone = await asyncio.gather(
        principal.ask(ListWorkQueue(workspace=which.workspace, limit=_QUEUE_SHOWN, cursor=which.cursor)),
        panel(principal, ListAgents(workspace=which.workspace, limit=_AGENTS_TO_CHOOSE)),
        workspace_names(principal),
        time_zone(request, principal.tenant),
    )
    found = agents.reply.agents if agents.reply else []
    return page(
        "manual_queue.html",
        wrong.status,
        principal=principal,
        which=which,
        waiting=waiting,
        agents=found,
        more_agents=bool(agents.reply and agents.reply.next_cursor),
        workspaces=workspaces,
        called=await actors(principal, [agent.user_id for agent in found]),
        names=await names_of(principal, [lead.lead_id for lead in waiting.leads]) if named else NOT_ASKED_FOR,
        wrong=wrong,
        chosen=chosen,
        why=_WHY,
        free=free,
        zone=zone,
        now=datetime.now(UTC),
    )


_WHY: Final = {
    "no_rule_matched": "No rule matches",
    "nobody_took_it": "Nobody could be given it",
    "not_contacted_in_time": "Not contacted in time",
    "nobody_left": "Every agent had it once",
}


async def workspace_names(principal: Principal) -> list[str]:
    """The workspaces of the published rules, by name; none where none are published."""
    try:
        return sorted((await principal.ask(GetRouting())).configuration.workspaces)
    except ProblemError as error:
        if error.problem.code is ProblemCode.NOT_FOUND:
            return []
        raise


def free(agent: AgentView) -> str:
    """How much an agent can still take, in words."""
    return f"{agent.workload.active_leads} of {agent.workload.effective_capacity}, {agent.workload.standing.replace('_', ' ')}"
