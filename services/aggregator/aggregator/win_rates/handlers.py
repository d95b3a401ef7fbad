"""What is asked of the win rates, and their weekly job."""

from datetime import datetime
from uuid import UUID

from aggregator.events.archiving import check_at_hand
from aggregator.win_rates import domain_rate, store
from aggregator.win_rates import domain_week as domain
from aggregator.win_rates.domain_week import Window
from chassis import paging
from chassis.jobs import Counts, every_tenant
from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts.aggregator import win_rates as messages
from contracts.aggregator.events import StoredEvent


async def win_rates(uow: UnitOfWork, request: Received[messages.WinRates]) -> messages.WinRateTable:
    ask = request.body
    window = Window.of(uow.now, ask.weeks, ask.until)
    found = await store.win_rates(uow, request.tenant, ask, window)
    rows = [
        messages.WinRate(key=row["key"], intent=row["intent"], **domain_rate.counted(row, ask.view).model_dump())
        for row in found
        if row["decided"] >= ask.minimum
    ]
    return messages.WinRateTable(
        by=ask.by,
        rows=list(domain_rate.page_of(domain_rate.ordered(rows, ask.sort, ask.descending), ask.limit, ask.page)),
        total=len(rows),
        left_out=len(found) - len(rows),
        **await _told(uow, request.tenant, ask, window),
    )


async def weekly_win_rates(uow: UnitOfWork, request: Received[messages.WeeklyWinRates]) -> messages.WeeklyWinRateTable:
    ask = request.body
    window = Window.of(uow.now, ask.weeks, ask.until)
    if ask.view is messages.View.CLOSING:
        await store.refresh_weekly(uow, request.tenant)
        found = await store.weekly(uow, request.tenant, ask, window)
    else:
        found = await store.cohorts(uow, request.tenant, ask, window)
    rows = [
        messages.WeeklyWinRate(
            week=domain.week_name(row["week"]),
            key=row["key"],
            intent=row["intent"],
            **domain_rate.counted(row, ask.view).model_dump(),
        )
        for row in found
        if row["decided"] >= ask.minimum
    ]
    return messages.WeeklyWinRateTable(
        by=ask.by,
        rows=list(domain_rate.page_of(domain_rate.ordered(rows, ask.sort, ask.descending), ask.limit, ask.page)),
        total=len(rows),
        left_out=len(found) - len(rows),
        **await _told(uow, request.tenant, ask, window),
    )


async def trend_of_win_rates(uow: UnitOfWork, request: Received[messages.TrendOfWinRates]) -> messages.WinRateTrend:
    ask = request.body
    window = Window.of(uow.now, ask.weeks, ask.until)
    this_week = domain.week_of(uow.now.date())
    points = [
        messages.WeekCounted(
            week=domain.week_name(row["week"]),
            age=domain_rate.age(row["week"], this_week),
            **domain_rate.counted(row, ask.view).model_dump(),
        )
        for row in sorted(await store.trend(uow, request.tenant, ask, window), key=lambda row: row["week"])
    ]
    return messages.WinRateTrend(by=ask.by, points=points, **await _told(uow, request.tenant, ask, window))


async def list_win_rate_events(
    uow: UnitOfWork, request: Received[messages.ListWinRateEvents]
) -> messages.WinRateEventPage:
    ask = request.body
    window, after = Window.of(uow.now, ask.weeks, ask.until), paging.after(ask.cursor, UUID)
    rows = await store.counted_events(uow, request.tenant, ask, window, after, ask.limit + 1)
    if any(row["type"] is None for row in rows):
        await check_at_hand(uow, request.tenant)
    page, cursor = paging.cut(rows, ask.limit, lambda row: row["of_lead"])
    events = [StoredEvent.model_validate(dict(row)) for row in page if row["type"]]
    return messages.WinRateEventPage(events=events, next_cursor=cursor)


async def refresh_weekly(database: Database, slot: datetime) -> Counts:
    """The weekly job: recount every tenant's last whole week, and each that late, corrected or voided outcomes have touched.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been recounted.
    """

    async def refresh(tenant: str) -> Counts:
        async with database.begin(tenant) as uow:
            return {"tenants": 1, "weeks": await store.refresh_weekly(uow, tenant, domain.week_before(slot))}

    return {"tenants": 0, "weeks": 0} | await every_tenant(database, refresh)


async def _told(uow: UnitOfWork, tenant: str, ask: messages.Terms, window: Window) -> dict[str, str | bool | None]:
    """The window in words: where it is open, as far as there is anything."""
    there = await store.weeks_there(uow, tenant, ask.view) if None in (window.first, window.last) else window
    first, last = window.first or there.first, window.last or there.last
    return {
        "first_week": domain.week_name(first) if first else None,
        "last_week": domain.week_name(last) if last else None,
        "partial": Window(first, last).is_partial(uow.now),
    }
