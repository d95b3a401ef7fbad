"""What tests of identity share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from chassis.limits.counters import LocalCounters
from gateway.identity.attempts import Attempts
from gateway.identity.refusals import Refusals
from tests.gateway.conftest import Gateway, Tenancy


@pytest.fixture(autouse=True)
def nothing_counted(request: pytest.FixtureRequest) -> None:
    """All tests come from one address: each that meets the gateway begins with attempts and refusals of its own."""
    if "gateway" not in request.fixturenames:
        return
    gateway: Gateway = request.getfixturevalue("gateway")
    attempts: Attempts = gateway.app.state.attempts
    refusals: Refusals = gateway.app.state.refusals
    for counters in (attempts.counters, refusals.counters):
        assert isinstance(counters, LocalCounters)
        counters._counters.clear()


@pytest.fixture
async def admin(gateway: Gateway, acme: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which acme's first admin is signed in."""
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name)
        yield browser
