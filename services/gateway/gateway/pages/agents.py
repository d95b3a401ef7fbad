"""Agents: who takes leads, how many, when, and when they are away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from contracts.gateway.access import Scope
from contracts.gateway.users import ListUsers
from contracts.intake.distribution import (
    AgentView,
    CancelTimeOff,
    GetAgent,
    ListAgents,
    ListAssignments,
    ReassignLead,
    RemoveAgent,
    SetTimeOff,
    ShiftView,
    UnassignLead,
    UpsertAgent,
    Weekday,
)
from contracts.intake.workspaces import OnAbsence
from contracts.message import ProblemCode, ProblemError
from contracts.values import Actor, Slug
from gateway.gate import Admitted, Principal
from gateway.pages.actors import actors
from gateway.pages.dashboard import time_zone
from gateway.pages.distribution import WRITES, Cursor, free, workspace_names
from gateway.pages.filled_in import (
    RIGHT,
    Chosen,
    Filled,
    Wrong,
    WrongError,
    moment,
    number,
    several,
    text,
    words,
    wrong_with,
)
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.panel import Panel, panel
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/distribution/agents")

_SHOWN: Final = 50
_TO_CHOOSE: Final = 200
_DAYS: Final = {
    Weekday.MON: "Monday", Weekday.TUE: "Tuesday", Weekday.WED: "Wednesday", Weekday.THU: "Thursday",
    Weekday.FRI: "Friday", Weekday.SAT: "Saturday", Weekday.SUN: "Sunday",
}  # fmt: skip
ABSENCE: Final = [
    (OnAbsence.KEEP.value, "They keep them"),
    (OnAbsence.RETURN_TO_QUEUE.value, "They go back to the queue"),
]
"""What becomes of an absent agent's leads, as forms offer it."""


class Shown(Cursor):
    """What the address of the list says about what it shows."""

    workspace: Chosen[Slug] = None


@router.get("")
async def agents(principal: Admitted, shown: Annotated[Shown, Query()]) -> Response:
    return await _list(principal, shown)


@router.post("", dependencies=[WRITES])
async def add_agent(principal: Admitted, form: Filled) -> Response:
    """Make somebody an agent; who is one already keeps the profile they have."""
    try:
        user_id = text(form, "user_id")
        order = UpsertAgent(
            user_id=user_id, workspaces=words(text(form, "workspaces")), capacity=number(form, "capacity")
        )
        if await _is_agent(principal, user_id):
            raise WrongError("user_id", "is an agent already")
        await principal.ask(order)
    except (ValidationError, ProblemError, WrongError) as error:
        return await _list(principal, Shown(), wrong_with(error), dict(form))
    return see_other(_home(principal, user_id))


@router.get("/{user_id}")
async def agent(principal: Admitted, user_id: Actor, leads: Annotated[Cursor, Query()], request: Request) -> Response:
    """An agent's profile, the time they are away, and the leads they own."""
    return await _one(principal, user_id, request, leads=leads)


@router.post("/{user_id}", dependencies=REVEALS)
async def agent_by_name(
    principal: Admitted, user_id: Actor, leads: Annotated[Cursor, Query()], request: Request
) -> Response:
    """The same page, with what the leads are called."""
    return await _one(principal, user_id, request, leads=leads, named=True)


@router.post("/{user_id}/profile", dependencies=[WRITES])
async def change_agent(principal: Admitted, user_id: Actor, form: Filled, request: Request) -> Response:
    """Give an agent another profile."""
    try:
        await principal.ask(_profile(user_id, form))
    except (ValidationError, ProblemError, WrongError) as error:
        return await _one(principal, user_id, request, profile=wrong_with(error), typed=dict(form))
    return see_other(_home(principal, user_id))


@router.post("/{user_id}/remove", dependencies=[WRITES])
async def remove_agent(principal: Admitted, user_id: Actor, form: Filled, request: Request) -> Response:
    """Somebody is no agent any more."""
    try:
        await principal.ask(RemoveAgent.model_validate({"user_id": user_id, "held": text(form, "held") or None}))
    except (ValidationError, ProblemError) as error:
        return await _one(principal, user_id, request, profile=wrong_with(error))
    return see_other(f"/t/{principal.tenant}/distribution/agents")


@router.post("/{user_id}/time-off", dependencies=[WRITES])
async def add_time_off(principal: Admitted, user_id: Actor, form: Filled, request: Request) -> Response:
    return await _set_time_off(principal, user_id, None, form, request)


@router.post("/{user_id}/time-off/{time_off_id}", dependencies=[WRITES])
async def change_time_off(
    principal: Admitted, user_id: Actor, time_off_id: UUID, form: Filled, request: Request
) -> Response:
    return await _set_time_off(principal, user_id, time_off_id, form, request)


@router.post("/{user_id}/time-off/{time_off_id}/cancel", dependencies=[WRITES])
async def cancel_time_off(principal: Admitted, user_id: Actor, time_off_id: UUID) -> Response:
    """Take time off back; what is under way ends now."""
    await principal.ask(CancelTimeOff(user_id=user_id, time_off_id=time_off_id))
    return see_other(_home(principal, user_id))


@router.post("/{user_id}/leads", dependencies=[WRITES])
async def move_leads(principal: Admitted, user_id: Actor, form: Filled, request: Request) -> Response:
    """Give leads that an agent owns to another, or put them back into the queue; each by itself, and what is refused is told."""
    lead_ids = several(form, "lead_ids")[:_SHOWN]
    refused: list[Wrong] = [] if lead_ids else [Wrong("choose the leads that are meant")]
    for lead_id in lead_ids:
        try:
            await principal.ask(_move(principal, lead_id, form))
        except (ValidationError, ProblemError) as error:
            refused.append(wrong_with(error))
    if not refused:
        return see_other(_home(principal, user_id))
    why = dict.fromkeys(wrong.text or "; ".join(wrong.fields.values()) for wrong in refused)
    return await _one(principal, user_id, request, moved=Wrong("; ".join(why), status=refused[0].status))


def _move(principal: Principal, lead_id: str, form: Filled) -> UnassignLead | ReassignLead:
    if text(form, "to") == "queue":
        return UnassignLead.model_validate({"lead_id": lead_id, "actor": principal.actor})
    return ReassignLead.model_validate(
        {"lead_id": lead_id, "user_id": text(form, "user_id"), "actor": principal.actor, "override": "override" in form}
    )


async def _set_time_off(
    principal: Principal, user_id: str, time_off_id: UUID | None, form: Filled, request: Request
) -> Response:
    try:
        zone = (await principal.ask(GetAgent(user_id=user_id))).time_zone
        starts, ends = moment(form, "starts_at", zone), moment(form, "ends_at", zone)
        if starts is None:
            raise WrongError("starts_at", "say from when on")
        await principal.ask(SetTimeOff(user_id=user_id, time_off_id=time_off_id, starts_at=starts, ends_at=ends))
    except (ValidationError, ProblemError, WrongError) as error:
        return await _one(principal, user_id, request, off=wrong_with(error))
    return see_other(_home(principal, user_id))


def _profile(user_id: str, form: Filled) -> UpsertAgent:
    """The profile that was filled in.

    Raises:
        WrongError: a field cannot be read.
        ValidationError: what it says does not hold.
    """
    hours = None if "around_the_clock" in form else {day: shifts for day in Weekday if (shifts := _shifts(form, day))}
    profile: dict[str, Any] = {
        "user_id": user_id,
        "workspaces": words(text(form, "workspaces")),
        "capacity": number(form, "capacity"),
        "weight": number(form, "weight"),
        "roles": words(text(form, "roles")),
        "regions": words(text(form, "regions")),
        "working_hours": hours,
        "time_zone": text(form, "time_zone") or None,
        "active": "active" in form,
    }
    return UpsertAgent.model_validate(profile)


def _shifts(form: Filled, day: Weekday) -> list[dict[str, str]]:
    """The shifts of a day, as `told` writes them."""
    shifts = []
    for shift in words(text(form, f"hours_{day}")):
        start, dash, end = (part.strip() for part in shift.replace("–", "-").partition("-"))
        if not dash:
            raise WrongError("working_hours", f"{_DAYS[day]}: write shifts like 09:00-12:00, 13:00-17:00")
        shifts.append({"start": start, "end": end})
    return shifts


def told(shifts: Sequence[ShiftView]) -> str:
    """The shifts of a day, as they are typed."""
    return ", ".join(f"{shift.start}-{shift.end}" for shift in shifts)


def _as_typed(agent: AgentView) -> dict[str, str]:
    """An agent's profile, as it is typed."""
    hours = agent.working_hours
    typed = {
        "workspaces": ", ".join(agent.workspaces),
        "capacity": str(agent.capacity),
        "weight": str(agent.weight),
        "roles": ", ".join(agent.roles),
        "regions": ", ".join(agent.regions),
        "time_zone": agent.time_zone,
    }
    typed |= {f"hours_{day}": told((hours or {}).get(day, [])) for day in Weekday}
    return typed | ({"around_the_clock": "1"} if hours is None else {}) | ({"active": "1"} if agent.active else {})


async def _list(
    principal: Principal, shown: Shown, wrong: Wrong = RIGHT, typed: dict[str, Any] | None = None
) -> Response:
    may_see_users = Scope.USERS_READ in principal.allowed
    found, names, users = await asyncio.gather(
        principal.ask(ListAgents(workspace=shown.workspace, limit=_SHOWN, cursor=shown.cursor)),
        workspace_names(principal),
        panel(principal, ListUsers(limit=_TO_CHOOSE)) if may_see_users else _nobody(),
    )
    return page(
        "agents.html",
        wrong.status,
        principal=principal,
        shown=shown,
        found=found,
        names=names,
        users=users.reply.users if users.reply else [],
        named=await actors(principal, [each.user_id for each in found.agents]),
        wrong=wrong,
        typed=typed or {},
        now=datetime.now(UTC),
    )


async def _nobody() -> Panel[Any]:
    return Panel(None)


async def _one(
    principal: Principal,
    user_id: str,
    request: Request,
    *,
    leads: Cursor = Cursor(),  # noqa: B008 - it is frozen
    profile: Wrong = RIGHT,
    off: Wrong = RIGHT,
    moved: Wrong = RIGHT,
    typed: dict[str, Any] | None = None,
    named: bool = False,
) -> Response:
    found = await principal.ask(GetAgent(user_id=user_id))
    owned, others, workspaces, zone = await asyncio.gather(
        panel(principal, ListAssignments(user_id=user_id, active=True, limit=_SHOWN, cursor=leads.cursor)),
        panel(principal, ListAgents(limit=_TO_CHOOSE)),
        workspace_names(principal),
        time_zone(request, principal.tenant),
    )
    given_to = [each for each in others.reply.agents if each.user_id != user_id] if others.reply else []
    lead_ids = [each.lead_id for each in owned.reply.assignments] if owned.reply else []
    status = next((wrong.status for wrong in (profile, off, moved) if wrong.text or wrong.fields), RIGHT.status)
    return page(
        "agent.html",
        status,
        principal=principal,
        agent=found,
        typed=typed or _as_typed(found),
        days=_DAYS,
        held=[("", "As their workspace says"), *ABSENCE],
        workspaces=workspaces,
        names=await names_of(principal, lead_ids) if named else NOT_ASKED_FOR,
        owned=owned,
        leads=leads,
        others=given_to,
        free=free,
        called=await actors(principal, [user_id, *(each.user_id for each in given_to)]),
        profile=profile,
        off=off,
        moved=moved,
        zone=zone,
        now=datetime.now(UTC),
    )


async def _is_agent(principal: Principal, user_id: str) -> bool:
    try:
        await principal.ask(GetAgent(user_id=user_id))
    except ProblemError as error:
        if error.problem.code is ProblemCode.NOT_FOUND:
            return False
        raise
    return True


def _home(principal: Principal, user_id: str) -> str:
    return f"/t/{principal.tenant}/distribution/agents/{user_id}"
