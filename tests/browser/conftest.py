"""Debian's Chromium, driven by Playwright, in front of one whole installation for every journey."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
from playwright.async_api import Browser, async_playwright

from contracts.taxonomy import Role
from tests.browser.window import CHROMIUM, Window
from tests.gateway.conftest import Gateway, Tenancy, acme, anyone, gateway

__all__ = ["acme", "anyone", "gateway"]

_PATIENCE_MILLISECONDS = 20_000

Opening = Callable[..., Awaitable[Window]]


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium; apt-get install --no-install-recommends chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        await browser.close()


@pytest.fixture
async def window(chromium: Browser, gateway: Gateway, request: pytest.FixtureRequest) -> AsyncIterator[Opening]:
    """Opens windows, `await window(tenancy, Role.AGENT)`: each with cookies of its own, and signed in where a role is given.

    With `javascript=False` it runs no scripts. When the test is over nothing must have gone wrong in any of them; what each showed last
    is kept as a picture.
    """
    opened: list[Window] = []

    async def open_window(tenancy: Tenancy, role: Role | None = None, *, javascript: bool = True) -> Window:
        context = await chromium.new_context(base_url=gateway.url, java_script_enabled=javascript, locale="en-GB")
        context.set_default_timeout(_PATIENCE_MILLISECONDS)
        if role is not None:
            await context.add_cookies(await _signed_in(gateway, tenancy.name, role))
        made = Window(await context.new_page(), gateway.url, tenancy.name)
        opened.append(made)
        return made

    yield open_window
    for number, each in enumerate(opened):
        await each.picture(f"end/{request.node.name}-{number}", whole=False)
        await each.page.context.close()
    faults = [fault for each in opened for fault in each.faults]
    assert not faults, "\n".join(faults)


async def _signed_in(gateway: Gateway, tenant: str, role: Role) -> list[dict[str, str]]:
    """The cookies of a new session of a new user."""
    user_id = await gateway.user(
        tenant, role, name=f"Ann {role.capitalize()}", email=f"{role}-{uuid4().hex}@example.com"
    )
    async with gateway.client() as client:
        await gateway.sign_in(client, tenant, user_id)
        return [{"name": cookie.name, "value": cookie.value or "", "url": gateway.url} for cookie in client.cookies.jar]


@pytest.fixture
async def viewer(window: Opening, acme: Tenancy) -> Window:
    """A viewer's window on the test's own tenant, as each of the next is its role's."""
    return await window(acme, Role.VIEWER)


@pytest.fixture
async def agent(window: Opening, acme: Tenancy) -> Window:
    return await window(acme, Role.AGENT)


@pytest.fixture
async def operator(window: Opening, acme: Tenancy) -> Window:
    return await window(acme, Role.OPERATOR)


@pytest.fixture
async def admin(window: Opening, acme: Tenancy) -> Window:
    return await window(acme, Role.ADMIN)


@pytest.fixture
async def auditor(window: Opening, acme: Tenancy) -> Window:
    return await window(acme, Role.AUDITOR)
