"""Real parts for every test: one Postgres and one NATS per test process, provisioned as an installation is."""

import re
import uuid
from collections.abc import AsyncIterator

import pytest

from tests.platform import Platform


@pytest.fixture(scope="session")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """Database, broker and keys, provisioned; no service runs until a test starts it."""
    async with Platform.start(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant of the test's own, so that tests share the servers and nothing else."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"
