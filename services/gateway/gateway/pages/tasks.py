"""Tasks: follow-ups that are due, whose leads wait for oneself, and what else is due."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.intake.distribution import AssignmentPage, CompleteWork, ListAssignments
from contracts.message import ProblemCode, ProblemError
from contracts.message import Request as Ask
from contracts.outcomes import MissingOutcomes, MissingOutcomesView
from contracts.outreach.activity import ListActivity
from contracts.outreach.sending import PostponeFollowup, SendState, SkipMessage, SkipReason
from gateway.api.kpis import campaign_names
from gateway.domain_outreach import GATES
from gateway.gate import Admitted, Principal, needs
from gateway.limits import Kind, limited
from gateway.pages.dashboard import time_zone
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.once import once
from gateway.pages.panel import Panel, panel
from gateway.pages.sign_in import see_other
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/tasks")

WRITES: Final = needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)
"""What whoever changes what is sent needs, beside what everybody here does."""
ROWS_SHOWN: Final = 50
_PATIENCE_SECONDS: Final = 5.0


class Due(StrEnum):
    """Until when follow-ups are due that are shown."""

    TODAY = "today"
    WEEK = "week"


_DAYS: Final = {Due.TODAY: 1, Due.WEEK: 7}
DELAYS: Final = [(1, "1 day"), (2, "2 days"), (3, "3 days"), (7, "1 week"), (14, "2 weeks"), (30, "30 days")]
"""By how much follow-ups are put off, as the form offers it."""


class Shown(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    due: Due = Due.TODAY
    cursor: Annotated[str, Field(max_length=200)] | None = None

    def address(self, tenant: str, **changes: object) -> str:
        values = self.model_dump(mode="json", include=set(Shown.model_fields)) | changes
        query = urlencode({name: value for name, value in values.items() if value and value != Due.TODAY})
        return f"/t/{tenant}/tasks" + (f"?{query}" if query else "")


class Meant(Shown):
    """The form that has follow-ups not be sent, or sent later."""

    model_config = ConfigDict(extra="forbid")

    message_ids: Annotated[list[UUID], Field(max_length=ROWS_SHOWN)] = []
    """Those that were ticked."""
    one: UUID | None = None
    """The only one that is meant."""
    days: Annotated[int, Field(ge=1, le=60)] = 1
    """By how many days they are put off, where they are."""
    once: str = ""
    """See `gateway.pages.once`."""

    def ids(self) -> list[UUID]:
        """Of which the form speaks.

        Raises:
            ProblemError: `invalid`, of none.
        """
        if meant := [self.one] if self.one else self.message_ids:
            return meant
        raise ProblemError(ProblemCode.INVALID, "no follow-up was ticked: tick some")


@router.get("")
async def tasks(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, request, shown)


@router.post("", dependencies=REVEALS)
async def tasks_by_name(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    """The same page, with what its leads are called."""
    return await _show(principal, request, shown, named=True)


@router.post("/skip", dependencies=[WRITES, limited(Kind.OUTREACH)])
async def skip_followups(principal: Admitted, form: Annotated[Meant, Form()], request: Request) -> Response:
    """Have follow-ups not be sent, as somebody has seen to them otherwise; each sequence goes on with its next step."""
    refused = None
    try:
        reason, actor = SkipReason.HANDLED_OTHERWISE, principal.actor
        orders = [SkipMessage(message_id=message_id, reason=reason, actor=actor) for message_id in form.ids()]
        async with once(request, principal) as key:
            refused = None if key.done else await _each(principal, orders)
    except ProblemError as error:
        refused = error
    return await _done(principal, request, form, refused)


@router.post("/postpone", dependencies=[WRITES, limited(Kind.OUTREACH)])
async def postpone_followups(principal: Admitted, form: Annotated[Meant, Form()], request: Request) -> Response:
    """Have follow-ups be sent so many days after they are due, or from now where they are overdue."""
    now, refused = datetime.now(UTC), None
    try:
        wanted = ListActivity(message_ids=form.ids(), limit=ROWS_SHOWN)
        async with once(request, principal) as key:
            if not key.done:
                due = {
                    entry.message_id: max(entry.at or now, now)
                    for entry in (await principal.ask(wanted)).entries
                    if entry.message_id
                }
                later, actor = timedelta(days=form.days), principal.actor
                refused = await _each(
                    principal,
                    [PostponeFollowup(message_id=id_, until=at + later, actor=actor) for id_, at in due.items()],
                )
    except ProblemError as error:
        refused = error
    return await _done(principal, request, form, refused)


async def _each(principal: Principal, orders: Sequence[Ask[Any]]) -> ProblemError | None:
    """Ask for each by itself; what to say of those that were refused, if any were. Once nobody answers, the rest is not asked."""
    done, refused = 0, []
    for order in orders:
        try:
            await principal.ask(order)
            done += 1
        except ProblemError as error:
            refused.append(error.problem)
            if error.problem.code is ProblemCode.UNAVAILABLE:
                break
    if not refused:
        return None
    why = "; ".join(dict.fromkeys(problem.message for problem in refused))
    told = f"{len(orders) - done} of {len(orders)} are as they were: {why}" if len(orders) > 1 else why
    return ProblemError(refused[0].code, told)


async def _done(principal: Principal, request: Request, form: Meant, refused: ProblemError | None) -> Response:
    if refused:
        return await _show(principal, request, form, refused)
    return see_other(form.address(principal.tenant))


@router.post("/leads/{lead_id}/done")
async def complete_work(principal: Admitted, lead_id: UUID, request: Request) -> Response:
    """Be done with a lead: its work is closed."""
    try:
        await principal.ask(CompleteWork(lead_id=lead_id, actor=principal.actor))
    except ProblemError as error:
        return await _show(principal, request, Shown(), error)
    return see_other(f"/t/{principal.tenant}/tasks")


async def _show(
    principal: Principal, request: Request, shown: Shown, wrong: ProblemError | None = None, *, named: bool = False
) -> Response:
    zone = await time_zone(request, principal.tenant)
    now = datetime.now(UTC)
    due = ListActivity(
        states=[SendState.QUEUED], followups=True, until=_end(now, zone, _DAYS[shown.due]), order="soonest_first",
        limit=ROWS_SHOWN, cursor=shown.cursor,
    )  # fmt: skip
    followups, own, missing, campaigns = await asyncio.gather(
        panel(principal, due, _PATIENCE_SECONDS), _own(principal), _missing(principal), campaign_names(principal)
    )
    leads = [entry.lead_id for entry in followups.reply.entries if entry.lead_id] if followups.reply else []
    if own and own.reply:
        leads += [assignment.lead_id for assignment in own.reply.assignments]
    return page(
        "tasks.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, shown=shown,
        followups=followups, own=own, missing=missing, campaigns=campaigns,
        names=await names_of(principal, leads) if named else NOT_ASKED_FOR, gates=GATES,
        delays=DELAYS, wrong=wrong.problem.message if wrong else "", may_skip=Scope.OUTREACH_WRITE in principal.allowed,
        may_work=Scope.WORK_WRITE in principal.allowed, zone=zone, now=now,
    )  # fmt: skip


def _end(now: datetime, zone: str, days: int) -> datetime:
    """When the tenant's day ends, or the last of so many."""
    day = now.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


async def _own(principal: Principal) -> Panel[AssignmentPage] | None:
    """The leads that are theirs; of a key, and of a superadmin, nobody's are."""
    if principal.user_id is None or Scope.ROUTING_READ not in principal.allowed:
        return None
    return await panel(principal, ListAssignments(user_id=principal.actor, active=True, limit=ROWS_SHOWN))


async def _missing(principal: Principal) -> Panel[MissingOutcomesView] | None:
    if Scope.OUTCOMES_READ not in principal.allowed:
        return None
    return await panel(principal, MissingOutcomes())
