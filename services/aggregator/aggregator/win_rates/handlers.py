"""What is asked of the win rates, and their weekly job."""

from datetime import datetime

from aggregator.win_rates import domain_week as domain
from aggregator.win_rates import store
from chassis.jobs import Counts, every_tenant
from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts.aggregator import win_rates as messages


async def win_rates(uow: UnitOfWork, request: Received[messages.WinRates]) -> messages.WinRateTable:
    ask = request.body
    since = domain.first_week(uow.now, ask.weeks) if ask.weeks else None
    rows = await store.win_rates(uow, request.tenant, ask.by, since, ask.intent, ask.minimum)
    first, last = await store.window(uow, request.tenant, since)
    if since:
        first, last = since, domain.week_of(uow.now.date())
    return messages.WinRateTable(
        by=ask.by,
        first_week=domain.week_name(first) if first else None,
        last_week=domain.week_name(last) if last else None,
        partial=last is not None and last >= domain.week_of(uow.now.date()),
        rows=[domain.win_rate(row) for row in rows],
    )


async def weekly_win_rates(uow: UnitOfWork, request: Received[messages.WeeklyWinRates]) -> messages.WeeklyWinRateTable:
    await store.refresh_weekly(uow, request.tenant)
    since = domain.first_week(uow.now, request.body.weeks)
    rows = await store.weekly(uow, request.tenant, request.body.by, since)
    return messages.WeeklyWinRateTable(
        by=request.body.by,
        rows=[
            messages.WeeklyWinRate(week=domain.week_name(row["week"]), **domain.win_rate(row).model_dump())
            for row in rows
        ],
    )


async def refresh_weekly(database: Database, _: datetime) -> Counts:
    """The weekly job: recount every tenant's weeks that outcomes have touched.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been recounted.
    """

    async def refresh(tenant: str) -> Counts:
        async with database.begin(tenant) as uow:
            return {"tenants": 1, "weeks": await store.refresh_weekly(uow, tenant)}

    return {"tenants": 0, "weeks": 0} | await every_tenant(database, refresh)
