"""Metadata that its tenant allows in clear no more goes from the leads into the vault."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from chassis import tenants
from chassis.jobs import Counts, every_tenant
from chassis.keys import TenantKey, TenantKeys
from chassis.unit_of_work import Database, UnitOfWork
from intake import locks
from intake.leads import store
from intake.leads.domain_combined import METADATA
from intake.vault import sealing
from intake.vault import store as vault

_BATCH: Final = 500
_CLEAN_RUNS: Final = 2
"""After so many runs that found nothing, a tenant's leads are not looked through before its allow-list changes. One is not
enough: what was read by the list before may have been on its way to the database."""


class Narrowing:
    """The job that seals what is allowed no more. Nothing is told of it: no event tells such metadata anyway."""

    def __init__(self, database: Database, keys: TenantKeys) -> None:
        self._database = database
        self._keys = keys
        self._clean: dict[str, tuple[frozenset[str], int]] = {}

    async def run(self, _: datetime) -> Counts:
        """Seal, tenant by tenant, a batch of leads a transaction; returns how many leads had something to seal or to lend no more.

        Raises:
            SomeTenantsFailedError: at the end, when all the others have been looked through.
        """
        return {"leads": 0} | await every_tenant(self._database, self._seal)

    async def _seal(self, tenant: str) -> Counts:
        async with self._database.begin(tenant) as uow:
            allowed = (await tenants.settings_of(uow, tenant)).metadata_allowed
        known, runs = self._clean.get(tenant, (allowed, 0))
        if known == allowed and runs >= _CLEAN_RUNS:
            return {}
        found, after = 0, UUID(int=0)
        while True:
            async with self._database.begin(tenant) as uow:
                page = await store.page_with_other_metadata(uow, tenant, allowed, after, _BATCH)
                if others := [lead_id for lead_id, other in page if other]:
                    await _seal_leads(uow, await self._keys.of(uow, tenant), allowed, others)
            found += len(others)
            if len(page) < _BATCH:
                break
            after = page[-1][0]
        self._clean[tenant] = (allowed, 0 if found else (runs if known == allowed else 0) + 1)
        return {"leads": found}


async def _seal_leads(uow: UnitOfWork, key: TenantKey, allowed: Collection[str], lead_ids: Collection[UUID]) -> None:
    await locks.linking(uow, key.tenant)
    moved = {}
    gone = set[str]()
    for row in await store.lock_free(uow, key.tenant, lead_ids):
        moved[row["lead_id"]] = {name: value for name, value in row["metadata"].items() if name not in allowed}
        lent = row["combined"]["fields"] if row["combined"] else ()
        gone |= moved[row["lead_id"]].keys()
        gone |= {field.removeprefix(METADATA) for field in lent if field.startswith(METADATA)} - set(allowed)
    rows = await vault.sealed(uow, key.tenant, [lead_id for lead_id, metadata in moved.items() if metadata])
    keys = await sealing.person_keys(uow, key, {row["key_id"] for row in rows})
    sealed = []
    for row in rows:
        lead_id, person_key = row["lead_id"], keys[row["key_id"]]
        personal = sealing.open_sealed(row["sealed"], lead_id, key.tenant, person_key)
        metadata = {**moved[lead_id], **(personal.get("metadata") or {})}
        content = {**personal, "metadata": metadata}
        sealed.append((lead_id, row["key_id"], sealing.seal(content, lead_id, key.tenant, person_key)))
    await sealing.keep(uow, key, sealed)
    await store.drop_metadata(uow, key.tenant, moved, gone, [METADATA + name for name in gone])
