"""What is asked of the dashboard's numbers."""

from datetime import datetime, timedelta
from typing import Final

from aggregator.events.archiving import check_at_hand
from aggregator.events.store_archive import archived_months
from aggregator.kpis import store
from aggregator.kpis.domain_dashboard import dashboard
from chassis import paging
from chassis.paging import Place
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator import kpis as messages
from contracts.aggregator.events import StoredEvent

_REACH: Final = timedelta(days=messages.FUNNEL_DAYS + 1)
"""No number counts events that occurred longer before, but for what stands or is open, which is projected, and for the first lead and
the last message, which the archive leaves behind."""


async def dashboard_stats(uow: UnitOfWork, request: Received[messages.DashboardStats]) -> messages.Dashboard:
    return await stats(uow, request.tenant, request.body.as_of or uow.now)


async def stats(uow: UnitOfWork, tenant: str, as_of: datetime) -> messages.Dashboard:
    """A tenant's dashboard as of a moment.

    Raises:
        ProblemError: `conflict`, events that it counts are archived.
    """
    checked = await store.last_check(uow, tenant)
    numbers = await store.numbers(uow, tenant, as_of)
    await check_within_reach(uow, tenant, as_of)
    return dashboard(numbers, as_of, messages.NumberCheck.model_validate(dict(checked)) if checked else None)


async def list_kpi_events(uow: UnitOfWork, request: Received[messages.ListKpiEvents]) -> messages.KpiEventPage:
    ask = request.body
    as_of, before = ask.as_of or uow.now, paging.after(ask.cursor, Place.read)
    rows = await store.counted_events(uow, request.tenant, ask.kpi, ask.part, as_of, before, ask.limit + 1)
    await check_within_reach(uow, request.tenant, as_of)
    if any(row["type"] is None for row in rows):
        await check_at_hand(uow, request.tenant)
    page, cursor = paging.cut(rows, ask.limit, lambda row: Place(row["occurred_at"], row["event_id"]))
    events = [StoredEvent.model_validate(dict(row)) for row in page if row["type"]]
    return messages.KpiEventPage(as_of=as_of, events=events, next_cursor=cursor)


async def check_within_reach(uow: UnitOfWork, tenant: str, as_of: datetime) -> None:
    """Refuse numbers as of a moment of which events are archived: a number is missing, or right, and never too small.

    To be called when they are counted, or events might have gone into the archive in between.

    Raises:
        ProblemError: `conflict`.
    """
    if not await are_within_reach(uow, tenant, as_of):
        await check_at_hand(uow, tenant)


async def are_within_reach(uow: UnitOfWork, tenant: str, as_of: datetime) -> bool:
    """Whether all that the numbers as of a moment count among the events themselves is at hand."""
    since = f"{as_of - _REACH:%Y-%m}"
    return all(month < since for month in await archived_months(uow, tenant))
