"""Leads that may be one person although nothing says so for sure: they are found by name and place, and people decide."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.jobs import Counts, every_tenant
from chassis.keys import TenantKey, TenantKeys
from chassis.unit_of_work import Database, UnitOfWork
from intake.people import store_review as store
from intake.people.domain_review import ALIKE, block_of, likeness, spelled
from intake.people.store_review import Pair
from intake.vault import sealing
from intake.vault import store as vault

MATES = 100
"""With how many leads one is compared: the newest of its block. A larger block, as a common name's in a large city, is
not searched through."""
_BATCH = 100
_BATCHES = 100
"""How many batches of one tenant a run takes at most; the next run goes on, so that no tenant holds up another's."""


class Named(NamedTuple):
    """A lead with what it may be compared by."""

    lead_id: UUID
    name: str | None
    geo_key: str | None
    is_new: bool


def keep_blocks(uow: UnitOfWork, key: TenantKey, leads: Sequence[Named]) -> None:
    """Keep by what leads that are new, or have another name or place than before, are to be compared.

    It is a keyed hash, from which neither can be guessed.
    """
    blocks = {lead.lead_id: block_of(lead.name, lead.geo_key) for lead in leads}
    numbers = [(lead_id, _number(key, block)) for lead_id, block in blocks.items() if block]
    store.keep_blocks(uow, key.tenant, numbers)
    store.drop_blocks(uow, key.tenant, [lead.lead_id for lead in leads if not lead.is_new and not blocks[lead.lead_id]])


async def compare_names(database: Database, keys: TenantKeys, _: datetime) -> Counts:
    """The job that compares the names of new leads with those of others in their place, tenant by tenant.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been looked at.
    """

    async def compare(tenant: str) -> Counts:
        counts = {"compared": 0, "found": 0}
        for _batch in range(_BATCHES):
            async with database.begin(tenant) as uow:
                compared, found = await compare_batch(uow, keys, tenant)
            counts["compared"] += compared
            counts["found"] += found
            if compared < _BATCH:
                break
        return counts

    return await every_tenant(database, compare)


async def compare_batch(uow: UnitOfWork, keys: TenantKeys, tenant: str) -> tuple[int, int]:
    """Compare a batch of one tenant's new leads; returns how many, and how many pairs were found."""
    leads = await store.to_compare(uow, tenant, _BATCH)
    if not leads:
        return 0, 0
    pairs = await store.mates(uow, tenant, leads, MATES)
    found: list[tuple[Pair, int]] = []
    if pairs:
        key = await keys.of(uow, tenant)
        sealed = await vault.sealed(uow, tenant, {lead for pair in pairs for lead in pair})
        found = await asyncio.to_thread(_alike, key, sealed, pairs)
    await store.replace_pairs(uow, tenant, [lead for lead, _ in leads], found)
    return len(leads), len(found)


def _alike(key: TenantKey, sealed: Sequence[RowMapping], pairs: Collection[Pair]) -> list[tuple[Pair, int]]:
    names = {row["lead_id"]: spelled(str(sealing.open_wrapped(row, key).get("name", ""))) for row in sealed}
    scores = {pair: likeness(*(names.get(lead, "") for lead in pair)) for pair in sorted(pairs)}
    return [(pair, score) for pair, score in scores.items() if score >= ALIKE]


def _number(key: TenantKey, block: str) -> int:
    return int.from_bytes(bytes.fromhex(key.lasting_token("name_block", block))[:8], signed=True)
