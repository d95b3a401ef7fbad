"""A dry run: every row of an import's file is looked at, and nothing is imported."""

from typing import Final

from chassis.keys import TenantKeys
from chassis.unit_of_work import Database
from contracts.intake.imports import ImportCounts, ImportState
from intake.imports import store, store_work
from intake.imports.importing import held
from intake.imports.reading import Batch, Reading
from intake.imports.store_work import Claim

_ROWS_AT_ONCE: Final = 500


async def check(database: Database, keys: TenantKeys, claim: Claim) -> None:
    """Look at every row, from the first on: whoever did it before may have died over it.

    Raises:
        LostClaimError: the import is not this worker's any more.
        ExportError, MappingError: its file cannot be read.
    """
    async with database.begin(claim.tenant) as uow:
        key = await keys.of(uow, claim.tenant)
        run = await held(uow, claim)
        await store.drop_errors(uow, claim.tenant, claim.run_id)
    reading = Reading(database, keys, key, run)
    errors = 0
    is_last = False
    while not is_last:
        batch = await reading.take(_ROWS_AT_ONCE)
        is_last = batch.is_last
        async with database.begin(claim.tenant) as uow:
            await held(uow, claim)
            await store.add_errors(uow, key, claim.run_id, errors, batch.errors)
            errors += len(batch.errors)
            found = _found(batch, errors).model_dump_json()
            await store_work.advance(uow, claim, check_counts=found, bytes_read=batch.bytes_read)
            if is_last:
                await store_work.advance(uow, claim, checked=True)
                await store.set_state(uow, claim.tenant, claim.run_id, ImportState.READY)


def _found(batch: Batch, errors: int) -> ImportCounts:
    return ImportCounts(**vars(batch.tally), errors=errors)
