"""Intake and those it tells, running for all tests of the package."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from intake.imports import executing, importing
from tests.intake.imports.scene import Scene
from tests.platform import Platform


@pytest.fixture(scope="package")
async def services(platform: Platform) -> AsyncIterator[Platform]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(executing, "_POLL_SECONDS", 0.05)
        patched.setattr(executing, "_AFTER_AN_INTERRUPTION", timedelta(0))
        patched.setattr(importing, "_WAITING_SECONDS", 0.5)
        async with platform.running("intake", "outcomes", "outreach"):
            yield platform


@pytest.fixture
async def scene(services: Platform, tenant: str) -> Scene:
    await services.introduce(tenant, "intake", "outcomes", "outreach")
    return Scene(services, tenant)
