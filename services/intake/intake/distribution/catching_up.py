"""A version that was published is applied to the leads that were there before: in the background, batch by batch.

What comes in after the publication is routed by it at once. Leads that were there make work the first time; those that
wait are looked at again, in the order they came. Those that are assigned, worked or closed stay.
"""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import tenants
from chassis.jobs import Counts, report
from chassis.unit_of_work import Database, UnitOfWork
from intake import locks
from intake.distribution.arriving import place_anew
from intake.distribution.assigning import drain
from intake.distribution.progress import settle
from intake.routing import store, store_versions
from intake.routing.placing import Arrival
from intake.routing.published import ready

JOB = "apply_routing"
_BATCH = 1000


class CatchingUp:
    """The job that applies published versions; `wake` has it run at once, and the clock where that was missed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._published = asyncio.Event()

    def wake(self) -> None:
        """A version was published."""
        self._published.set()

    async def published(self) -> None:
        """Wait until one is."""
        await self._published.wait()
        self._published.clear()

    async def run(self, _: datetime) -> Counts:
        """Apply every published version that is behind; returns how many leads were looked at, placed and assigned."""
        counts: Counter[str] = Counter(tenants=0, leads=0, placed=0, assigned=0)
        done: set[str] = set()
        while behind := [tenant for tenant in await self._behind() if tenant not in done]:
            for tenant in behind:  # in turns, so that a large tenant does not hold up the others
                if not await self._batch(tenant, counts):
                    done.add(tenant)
                    await settle(self._database, tenant)
                    counts["assigned"] += await drain(self._database, tenant)
            await report({**counts, "tenants": len(done)})
        return {**counts, "tenants": len(done)}

    async def _behind(self) -> list[str]:
        async with self._database.begin() as uow:
            await uow.act_for(await tenants.all_tenants(uow))
            return await store_versions.behind(uow)

    async def _batch(self, tenant: str, counts: Counter[str]) -> bool:
        """Look at the next leads of a tenant; whether there may be more for this run to look at."""
        async with self._database.begin(tenant) as uow:
            # A lead that is merged or erased meanwhile would be put to work all the same.
            await locks.merges(uow, tenant)
            await locks.linking(uow, tenant)
            version = await store_versions.take_behind(uow, tenant)
            if version is None:
                return False
            following = store.every_lead if version.catching_up == "all" else store.every_waiting_lead
            leads = await following(uow, tenant, version.caught_up_to, _BATCH)
            placed, given = await self._apply(uow, tenant, version, leads)
            await store_versions.note_caught_up(uow, tenant, version.version, leads[-1] if leads else None, len(leads))
        counts.update(leads=len(leads), placed=placed, assigned=given)
        return bool(leads)

    async def _apply(self, uow: UnitOfWork, tenant: str, version: Any, leads: list[UUID]) -> tuple[int, int]:
        """How many of these leads were placed, and how many given to somebody: in one unit, which knows who could not be given."""
        await locks.distribution(uow, tenant)
        # The work first: who changes a lead changes its work after it, so that what is read now is what is placed last.
        work = await store.lock_work(uow, tenant, leads)
        rules = await ready(uow, tenant, version.version, version.published_at)
        arrivals = [Arrival(row["lead_id"], row, row["arrived_at"]) for row in await store.facts_of(uow, tenant, leads)]
        placed, given = await place_anew(uow, tenant, rules, arrivals, work)
        return len(placed), len(given)
