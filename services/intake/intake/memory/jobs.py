"""What the clock starts: what has expired is cleared away."""

from chassis import tenants
from chassis.jobs import Counts
from chassis.unit_of_work import Database
from intake.memory import store, store_actions

_BATCH = 1000


async def clear_expired(database: Database) -> Counts:
    """The hourly job: delete values and fingerprints whose time has come, a batch a transaction."""
    counts = {"values": 0, "fingerprints": 0}
    async with database.begin() as uow:
        names = await tenants.all_tenants(uow)
    for tenant in names:
        while True:
            async with database.begin(tenant) as uow:
                values = await store.clear_expired(uow, tenant, _BATCH)
                fingerprints = await store_actions.forget_expired(uow, tenant, _BATCH)
            counts["values"] += values
            counts["fingerprints"] += fingerprints
            if max(values, fingerprints) < _BATCH:
                break
    return counts
