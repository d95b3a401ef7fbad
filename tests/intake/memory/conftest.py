"""Intake running for a tenant, and its own database for tests that work within a unit of their own."""

from collections.abc import AsyncIterator

import pytest

from chassis.unit_of_work import Database
from tests.platform import Platform


@pytest.fixture
async def running(intake: Platform, tenant: str) -> Platform:
    """Intake, knowing the tenant."""
    await intake.introduce(tenant, "intake")
    return intake


@pytest.fixture
async def database(running: Platform) -> AsyncIterator[Database]:
    opened = Database("intake", running.settings("intake").database_url)
    yield opened
    await opened.close()
