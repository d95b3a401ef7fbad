"""Weeks of outreach on a moved clock, with its processes killed at random: no rule is broken even once."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.platform import Platform
from tests.simulation.scenario import SLICE, WHOLE
from tests.simulation.simulation import Simulation

SCENARIO, SECONDS = (WHOLE, 7200) if os.environ.get("LEADLOOP_SIMULATION") == "whole" else (SLICE, 300)
"""What is simulated, and how long a machine that is busy with other things may take for it."""


@pytest.fixture
async def scratch(memory_path: Path) -> AsyncIterator[Platform]:
    """An installation of its own: a process on a moved clock works for every tenant that there is."""
    async with Platform.start(memory_path / "simulation") as running:
        yield running


@pytest.mark.timeout(SECONDS)
async def test_whatever_dies_no_rule_is_broken_and_nothing_is_sent_twice(scratch: Platform) -> None:
    seed = int(os.environ["LEADLOOP_CHAOS_SEED"])
    async with Simulation.prepared(scratch, SCENARIO, seed) as simulation:
        await simulation.run()
        await simulation.check()
        shown = await simulation.shown()
    print(", ".join(f"{what} {number}" for what, number in sorted(shown.items())))
    assert {what: shown.get(what, 0) for what, least in SCENARIO.least.items() if shown.get(what, 0) < least} == {}
