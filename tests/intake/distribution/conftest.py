from collections.abc import AsyncIterator

import pytest

from chassis.schema import role_of
from chassis.unit_of_work import Database
from tests.intake.distribution.scene import Scene
from tests.platform import Platform


@pytest.fixture
async def scene(platform: Platform, tenant: str) -> AsyncIterator[Scene]:
    """A tenant without anything, on intake's database."""
    database = Database("intake", platform.database_url(role_of("intake")))
    scene = Scene(database, tenant)
    await scene.know()
    yield scene
    await database.close()
