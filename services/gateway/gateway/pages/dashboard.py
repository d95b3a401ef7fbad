"""The dashboard: win rates, what needs somebody, and what happens right now."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import RedirectResponse

from contracts.aggregator.events import EventPage, ListEvents
from contracts.aggregator.win_rates import Dimension, WinRates
from contracts.message import ProblemError, Reply
from contracts.message import Request as Ask
from contracts.notifier import DismissAlert, ListAlerts
from contracts.taxonomy import Intent
from gateway import store
from gateway.domain_activity import Activity, tell
from gateway.domain_win_rate import Order, decided, interval, ranked
from gateway.gate import Admitted, Principal
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}")

ROWS_SHOWN: Final = 60
EVENTS_SHOWN: Final = 20
ALERTS_SHOWN: Final = 5
_PATIENCE_SECONDS: Final = 2.0
"""A part of the page whose service is slower than this says so, rather than hold up the others."""

R = TypeVar("R", bound=Reply)


class View(BaseModel):
    """What the address of the dashboard says about how to show it; an empty choice of a form is none."""

    model_config = ConfigDict(frozen=True)

    by: Dimension = Dimension.SOURCE
    weeks: Annotated[int | None, Field(ge=1, le=520), BeforeValidator(lambda text: text or None)] = None
    intent: Annotated[Intent | None, BeforeValidator(lambda text: text or None)] = None
    minimum: Annotated[int, Field(ge=0)] = 0
    sort: Order = Order.LEADS
    live: bool = True

    def address(self, path: str, **changes: object) -> str:
        """The path with this view, changed as given, in its query."""
        view = View.model_validate(self.model_dump() | changes)
        query = urlencode(view.model_dump(mode="json", exclude_defaults=True))
        return f"{path}?{query}" if query else path

    def csv(self, tenant: str) -> str:
        """Where the same win rates are had as CSV."""
        asked = self.model_dump(mode="json", include={"by", "weeks", "intent", "minimum"}, exclude_none=True)
        return f"/api/t/{tenant}/win-rates?{urlencode(asked | {'format': 'csv'})}"


@dataclass(frozen=True, slots=True)
class Panel(Generic[R]):
    """A part of the page: what a service answered, or why it did not."""

    reply: R | None
    problem: str = ""


@router.get("")
async def dashboard(principal: Admitted, view: Annotated[View, Query()], request: Request) -> Response:
    """The whole page; each part is asked for at the same time, and may be missing without the others."""
    win_rates, alerts, activity, zone = await asyncio.gather(
        _panel(principal, WinRates(by=view.by, weeks=view.weeks, intent=view.intent, minimum=view.minimum)),
        _panel(principal, ListAlerts()),
        _panel(principal, ListEvents(limit=EVENTS_SHOWN)),
        _time_zone(request, principal.tenant),
    )
    rows = ranked(win_rates.reply.rows, view.sort) if win_rates.reply else []
    return page(
        "dashboard.html",
        principal=principal,
        view=view,
        win_rates=win_rates,
        rows=rows[:ROWS_SHOWN],
        groups=len(rows),
        decided=decided,
        interval=interval,
        alerts=alerts,
        alerts_shown=ALERTS_SHOWN,
        activity=activity,
        lines=_lines(activity),
        zone=zone,
        now=datetime.now(UTC),
    )


@router.get("/activity")
async def activity(principal: Admitted, request: Request, live: bool = True, seen: UUID | None = None) -> Response:
    """The activity list alone, as it is asked for again and again; no content while its newest event is the one seen."""
    panel, zone = await asyncio.gather(
        _panel(principal, ListEvents(limit=EVENTS_SHOWN)), _time_zone(request, principal.tenant)
    )
    lines = _lines(panel)
    if live and lines and lines[0].event_id == seen:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return page(
        "activity.html",
        principal=principal,
        view=View(live=live),
        activity=panel,
        lines=lines,
        zone=zone,
        now=datetime.now(UTC),
    )


@router.post("/alerts/{alert_id}/dismiss")
async def dismiss_alert(principal: Admitted, alert_id: UUID) -> Response:
    await principal.ask(DismissAlert(alert_id=alert_id, dismissed_by=principal.actor))
    return RedirectResponse(f"/t/{principal.tenant}", HTTPStatus.SEE_OTHER)


async def _panel(principal: Principal, request: Ask[R]) -> Panel[R]:
    try:
        return Panel(await principal.ask(request, seconds=_PATIENCE_SECONDS))
    except ProblemError as error:
        return Panel(None, error.problem.message)


def _lines(panel: Panel[EventPage]) -> list[Activity]:
    return [tell(event) for event in panel.reply.events] if panel.reply else []


async def _time_zone(request: Request, tenant: str) -> str:
    async with request.app.state.service.database.begin(tenant) as uow:
        registered = await store.registered_tenant(uow, tenant)
    return registered.settings.time_zone if registered else "UTC"
