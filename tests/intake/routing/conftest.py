"""Intake, knowing the test's tenant."""

import pytest

from tests.intake.routing.desk import Desk
from tests.platform import Platform


@pytest.fixture
async def desk(intake: Platform, tenant: str) -> Desk:
    await intake.introduce(tenant, "intake")
    return Desk(intake, tenant)
