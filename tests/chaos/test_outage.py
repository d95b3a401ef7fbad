"""An outage makes no good message poison: all of them wait, and are handled when it is over."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.books import Export, assert_balanced
from tests.chaos.imports import import_here
from tests.chaos.system import KEYS, SERVERS, System
from tests.waiting import until

ROWS = 600


@pytest.fixture(scope="module")
def outage(seconds: float) -> float:
    """How long a part is away: five minutes in a long run."""
    return 300.0 if seconds >= 600 else 2.5


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_that_is_away_in_the_middle_of_an_import_costs_nothing_but_time(
    system: System, seed: int, outage: float, tmp_path: Path, server: str
) -> None:
    tenant, export = await system.tenant(f"without-{server}-{seed}"), Export.generate(tmp_path, "crm", ROWS, seed)
    importing = asyncio.create_task(import_here(system, tenant, export))
    await until(lambda: _handled(system, tenant), what="the first lead's verdict")
    async with system.without(server):
        await asyncio.sleep(outage)
    await system.healed()
    await importing
    await assert_balanced(system, tenant, export)


async def test_without_its_keys_nothing_is_handled_and_nothing_is_given_up(
    system: System, seed: int, outage: float, tmp_path: Path
) -> None:
    tenant, export = await system.tenant(f"without-keys-{seed}"), Export.generate(tmp_path, "crm", ROWS, seed)
    async with system.without(KEYS):
        importing = asyncio.create_task(import_here(system, tenant, export))
        await asyncio.sleep(outage)
        assert await _handled(system, tenant) == 0
    await system.healed()
    await importing
    await assert_balanced(system, tenant, export)


async def _handled(system: System, tenant: str) -> int:
    """How many of the tenant's leads have a verdict."""
    async with system.sql() as sql:
        count: int = await sql.fetchval("select count(*) from intake.submission where tenant_id = $1", tenant)
        return count
