"""The dashboard: win rates, what needs somebody, and what happens right now."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse

from contracts.aggregator.events import EventPage, ListEvents
from contracts.aggregator.win_rates import Dimension, Order, WinRates
from contracts.notifier import DismissAlert, ListAlerts
from gateway import store
from gateway.domain_activity import Activity, tell
from gateway.gate import Admitted
from gateway.pages.panel import Panel, panel
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}")

ROWS_SHOWN: Final = 12
WEEKS_SHOWN: Final = 26
EVENTS_SHOWN: Final = 20
ALERTS_SHOWN: Final = 5


class View(BaseModel):
    """What the address of the dashboard says about how to show it."""

    model_config = ConfigDict(frozen=True)

    by: Dimension = Dimension.SOURCE
    live: bool = True

    def address(self, path: str, **changes: object) -> str:
        """The path with this view, changed as given, in its query."""
        view = View.model_validate(self.model_dump() | changes)
        query = urlencode(view.model_dump(mode="json", exclude_defaults=True))
        return f"{path}?{query}" if query else path


@router.get("")
async def dashboard(principal: Admitted, view: Annotated[View, Query()], request: Request) -> Response:
    """The whole page; each part is asked for at the same time, and may be missing without the others."""
    largest = WinRates(by=view.by, weeks=WEEKS_SHOWN, sort=Order.LEADS_ENTERED, descending=True, limit=ROWS_SHOWN)
    win_rates, alerts, activity, zone = await asyncio.gather(
        panel(principal, largest),
        panel(principal, ListAlerts()),
        panel(principal, ListEvents(limit=EVENTS_SHOWN)),
        _time_zone(request, principal.tenant),
    )
    return page(
        "dashboard.html",
        principal=principal,
        view=view,
        win_rates=win_rates,
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
    events, zone = await asyncio.gather(
        panel(principal, ListEvents(limit=EVENTS_SHOWN)), _time_zone(request, principal.tenant)
    )
    lines = _lines(events)
    if live and lines and lines[0].event_id == seen:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return page(
        "activity.html",
        principal=principal,
        view=View(live=live),
        activity=events,
        lines=lines,
        zone=zone,
        now=datetime.now(UTC),
    )


@router.post("/alerts/{alert_id}/dismiss")
async def dismiss_alert(principal: Admitted, alert_id: UUID) -> Response:
    await principal.ask(DismissAlert(alert_id=alert_id, dismissed_by=principal.actor))
    return RedirectResponse(f"/t/{principal.tenant}", HTTPStatus.SEE_OTHER)


def _lines(events: Panel[EventPage]) -> list[Activity]:
    return [tell(event) for event in events.reply.events] if events.reply else []


async def _time_zone(request: Request, tenant: str) -> str:
    async with request.app.state.service.database.begin(tenant) as uow:
        registered = await store.registered_tenant(uow, tenant)
    return registered.settings.time_zone if registered else "UTC"
