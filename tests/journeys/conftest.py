"""One installation for every journey: real processes, started as its user starts them, and stopped after the last one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leadloop.home import Home
from tests.journeys.operating import Operator


@pytest.fixture(scope="package")
async def operator(memory_path: Path) -> AsyncIterator[Operator]:
    """The command line with a home in which everything runs."""
    operator = Operator(memory_path / "home")
    await operator.ask("up", "--detach", process=True)
    yield operator
    await operator.ask("down")
    Home.open(operator.home).remove()


@pytest.fixture
async def known(operator: Operator, tenant: str) -> str:
    """A tenant of the test's own, known to every service."""
    await operator.introduce(tenant)
    return tenant
