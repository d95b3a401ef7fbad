"""The aggregator's own database, for tests that store events themselves."""

from collections.abc import AsyncIterator

import pytest

from chassis.unit_of_work import Database
from tests.platform import Platform


@pytest.fixture
async def database(platform: Platform) -> AsyncIterator[Database]:
    opened = Database("aggregator", platform.settings("aggregator").database_url)
    yield opened
    await opened.close()
