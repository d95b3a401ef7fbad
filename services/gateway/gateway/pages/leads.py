"""The list of leads: those that match what is asked for, a page at a time, each with its stage, its work and its owner."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from contracts.gateway.access import Scope
from contracts.intake.leads import LeadView, ListLeads
from contracts.intake.routing import WorkStatus
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import LeadBoard, LeadStates, LeadStateView
from contracts.taxonomy import KEY_LENGTH, Intent, Stage, Tier, key
from contracts.values import NO_NUL, Actor, Slug
from gateway.gate import Admitted, Principal
from gateway.identity import views
from gateway.pages.actors import actors
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import RIGHT, Chosen, Filled, Wrong, WrongError, read, typed, wrong_with
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, Names, names_of
from gateway.pages.panel import PATIENCE_SECONDS, panel
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/leads")

ROWS_SHOWN: Final = 50
CARDS_SHOWN: Final = 15
"""Of each column of the board: of all of them together there are no more than names are shown of at once."""
MINE: Final = "me"
LIST: Final = "leads"
"""Of which list the saved views are."""
TypedKey = Annotated[str, Field(max_length=KEY_LENGTH, pattern=NO_NUL), AfterValidator(key)]
"""A key as somebody types it: `Dublin, OH` stands for `dublin_oh`."""


class Filters(BaseModel):
    """Which leads are shown: those that match everything given."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Chosen[WorkStatus] = None
    tier: Chosen[Tier] = None
    intent: Chosen[Intent] = None
    source: Chosen[TypedKey] = None
    place: Chosen[TypedKey] = None
    product: Chosen[TypedKey] = None
    workspace: Chosen[Slug] = None
    owner: Chosen[Literal["me"] | Actor] = None
    since: Chosen[date] = None
    """The first day, by the tenant's clock, on which they came."""
    until: Chosen[date] = None
    """The last one."""

    def given(self) -> dict[str, str]:
        """What is asked for, as an address has it."""
        return {
            name: str(value) for name, value in self.model_dump(mode="json", exclude_defaults=True).items() if value
        }


class Shown(Filters):
    """What the address of the page says about what it shows."""

    cursor: Chosen[Annotated[str, Field(max_length=200)]] = None

    def address(self, tenant: str, **changes: object) -> str:
        """This list, changed as given; from its first page on, unless the change is another page."""
        return address(tenant, Filters.model_validate(self.model_dump() | changes), changes.get("cursor"))


def address(tenant: str, filters: Filters, cursor: object = None) -> str:
    """Where a list of leads is."""
    terms = filters.given() | ({"cursor": str(cursor)} if cursor else {})
    return f"/t/{tenant}/leads" + (f"?{urlencode(terms)}" if terms else "")


@router.get("")
async def leads(request: Request, principal: Admitted, shown: Annotated[Shown, Query()]) -> Response:
    return await _show(request, principal, shown)


@router.post("", dependencies=REVEALS)
async def leads_by_name(request: Request, principal: Admitted, shown: Annotated[Shown, Query()]) -> Response:
    """The same page, with what its leads are called."""
    return await _show(request, principal, shown, named=True)


class Board(BaseModel):
    """What the address of the board says about what it shows."""

    model_config = ConfigDict(frozen=True)

    column: Chosen[Stage | Literal["none"]] = None
    """Only this column, a page at a time; all of them, if empty."""
    cursor: Chosen[Annotated[str, Field(max_length=200)]] = None

    def address(self, tenant: str, **changes: object) -> str:
        terms = {name: str(value) for name, value in (self.model_dump(mode="json") | changes).items() if value}
        return f"/t/{tenant}/leads/board" + (f"?{urlencode(terms)}" if terms else "")


@router.get("/board")
async def board(request: Request, principal: Admitted, shown: Annotated[Board, Query()]) -> Response:
    """Leads by where they stand, a column for each stage."""
    return await _board(request, principal, shown)


@router.post("/board", dependencies=REVEALS)
async def board_by_name(request: Request, principal: Admitted, shown: Annotated[Board, Query()]) -> Response:
    """The same board, with what its leads are called."""
    return await _board(request, principal, shown, named=True)


async def _board(request: Request, principal: Principal, shown: Board, *, named: bool = False) -> Response:
    if Scope.OUTCOMES_READ not in principal.allowed:
        raise ProblemError(ProblemCode.FORBIDDEN, f"this needs `{Scope.OUTCOMES_READ}`")
    if shown.cursor and not shown.column:
        raise ProblemError(ProblemCode.INVALID, "a cursor goes on in one column: name it, too", "column")
    limit = ROWS_SHOWN if shown.column else CARDS_SHOWN
    zone, found = await asyncio.gather(
        time_zone(request, principal.tenant),
        panel(principal, LeadBoard(column=shown.column, limit=limit, cursor=shown.cursor), PATIENCE_SECONDS),
    )
    columns = found.reply.columns if found.reply else []
    ids = [lead.lead_id for column in columns for lead in column.leads]
    leads, names = await asyncio.gather(_facts(principal, ids), names_of(principal, ids) if named else _not_asked())
    return page(
        "board.html",
        principal=principal,
        shown=shown,
        address=shown.address(principal.tenant),
        board=found,
        columns=columns,
        leads={lead.lead_id: lead for lead in leads},
        names=names,
        zone=zone,
        now=datetime.now(UTC),
    )


async def _facts(principal: Principal, lead_ids: Sequence[UUID]) -> Sequence[LeadView]:
    """What intake has of these leads; none where it does not answer: the board says where they stand all the same."""
    if not lead_ids:
        return ()
    found = await panel(principal, ListLeads(lead_ids=list(lead_ids), limit=200), PATIENCE_SECONDS)
    return found.reply.leads if found.reply else ()


class NewView(BaseModel):
    """The form that keeps what is asked for under a name."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=60, pattern=NO_NUL), StringConstraints(strip_whitespace=True)]
    shared: bool = False


@router.post("/views")
async def save_view(
    request: Request, principal: Admitted, filters: Annotated[Filters, Query()], sent: Filled
) -> Response:
    """Keep what the list is asked for under a name, for oneself or for everybody."""
    try:
        form = read(NewView, sent)
        if form.shared and Scope.LEADS_WRITE not in principal.allowed:
            raise ProblemError(
                ProblemCode.FORBIDDEN, f"to share a view needs `{Scope.LEADS_WRITE}`; keep it for yourself"
            )
        async with request.app.state.service.database.begin(principal.tenant) as uow:
            terms = filters.given()
            await views.save(uow, principal.cause, principal.actor, LIST, form.name, terms, shared=form.shared)
    except (WrongError, ProblemError) as error:
        shown = Shown.model_validate(filters.model_dump())
        return await _show(request, principal, shown, wrong=wrong_with(error), keeping=typed(sent))
    return see_other(address(principal.tenant, filters))


@router.post("/views/{view_id}/forget")
async def forget_view(request: Request, principal: Admitted, view_id: UUID) -> Response:
    """Drop a view: one's own, or a shared one for everybody, for whom may change settings."""
    async with request.app.state.service.database.begin(principal.tenant) as uow:
        anybodys = Scope.SETTINGS_WRITE in principal.allowed
        await views.forget(uow, principal.cause, principal.actor, view_id, anybodys=anybodys)
    return see_other(address(principal.tenant, Filters()))


async def _show(
    request: Request,
    principal: Principal,
    shown: Shown,
    *,
    named: bool = False,
    wrong: Wrong = RIGHT,
    keeping: Mapping[str, str] | None = None,
) -> Response:
    """The page.

    Parameters:
        keeping: what was filled in to keep this as a view.
    """
    zone = await time_zone(request, principal.tenant)
    async with request.app.state.service.database.begin(principal.tenant) as uow:
        saved = await views.of(uow, principal.tenant, principal.actor, LIST)
    found = await panel(principal, asked(principal, shown, zone), PATIENCE_SECONDS)
    ids = [lead.lead_id for lead in found.reply.leads] if found.reply else []
    stages, names, called = await asyncio.gather(
        stages_of(principal, ids),
        names_of(principal, ids) if named else _not_asked(),
        actors(principal, [work.owner for work in found.reply.work] if found.reply else []),
    )
    return page(
        "leads.html",
        wrong.status,
        principal=principal,
        views=[(view, f"/t/{principal.tenant}/leads?{urlencode(view.terms)}") for view in saved],
        wrong=wrong,
        keeping=keeping,
        shown=shown,
        address=shown.address(principal.tenant, cursor=shown.cursor),
        leads=found,
        work=dict(zip(ids, found.reply.work, strict=True)) if found.reply else {},
        stages=stages,
        names=names,
        called=called,
        zone=zone,
        now=datetime.now(UTC),
    )


def asked(principal: Principal, shown: Shown, zone: str) -> ListLeads:
    """What is asked of intake for a page.

    Raises:
        ProblemError: `invalid`, a day is none of this time.
    """
    try:
        return ListLeads(
            status=shown.status, tier=shown.tier, intent=shown.intent, source_key=shown.source, geo_key=shown.place,
            product_interest=shown.product, workspace=shown.workspace,
            owner=principal.actor if shown.owner == MINE else shown.owner,
            received_since=_begin(shown.since, zone), received_until=_begin(shown.until, zone, days=1),
            with_work=True, limit=ROWS_SHOWN, cursor=shown.cursor,
        )  # fmt: skip
    except (ValidationError, OverflowError):
        raise ProblemError(ProblemCode.INVALID, "since, until: name days like 2026-11-30", "since") from None


async def stages_of(principal: Principal, lead_ids: Sequence[UUID]) -> Mapping[UUID, LeadStateView]:
    """Where leads stand, by their outcomes: asked for all at once. Those of which outcomes does not answer are left out."""
    if not lead_ids or Scope.OUTCOMES_READ not in principal.allowed:
        return {}
    found = await panel(principal, LeadStates(lead_ids=list(lead_ids)), PATIENCE_SECONDS)
    return {state.lead_id: state for state in found.reply.states} if found.reply else {}


async def _not_asked() -> Names:
    return NOT_ASKED_FOR


def _begin(day: date | None, zone: str, days: int = 0) -> datetime | None:
    """When a day begins by a clock, or one some days later."""
    return datetime.combine(day + timedelta(days=days), time(), ZoneInfo(zone)).astimezone(UTC) if day else None
