"""What is personal in runs is forgotten: when the tenant's time for remembering is over, or when a person is erased."""

from collections.abc import Sequence

from chassis import tenants
from chassis.jobs import Counts
from chassis.unit_of_work import Database, UnitOfWork
from intake.enrichment import store
from intake.memory import store as memory

_BATCH = 200


async def forget_old_runs(database: Database) -> Counts:
    """The hourly job: what ended longer ago than the tenant remembers keeps its counts, costs and companies only."""
    forgotten = 0
    async with database.begin() as uow:
        names = await tenants.all_tenants(uow)
    for tenant in names:
        while True:
            async with database.begin(tenant) as uow:
                hours = (await tenants.settings_of(uow, tenant)).memory_ttl_hours
                count = await store.forget_old(uow, tenant, hours, _BATCH)
            forgotten += count
            if count < _BATCH:
                break
    return {"runs": forgotten}


async def forget_person(uow: UnitOfWork, tenant: str, tokens: Sequence[str]) -> int:
    """Forget a person: what runs hold of them, and the remembered answers it came from; returns how many contacts.

    For whoever erases a person, with the tokens of all their leads.
    """
    count, evidence = await store.forget_person(uow, tenant, tokens)
    for key in evidence:
        await memory.forget(uow, tenant, key)
    return count
