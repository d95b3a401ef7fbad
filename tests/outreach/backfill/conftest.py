"""A tenant that intake and outreach know, and what outreach hands over for it."""

import pytest

from tests.outreach.scene import Outbox, Outboxes
from tests.platform import Platform


@pytest.fixture
async def outbox(outboxes: Outboxes, platform: Platform, tenant: str) -> Outbox:
    await platform.introduce(tenant, "intake", "outreach")
    return outboxes.of(tenant)
