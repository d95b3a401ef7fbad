"""Intake and outreach, running, and a provider that keeps what it is handed."""

from collections.abc import AsyncIterator

import pytest

from outreach.app import build
from tests.outreach.scene import Outbox
from tests.platform import Platform


@pytest.fixture
async def outbox(platform: Platform, tenant: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(tenant)
    async with platform.running("intake"), build(platform.settings("outreach"), outbox).running():
        await platform.introduce(tenant, "intake", "outreach")
        yield outbox
