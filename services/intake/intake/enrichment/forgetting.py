"""What is personal in runs is forgotten: when the tenant's time for remembering is over, or when a person is erased."""

from collections.abc import Sequence
from uuid import UUID

from chassis import tenants
from chassis.jobs import Counts, every_tenant
from chassis.unit_of_work import Database, UnitOfWork
from intake.enrichment import store_forgetting as store
from intake.memory import store as memory

_BATCH = 200


async def forget_old_runs(database: Database) -> Counts:
    """The hourly job: what ended longer ago than the tenant remembers keeps its counts, costs and companies only.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been looked at.
    """

    async def forget(tenant: str) -> Counts:
        forgotten = 0
        while True:
            async with database.begin(tenant) as uow:
                hours = (await tenants.settings_of(uow, tenant)).memory_ttl_hours
                count = await store.forget_old(uow, tenant, hours, _BATCH)
            forgotten += count
            if count < _BATCH:
                return {"runs": forgotten}

    return await every_tenant(database, forget)


async def forget_person(uow: UnitOfWork, tenant: str, tokens: Sequence[str]) -> int:
    """Forget a person: what runs hold of them, and the remembered answers it came from; returns how many contacts.

    For whoever erases a person, with the tokens of all their leads.
    """
    count, evidence = await store.forget_person(uow, tenant, tokens)
    await memory.forget(uow, tenant, evidence)
    return count


async def forget_contacts(uow: UnitOfWork, tenant: str, run_id: UUID, items: Sequence[int]) -> None:
    """Forget contacts of a run that are found to be persons who were erased, and the remembered answers they came from."""
    await memory.forget(uow, tenant, await store.forget_contacts(uow, tenant, run_id, items))
