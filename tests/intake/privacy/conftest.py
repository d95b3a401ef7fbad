"""Intake, knowing a tenant."""

import pytest

from tests.intake.privacy.scene import Vault
from tests.platform import Platform


@pytest.fixture
async def vault(intake: Platform, tenant: str) -> Vault:
    await intake.introduce(tenant, "intake")
    return Vault(intake, tenant)
