"""One installation of real processes for all of this folder, with two replicas where that is promised to work."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.system import System

REPLICAS = {"intake": 2, "outcomes": 2}


@pytest.fixture(scope="package")
async def system(memory_path: Path) -> AsyncIterator[System]:
    async with System.running(memory_path / "chaos", REPLICAS) as running:
        yield running


@pytest.fixture(scope="session")
def seconds() -> float:
    """For how long harm is done."""
    return float(os.environ.get("LEADLOOP_CHAOS_SECONDS") or 12)


@pytest.fixture(scope="session")
def seed() -> int:
    """What harm is done, and to which leads; one that is given repeats both, though not the moments."""
    return int(os.environ["LEADLOOP_CHAOS_SEED"])
