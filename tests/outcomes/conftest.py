"""One running outcomes service, and a desk per test: a tenant whose leads intake tells of and whose outcomes are ordered."""

from collections.abc import AsyncIterator

import pytest

from chassis.service import Service
from tests.outcomes.desk import Desk
from tests.platform import Platform


@pytest.fixture(scope="package")
async def service(platform: Platform) -> AsyncIterator[Service]:
    """Outcomes, running alone: the tests speak for the other services.

    The events of every test of this worker are in the stream, also of tenants nobody was told of: they exist.
    """
    service = platform.build("outcomes")
    async with platform.every_name_a_tenants(), service.running():
        yield service


@pytest.fixture(scope="package")
def running(platform: Platform, service: Service) -> Platform:
    """The platform, on which outcomes is running."""
    return platform


@pytest.fixture
async def desk(running: Platform, tenant: str) -> Desk:
    await running.introduce(tenant, "outcomes")
    return Desk(running, tenant)


@pytest.fixture
async def other_desk(running: Platform, tenant: str) -> Desk:
    """The desk of another tenant."""
    other = f"other-{tenant}"[:63]
    await running.introduce(other, "outcomes")
    return Desk(running, other)
