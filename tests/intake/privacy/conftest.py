"""Intake, knowing a tenant."""

from collections.abc import AsyncIterator

import pytest

from tests.intake.privacy.scene import Vault
from tests.platform import Platform


@pytest.fixture
async def vault(platform: Platform, tenant: str) -> AsyncIterator[Vault]:
    async with platform.running("intake"):
        await platform.introduce(tenant, "intake")
        yield Vault(platform, tenant)
