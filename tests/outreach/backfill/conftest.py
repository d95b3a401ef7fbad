"""Intake and outreach, running, and a provider that keeps what it is handed."""

from collections.abc import AsyncIterator

import pytest

from outreach.app import build
from tests.outreach.scene import Outbox, Outboxes
from tests.platform import Platform


@pytest.fixture(scope="module")
async def outboxes(platform: Platform) -> AsyncIterator[Outboxes]:
    outboxes = Outboxes()
    async with platform.running("intake"), build(platform.settings("outreach"), outboxes).running():
        yield outboxes


@pytest.fixture
async def outbox(outboxes: Outboxes, platform: Platform, tenant: str) -> Outbox:
    await platform.introduce(tenant, "intake", "outreach")
    return outboxes.of(tenant)
