"""The dashboard: the numbers and what to do next, win rates, what needs somebody, and what happens right now.

As of a moment in the past it shows the numbers only: alerts, activity and win rates are as of now.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from starlette.responses import RedirectResponse, StreamingResponse

from chassis.service import Service
from contracts.aggregator.events import EventPage, ListEvents
from contracts.aggregator.kpis import Dashboard, DashboardStats
from contracts.aggregator.win_rates import Dimension, Order, Windowed, WinRates
from contracts.gateway import TenantSettings
from contracts.message import ProblemCode, ProblemError
from contracts.notifier import DismissAlert, ListAlerts
from gateway import store
from gateway.api.kpis import campaign_names, named, names_campaigns
from gateway.domain_activity import Activity, mark_of, tell
from gateway.domain_numbers import BEHIND_ACTION, BEHIND_CAMPAIGN, BEHIND_STATUS, opening, opening_rates
from gateway.gate import Admitted, Principal
from gateway.limits import Kind, limited
from gateway.live import SIGN_OF_LIFE, SIGN_OF_LIFE_SECONDS, stream, told
from gateway.newest import Newest, Watching
from gateway.pages.panel import Panel, panel
from gateway.pages.win_rates import MINIMUM
from gateway.rendering import fragment, page

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
    as_of: Annotated[datetime | None, BeforeValidator(lambda text: text or None)] = None
    """As of when numbers are shown, by the tenant's clock where it names no time zone; as of now, if empty."""

    def address(self, path: str, **changes: object) -> str:
        """The path with this view, changed as given, in its query."""
        view = View.model_validate(self.model_dump() | changes)
        query = urlencode(view.model_dump(mode="json", exclude_defaults=True))
        return f"{path}?{query}" if query else path


@router.get("", dependencies=[limited(Kind.SCORING)])
async def dashboard(principal: Admitted, view: Annotated[View, Query()], request: Request) -> Response:
    """The whole page; each part is asked for at the same time, and may be missing without the others."""
    zone = await time_zone(request, principal.tenant)
    stats = _stats(view.as_of, zone)
    if view.as_of:
        return _page(principal, view, zone, await _numbers(principal, stats))
    largest = WinRates(
        by=view.by, weeks=WEEKS_SHOWN, minimum=MINIMUM, sort=Order.LEADS_ENTERED, descending=True, limit=ROWS_SHOWN
    )
    numbers, win_rates, alerts, activity = await asyncio.gather(
        _numbers(principal, stats),
        panel(principal, largest),
        panel(principal, ListAlerts()),
        panel(principal, ListEvents(limit=EVENTS_SHOWN)),
    )
    return _page(
        principal,
        view,
        zone,
        numbers,
        win_rates=win_rates,
        opens_rates=opening_rates(
            principal.tenant,
            Windowed(by=view.by, weeks=WEEKS_SHOWN, until=win_rates.reply.last_week if win_rates.reply else None),
        ),
        minimum=MINIMUM,
        alerts=alerts,
        alerts_shown=ALERTS_SHOWN,
        activity=activity,
        activity_mark=mark_of(activity.reply.events) if activity.reply else "",
        lines=_lines(activity),
    )


async def _window(request: Request, principal: Admitted) -> AsyncIterator[None]:
    watching: Watching = request.app.state.watching
    with watching.windows.taken(principal.actor):
        yield


@router.get("/live", dependencies=[Depends(_window, scope="request")])
async def live(
    principal: Admitted,
    request: Request,
    seen: Annotated[str, Query(max_length=64)] = "",
    last_event_id: Annotated[str, Header(max_length=64)] = "",
) -> StreamingResponse:
    """The activity list whenever it has changed, as server-sent events; the first time, unless it is the one that was seen."""
    watching: Watching = request.app.state.watching
    return stream(principal, _told(watching.follow(principal.tenant, last_event_id or seen, SIGN_OF_LIFE_SECONDS)))


async def _told(lists: AsyncGenerator[Newest | None]) -> AsyncGenerator[str]:
    async with aclosing(lists):
        async for newest in lists:
            yield told("list", newest.written, newest.mark) if newest else SIGN_OF_LIFE


def watching(service: Service) -> Watching:
    """The tenants whose activity somebody has open."""

    async def look(tenant: str, mark: str) -> Newest | None:
        events = await service.caller.ask(tenant, ListEvents(limit=EVENTS_SHOWN))
        found = mark_of(events.events)
        if found == mark:
            return None
        lines = [tell(event) for event in events.events]
        zone = (await settings_of(service, tenant)).time_zone
        now = datetime.now(UTC)
        return Newest(found, fragment("activity_lines.html", tenant=tenant, lines=lines, zone=zone, now=now))

    return Watching(look)


@router.post("/alerts/{alert_id}/dismiss")
async def dismiss_alert(principal: Admitted, alert_id: UUID) -> Response:
    await principal.ask(DismissAlert(alert_id=alert_id, dismissed_by=principal.actor))
    return RedirectResponse(f"/t/{principal.tenant}", HTTPStatus.SEE_OTHER)


async def time_zone(request: Request, tenant: str) -> str:
    """The tenant's, by whose clock moments are shown."""
    return (await settings_of(request.app.state.service, tenant)).time_zone


async def settings_of(service: Service, tenant: str) -> TenantSettings:
    """The tenant's; of the installation, which has none, what a tenant begins with."""
    async with service.database.begin(tenant) as uow:
        registered = await store.registered_tenant(uow, tenant)
    return registered.settings if registered else TenantSettings()


def _page(principal: Principal, view: View, zone: str, numbers: Panel[Dashboard], **parts: Any) -> Response:
    return page(
        "dashboard.html",
        principal=principal,
        view=view,
        zone=zone,
        now=datetime.now(UTC),
        numbers=numbers,
        opens=opening(principal.tenant, numbers.reply.as_of) if numbers.reply else None,
        behind_action=BEHIND_ACTION,
        behind_campaign=BEHIND_CAMPAIGN,
        behind_status=BEHIND_STATUS,
        **parts,
    )


def _stats(as_of: datetime | None, zone: str) -> DashboardStats:
    """What is asked of the numbers.

    Raises:
        ProblemError: `invalid`, the moment is none of this time.
    """
    try:
        if as_of and as_of.tzinfo is None:
            as_of = as_of.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        return DashboardStats(as_of=as_of)
    except (ValidationError, OverflowError):
        raise ProblemError(
            ProblemCode.INVALID, "as_of: there is nothing as of this moment; name one like 2026-11-30T12:00", "as_of"
        ) from None


async def _numbers(principal: Principal, stats: DashboardStats) -> Panel[Dashboard]:
    """The numbers, with their campaigns by name."""
    found = await panel(principal, stats)
    if found.reply is None or not names_campaigns(found.reply):
        return found
    return Panel(named(found.reply, await campaign_names(principal)))


def _lines(events: Panel[EventPage]) -> list[Activity]:
    return [tell(event) for event in events.reply.events] if events.reply else []
