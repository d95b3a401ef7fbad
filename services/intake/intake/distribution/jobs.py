"""What time brings to the distribution of leads: working hours, absences that begin and end, contacts that are overdue."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from chassis import tenants
from chassis.jobs import Counts, each_tenant
from chassis.unit_of_work import Database
from intake.distribution import store, store_progress
from intake.distribution.absence import begin_absences
from intake.distribution.assigning import BATCH, drain
from intake.distribution.overdue import reassign_overdue

_AT_ONCE = 200
"""Tenants looked at in one statement."""


async def distribute(database: Database, behind: Callable[[], Awaitable[int]], _: datetime) -> Counts:
    """The job of every minute: apply absences that began, take away what is overdue, and give out what waits.

    A contact may have been told of in time and not been heard yet: as long as the service is `behind` with events, only what was
    due before the last event it heard is overdue.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been looked at.
    """
    is_behind = await behind() > 0
    async with database.begin() as uow:
        names = await tenants.all_tenants(uow)
        by = await store_progress.heard_through(uow) if is_behind else uow.now
    found: list[str] = []
    for start in range(0, len(names), _AT_ONCE):
        chunk = names[start : start + _AT_ONCE]
        async with database.begin(*chunk) as uow:
            found += await store.with_something_to_do(uow, chunk)
    return {"returned": 0, "overdue": 0, "assigned": 0} | await each_tenant(
        found, lambda tenant: distribute_tenant(database, tenant, by)
    )


async def distribute_tenant(database: Database, tenant: str, by: datetime) -> Counts:
    """The same for one tenant; what was due `by` then is overdue."""
    async with database.begin(tenant) as uow:
        returned = await begin_absences(uow, tenant)
    overdue = 0
    while True:
        async with database.begin(tenant) as uow:
            taken = await reassign_overdue(uow, tenant, by)
        overdue += taken
        if taken < BATCH:
            break
    return {"returned": returned, "overdue": overdue, "assigned": await drain(database, tenant)}
