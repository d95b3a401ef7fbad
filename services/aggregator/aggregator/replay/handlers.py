"""What is asked of the replay, and the continuous check."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Final

from prometheus_client import Gauge

from aggregator import locks
from aggregator.events.archiving import check_at_hand
from aggregator.events.store_archive import archived_months
from aggregator.kpis import store as kpis
from aggregator.kpis.handlers import stats
from aggregator.replay import store, validating
from aggregator.win_rates.store import refresh_weekly
from chassis.jobs import Counts, every_tenant
from chassis.received import Received
from chassis.tenants import all_tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts.aggregator import replay as messages

DRIFT: Final = Gauge("leadloop_number_drift", "Numbers that were not what the events say when they were last checked")
_LOOKS_EVERY_SECONDS: Final = 30


async def replay(uow: UnitOfWork, request: Received[messages.Replay]) -> messages.ReplayReport:
    await locks.archive(uow, request.tenant)
    await check_at_hand(uow, request.tenant)
    replayed = await store.replay(uow, request.tenant)
    return messages.ReplayReport(
        events=replayed.events,
        rows=replayed.rows["weekly_win_rate"],
        differences=replayed.differences,
        projected=dict(replayed.rows),
        dashboard=await stats(uow, request.tenant, uow.now),
    )


async def validate(uow: UnitOfWork, request: Received[messages.Validate]) -> messages.Validation:
    await check_at_hand(uow, request.tenant)
    return await validating.validate(uow, request.tenant, request.body.as_of or uow.now)


async def check_numbers(database: Database, _: datetime) -> Counts:
    """The continuous check: validate every tenant's numbers, and keep what was found.

    One that was never checked is replayed first, for its events may be older than their projections. One of which events are archived is
    left out: its numbers cannot be made from what is at hand.
    """
    return {"tenants": 0, "compared": 0, "drift": 0, "archived": 0} | await every_tenant(
        database, partial(check, database)
    )


async def check(database: Database, tenant: str) -> Counts:
    """Validate a tenant's numbers, and keep what was found."""
    async with database.begin(tenant) as uow:
        await locks.archive(uow, tenant)
        if not await archived_months(uow, tenant):
            if await kpis.last_check(uow, tenant) is None:
                await store.replay(uow, tenant)
            else:
                await refresh_weekly(uow, tenant)
    async with database.begin(tenant, snapshot=True) as uow:
        if await archived_months(uow, tenant):
            return {"archived": 1}
        found = await validating.validate(uow, tenant, uow.now)
    async with database.begin(tenant) as uow:
        await kpis.keep_check(uow, tenant, found)
    return {"tenants": 1, "compared": found.compared, "drift": found.drift}


async def publish_drift(database: Database) -> None:
    """In every replica, for its metric: whichever of them ran the check."""
    while True:
        await measure_drift(database)
        await asyncio.sleep(_LOOKS_EVERY_SECONDS)


async def measure_drift(database: Database) -> None:
    """Have the metric say what the last checks of all tenants found."""
    async with database.begin() as uow:
        tenants = await all_tenants(uow)
        await uow.act_for(tenants)
        DRIFT.set(await kpis.drift(uow, tenants))
