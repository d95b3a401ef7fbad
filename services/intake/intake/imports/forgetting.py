"""Files that nobody imports are deleted, and imports of which nothing is told any more are taken for stopped."""

from chassis.jobs import Counts, every_tenant
from chassis.unit_of_work import Database
from contracts.intake.imports import ImportOrigin, ImportState
from intake.imports import store, telling
from intake.imports.domain_import import FILLING, KEPT_FOR, SILENT_FOR


async def forget_left_alone(database: Database) -> Counts:
    """The hourly job.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been looked at.
    """

    async def forget(tenant: str) -> Counts:
        async with database.begin(tenant) as uow:
            runs = await store.left_alone(uow, tenant, KEPT_FOR, SILENT_FOR)
            for run in runs:
                await store.drop_file(uow, tenant, run["run_id"])
                if run["origin"] == ImportOrigin.COMMANDS:
                    stopped = await store.set_state(uow, tenant, run["run_id"], ImportState.CANCELLED, ended_at=uow.now)
                    telling.ended(uow, tenant, stopped)
                elif run["state"] in FILLING:
                    await store.set_state(uow, tenant, run["run_id"], ImportState.EXPIRED, ended_at=uow.now)
        return {"imports": len(runs)}

    return await every_tenant(database, forget)
