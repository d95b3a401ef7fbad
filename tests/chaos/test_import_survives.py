"""Whatever dies while leads and outcomes are imported, none is lost and none is counted twice."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from tests.chaos.books import Export, assert_balanced
from tests.chaos.faults import strike
from tests.chaos.imports import ImportCommand, import_here
from tests.chaos.system import HEALED_WITHIN, System

ROUND_SECONDS = 60.0
"""A long run has rounds of this length, each with tenants and files of its own."""


async def test_nothing_is_lost_or_counted_twice_whatever_is_killed(
    system: System, seed: int, seconds: float, tmp_path: Path
) -> None:
    began = monotonic()
    for number in count():
        left = seconds - (monotonic() - began)
        if number and left < ROUND_SECONDS / 2:
            return
        await _round(system, seed + number, min(left, ROUND_SECONDS), tmp_path, freezing=seconds >= ROUND_SECONDS)


async def _round(system: System, seed: int, seconds: float, folder: Path, *, freezing: bool) -> None:
    """Two tenants import 5,000 leads and 4,000 outcomes: a seller by a command that is killed as well, his leads lost
    and then won over several rows; a bank from here, by an import that has to live through everything.
    """
    deals, contacts = (Export.generate(folder, shape, rows, seed) for shape, rows in (("crm", 2500), ("bank", 4000)))
    seller, bank = await system.tenant(f"seller-{seed}"), await system.tenant(f"bank-{seed}")
    command = ImportCommand(system, seller, deals)
    async with asyncio.TaskGroup() as under_way:
        harm = under_way.create_task(strike(system, seed, seconds, others={"import": command.kill}, freezing=freezing))

        async def again_while_harm_is_done(run: Callable[[], Awaitable[Any]]) -> None:
            await run()
            while not harm.done():
                await run()

        imports = [
            under_way.create_task(again_while_harm_is_done(run))
            for run in (command.run, lambda: import_here(system, bank, contacts))
        ]
        print("\n".join(await harm))
        over = monotonic()
        async with asyncio.timeout(HEALED_WITHIN):
            await asyncio.gather(*imports)
    print(f"the imports ended {monotonic() - over:.1f} s after the last fault")
    await system.healed()
    print(f"nothing waited any more {monotonic() - over:.1f} s after the last fault")
    await assert_balanced(system, seller, deals)
    await assert_balanced(system, bank, contacts)
    await _assert_done(system, {seller: deals, bank: contacts})


async def _assert_done(system: System, exports: Mapping[str, Export]) -> None:
    """Imported once more, the exports change nothing and cause nothing but word of the imports, from their start and their end."""
    events = await system.count_events()
    reports = await asyncio.gather(*(import_here(system, tenant, export) for tenant, export in exports.items()))
    assert not any(report.changed for report in reports), reports
    await system.healed()
    assert await system.count_events() == events + 2 * len(exports)
