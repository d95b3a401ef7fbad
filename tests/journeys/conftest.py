"""One installation for every journey: real processes, started as its user starts them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journeys.operating import Operator


@pytest.fixture(scope="session")
async def operator(memory_path: Path) -> AsyncIterator[Operator]:
    """The command line with a home in which everything runs."""
    operator = Operator(memory_path / "home")
    await operator.ask("up", "--detach", process=True)
    yield operator
    await operator.ask("down")


@pytest.fixture
async def known(operator: Operator, tenant: str) -> str:
    """A tenant of the test's own, known to every service."""
    await operator.introduce(tenant)
    return tenant
