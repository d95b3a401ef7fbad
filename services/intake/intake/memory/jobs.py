"""What the clock starts: what has expired is cleared away."""

from chassis.jobs import Counts, every_tenant
from chassis.unit_of_work import Database
from intake.memory import store, store_actions

_BATCH = 1000


async def clear_expired(database: Database) -> Counts:
    """The hourly job: delete values and fingerprints whose time has come, a batch a transaction.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been cleared.
    """

    async def clear(tenant: str) -> Counts:
        counts = {"values": 0, "fingerprints": 0}
        while True:
            async with database.begin(tenant) as uow:
                values = await store.clear_expired(uow, tenant, _BATCH)
                fingerprints = await store_actions.forget_expired(uow, tenant, _BATCH)
            counts["values"] += values
            counts["fingerprints"] += fingerprints
            if max(values, fingerprints) < _BATCH:
                return counts

    return await every_tenant(database, clear)
