"""A platform of their own: these tests take its servers down, and leave dead letters."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis import consumer
from tests.chassis import ledger
from tests.chassis.scene import Scene
from tests.platform import Platform


@pytest.fixture(scope="session")
async def platform(memory_path: Path) -> AsyncIterator[Platform]:
    async with Platform.start(memory_path / "chassis") as running:
        await ledger.create_tables(running.database_url("postgres"))
        yield running


@pytest.fixture
async def scene(platform: Platform, tenant: str) -> AsyncIterator[Scene]:
    """The ledger service's tenant of this test, which it knows, with empty streams."""
    scene = Scene(platform, tenant)
    await scene.know()
    yield scene
    await scene.restore()


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that cannot be handled is given back at once, and so delivered again each time it is tried."""
    monkeypatch.setattr(consumer, "_PATIENCE_SECONDS", 0.0)
