"""What is asked of the replay, and the continuous check."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import Gauge

from aggregator import locks
from aggregator.events.archiving import Archiving, check_at_hand, refused
from aggregator.events.store_archive import archived_months
from aggregator.kpis import store as kpis
from aggregator.kpis.handlers import are_within_reach, check_within_reach, stats
from aggregator.replay import store, validating
from aggregator.win_rates.store import refresh_weekly
from chassis.jobs import Counts, every_tenant
from chassis.received import Received
from chassis.tenants import all_tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts.aggregator import replay as messages

DRIFT: Final = Gauge("leadloop_number_drift", "Numbers that were not what the events say when they were last checked")
_LOOKS_EVERY_SECONDS: Final = 30
_ARCHIVED_RESTS: Final = timedelta(hours=23)
"""How long a tenant is left alone for the check of which every archived event has to be read: it is checked once a day."""


class Replaying:
    """The answers about numbers and the events behind them, and the job that compares them."""

    def __init__(self, database: Database, archiving: Archiving) -> None:
        self._database = database
        self._archiving = archiving

    async def replay(self, request: Received[messages.Replay]) -> messages.ReplayReport:
        replayed = await self._replayed(request.tenant)
        async with self._database.begin(request.tenant) as uow:
            dashboard = await stats(uow, request.tenant, uow.now)
        return messages.ReplayReport(
            events=replayed.events,
            rows=replayed.rows["weekly_win_rate"],
            differences=replayed.differences,
            projected=dict(replayed.rows),
            dashboard=dashboard,
        )

    async def validate(self, uow: UnitOfWork, request: Received[messages.Validate]) -> messages.Validation:
        tenant, as_of = request.tenant, request.body.as_of or uow.now
        await check_within_reach(uow, tenant, as_of)
        with refused():
            return await validating.validate(uow, tenant, as_of, self._archiving)

    async def check_numbers(self, _: datetime) -> Counts:
        """The continuous check: validate every tenant's numbers, and keep what was found.

        One that was never checked is replayed first, for its events may be older than their projections. One of which events are
        archived has its turn once a day, unless those of the last weeks are: then its numbers are shown to nobody.
        """
        return {"tenants": 0, "compared": 0, "drift": 0, "archived": 0} | await every_tenant(self._database, self.check)

    async def check(self, tenant: str) -> Counts:
        """Validate a tenant's numbers, and keep what was found; `archived` counts those that were left alone."""
        async with self._database.begin(tenant) as uow:
            last, archived = await kpis.last_check(uow, tenant), await archived_months(uow, tenant)
            if archived and last and uow.now - last["checked_at"] < _ARCHIVED_RESTS:
                return {"archived": 1}
            await refresh_weekly(uow, tenant)
        if last is None and not archived:
            await self._replayed(tenant)
        async with self._database.begin(tenant, snapshot=True) as uow:
            if not await are_within_reach(uow, tenant, uow.now):
                return {"archived": 1}
            found = await validating.validate(uow, tenant, uow.now, self._archiving)
        async with self._database.begin(tenant) as uow:
            await kpis.keep_check(uow, tenant, found)
        return {"tenants": 1, "compared": found.compared, "drift": found.drift}

    async def _replayed(self, tenant: str) -> store.Replayed:
        """A replay that keeps nobody waiting unless something differs, and as long as that is put right.

        Raises:
            ProblemError: `conflict`, events are archived.
        """
        async with self._database.begin(tenant) as uow:
            await refresh_weekly(uow, tenant)
        async with self._database.begin(tenant, snapshot=True) as uow:
            await check_at_hand(uow, tenant)
            replayed = await store.compare(uow, tenant)
        if not replayed.differences:
            return replayed
        async with self._database.begin(tenant) as uow:
            await locks.archive(uow, tenant)
            await check_at_hand(uow, tenant)
            return await store.replay(uow, tenant)


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
