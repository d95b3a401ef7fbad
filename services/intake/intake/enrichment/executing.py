"""The worker that executes runs, some at once, each one item after the other.

A run belongs to whoever claimed it last, for as long as a lease, and a worker goes on with it for a turn: then whoever waits
longest has theirs, of the tenant of whose runs the fewest are held.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any

from asyncpg import InternalClientError
from sqlalchemy.exc import SQLAlchemyError

from chassis import tenants
from chassis.failures import describe, is_transient
from chassis.keys import TenantKeys
from chassis.logs import get_logger
from chassis.unit_of_work import Database
from contracts.taxonomy import EnrichmentStatus
from intake.enrichment import store_claims as store
from intake.enrichment.calling import LEASE, Call, Worker
from intake.enrichment.ending import stop
from intake.enrichment.providers import Providers
from intake.enrichment.store_claims import Claim

log = get_logger("enrichment")

_LANES = 8
"""How many runs a replica executes at once."""
_OF_ONE_TENANT = 4
"""How many of those of one tenant, in all replicas."""
_TURN_SECONDS = 5.0
"""How long a worker goes on with a run, and no further than the call under way then: others wait for no more than that."""
_POLL_SECONDS = 0.5
_AFTER_AN_INTERRUPTION = timedelta(seconds=5)
_AWAY = (OSError, TimeoutError, SQLAlchemyError, InternalClientError)


class Runner:
    """Runs until it is cancelled."""

    def __init__(self, database: Database, keys: TenantKeys, providers: Providers) -> None:
        self._database = database
        self._worker = Worker(database, keys, providers)

    async def run(self) -> None:
        """Execute what is due, several runs at once, again and again."""
        async with asyncio.TaskGroup() as group:
            lanes: set[asyncio.Task[None]] = set()
            freed = asyncio.Event()

            def free(lane: asyncio.Task[None]) -> None:
                lanes.discard(lane)
                freed.set()

            while True:
                freed.clear()
                while len(lanes) < _LANES and (claim := await self._claim()):
                    lane = group.create_task(self._execute_or_let_go(claim))
                    lanes.add(lane)
                    lane.add_done_callback(free)
                with suppress(TimeoutError):
                    await asyncio.wait_for(freed.wait(), _POLL_SECONDS)

    async def _claim(self) -> Claim | None:
        """A run that is due, if there is one and the database says so: the runs under way are not to suffer where it does not."""
        try:
            async with self._database.begin() as uow:
                names = await tenants.all_tenants(uow)
                await uow.act_for(names)
                return await store.claim(uow, names, LEASE, _OF_ONE_TENANT)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("no run was claimed", error=describe(error))
            return None

    async def _execute_or_let_go(self, claim: Claim) -> None:
        try:
            await self._execute(claim)
        except Exception as error:
            if is_transient(error):
                # Its lease runs out, as if this worker had died, unless the database is there to be told.
                log.warning("a run was interrupted", tenant=claim.tenant, error=describe(error))
                with suppress(*_AWAY):
                    async with self._database.begin(claim.tenant) as uow:
                        await store.let_go(uow, claim, _AFTER_AN_INTERRUPTION)
                return
            log.error("a run was interrupted", tenant=claim.tenant, exc_info=error)
            async with self._database.begin(claim.tenant) as uow:
                if run := await store.hold(uow, claim, LEASE):
                    await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, "internal")

    async def _execute(self, claim: Claim) -> None:
        """Go on with the run until it stands, comes to its end, is another's, or its turn is over."""
        ends = monotonic() + _TURN_SECONDS
        while await self._step(claim):
            if monotonic() >= ends:
                async with self._database.begin(claim.tenant) as uow:
                    await store.let_go(uow, claim)
                return

    async def _step(self, claim: Claim) -> bool:
        """Go on by one item; whether the run goes on here."""
        async with self._database.begin(claim.tenant) as uow:
            call = await self._worker.advance(uow, claim)
        return await _to_its_end(self._worker.make(call)) if isinstance(call, Call) else call


async def _to_its_end(making: Coroutine[Any, Any, bool]) -> bool:
    """Await it, even when cancelled meanwhile, for a moment: what a call cost should be known when a service stops."""
    task = asyncio.ensure_future(making)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
