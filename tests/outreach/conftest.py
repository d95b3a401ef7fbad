"""Outreach's own database, for tests that do a worker's steps themselves; and outreach running beside intake, for others."""

from collections.abc import AsyncIterator

import pytest

from chassis.unit_of_work import Database
from outreach.app import build
from tests.outreach.scene import Outboxes
from tests.platform import Platform


@pytest.fixture
async def database(platform: Platform) -> AsyncIterator[Database]:
    opened = Database("outreach", platform.settings("outreach").database_url)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def outboxes(platform: Platform) -> AsyncIterator[Outboxes]:
    """Intake and outreach, running for all tests of a file, and what outreach hands over for each of their tenants."""
    outboxes = Outboxes()
    async with platform.running("intake"), build(platform.settings("outreach"), outboxes).running():
        yield outboxes
