"""The worker that carries out imports: checks, imports, and takes back.

An import belongs to whoever claimed it last, for as long as a lease. Of a tenant one is under way at a time.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from asyncpg import InternalClientError
from sqlalchemy.exc import SQLAlchemyError

from chassis import tenants
from chassis.caller import Caller
from chassis.exports.errors import LeadLoopError
from chassis.failures import describe, is_transient
from chassis.keys import TenantKeys
from chassis.logs import get_logger
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts.intake.imports import ImportState
from contracts.message import ProblemCode, ProblemError
from intake.imports import store, store_work, telling
from intake.imports.checking import check
from intake.imports.importing import Importer, LostClaimError
from intake.imports.reverting import revert
from intake.imports.store_work import Claim

log = get_logger("imports")

_LANES: Final = 4
"""How many imports a replica carries out at once."""
_POLL_SECONDS: Final = 0.5
_AFTER_AN_INTERRUPTION: Final = timedelta(seconds=2)
_AWAY: Final = (OSError, TimeoutError, SQLAlchemyError, InternalClientError)


class Runner:
    """Runs until it is cancelled."""

    def __init__(self, database: Database, keys: TenantKeys, settings: Settings, caller: Callable[[], Caller]) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._caller = caller

    async def run(self) -> None:
        """Carry out what is due, again and again."""
        async with asyncio.TaskGroup() as group:
            lanes: set[asyncio.Task[None]] = set()
            while True:
                while len(lanes) < _LANES and (claim := await self._claim()):
                    lane = group.create_task(self._carry_out_or_let_go(claim))
                    lanes.add(lane)
                    lane.add_done_callback(lanes.discard)
                await asyncio.sleep(_POLL_SECONDS)

    async def _claim(self) -> Claim | None:
        try:
            async with self._database.begin() as uow:
                names = await tenants.all_tenants(uow)
                await uow.act_for(names)
                return await store_work.claim(uow, names)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("no import was claimed", error=describe(error))
            return None

    async def _carry_out_or_let_go(self, claim: Claim) -> None:
        try:
            await self._carry_out(claim)
        except LostClaimError:
            pass  # cancelled, or another's: there is nothing to be done here
        except LeadLoopError:
            await self._fail(claim, "no_csv")
        except Exception as error:
            if not _passes(error):
                log.error("an import was interrupted", tenant=claim.tenant, exc_info=error)
                await self._fail(claim, "internal")
                return
            # Its lease runs out, as if this worker had died, unless the database is there to be told.
            log.warning("an import was interrupted", tenant=claim.tenant, error=describe(error))
            with suppress(*_AWAY):
                async with self._database.begin(claim.tenant) as uow:
                    await store_work.let_go(uow, claim, _AFTER_AN_INTERRUPTION)

    async def _carry_out(self, claim: Claim) -> None:
        match claim.state:
            case ImportState.CHECKING:
                await check(self._database, self._keys, claim)
            case ImportState.RUNNING:
                await Importer(self._database, self._keys, self._settings, self._caller(), claim).run()
            case ImportState.REVERTING:
                await revert(self._database, self._keys, self._caller(), claim)

    async def _fail(self, claim: Claim, failure: str) -> None:
        async with self._database.begin(claim.tenant) as uow:
            if await store_work.hold(uow, claim):
                changed = {"failure": failure, "ended_at": uow.now}
                run = await store.set_state(uow, claim.tenant, claim.run_id, ImportState.FAILED, **changed)
                telling.ended(uow, claim.tenant, run)


def _passes(error: Exception) -> bool:
    if isinstance(error, ProblemError):
        return error.problem.code in (ProblemCode.UNAVAILABLE, ProblemCode.INTERNAL)
    return is_transient(error)
