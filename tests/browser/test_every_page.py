"""Every page there is, on a tenant whose texts are attacks: by construction, whoever adds one."""

from collections.abc import AsyncIterator

import pytest

from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import NARROW, fits, no_serious_fault
from tests.gateway.conftest import Gateway
from tests.gateway.hostile import Attacked, attacked


@pytest.fixture(scope="package")
async def hostile(gateway: Gateway) -> AsyncIterator[Attacked]:
    async with attacked(gateway, "hostile-pages") as made:
        yield made


async def test_every_page_fits_a_phone_has_no_serious_fault_and_runs_nobodys_script(
    gateway: Gateway, hostile: Attacked, window: Opening
) -> None:
    """That a script is tried at all is told on the console, for the policy refuses it, and every window listens there."""
    seen = await window(hostile.tenancy, Role.ADMIN)
    await seen.page.set_viewport_size({"width": NARROW, "height": 800})
    for address in hostile.pages(gateway):
        response = await seen.page.goto(address)
        assert response is not None and response.ok, address
        if not (await response.text()).startswith("<!doctype html>"):
            continue  # a part, for a page to put into itself
        await fits(seen.page)
        await no_serious_fault(seen.page)
