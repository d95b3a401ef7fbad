"""What the notifier looks for by the clock."""

import asyncio
from time import monotonic

from chassis.caller import Caller
from chassis.jobs import Counts, every_tenant
from chassis.unit_of_work import Database
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import MissingOutcomes, MissingOutcomesView
from notifier.domain import OUTCOME_MISSING, Missing
from notifier.raising import bring_up_to_date

_PATIENCE_SECONDS = 60.0
"""How long one run waits in all for an outcomes service that is away: when everything starts, it may come up last."""


async def find_missing_outcomes(database: Database, caller: Caller) -> Counts:
    """The daily job: each tenant has one open alert while it has leads that need an outcome.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been looked at.
    """
    patient_until = monotonic() + _PATIENCE_SECONDS

    async def look_at(tenant: str) -> Counts:
        return {"tenants": 1, await _look_at(database, caller, tenant, patient_until): 1}

    return {"tenants": 0} | await every_tenant(database, look_at)


async def _look_at(database: Database, caller: Caller, tenant: str, patient_until: float) -> str:
    """Ask for one tenant's leads and bring its alert up to date; returns what was done, as a word for the counts."""
    found = Missing.read(await _ask(caller, tenant, patient_until))
    async with database.begin(tenant) as uow:
        return await bring_up_to_date(uow, tenant, OUTCOME_MISSING, found)


async def _ask(caller: Caller, tenant: str, patient_until: float) -> MissingOutcomesView:
    while True:
        try:
            return await caller.ask(tenant, MissingOutcomes())
        except ProblemError as refused:
            if refused.problem.code is not ProblemCode.UNAVAILABLE or monotonic() > patient_until:
                raise
            await asyncio.sleep(1)
