"""Intake, knowing the test's tenant."""

from collections.abc import AsyncIterator

import pytest

from tests.intake.routing.desk import Desk
from tests.platform import Platform


@pytest.fixture
async def desk(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    async with platform.running("intake"):
        await platform.introduce(tenant, "intake")
        yield Desk(platform, tenant)
