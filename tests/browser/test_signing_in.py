"""Signing in and out, with scripts and without."""

import pytest
from playwright.async_api import expect

from contracts.gateway.sign_in import CreateSignInLink
from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Gateway, Tenancy


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_link_signs_in_once_and_signing_out_ends_it(
    gateway: Gateway, anyone: Tenancy, window: Opening, javascript: bool
) -> None:
    link = await gateway.platform.caller.ask(anyone.name, CreateSignInLink())
    seen = await window(anyone, javascript=javascript)
    page = seen.page
    await page.goto(link.path)
    if javascript:
        await seen.look("sign-in-link")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{gateway.url}/t/{anyone.name}")
    await expect(page.get_by_role("heading", name=f"Overview of {anyone.name}")).to_be_attached()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page).to_have_url(f"{gateway.url}/")
    again = await seen.go()
    assert again.status == 401
    await expect(page.get_by_role("main")).to_contain_text("not signed in")
    assert (await page.goto(link.path)).status == 410  # type: ignore[union-attr]


async def test_a_password_that_was_set_signs_in_and_a_wrong_one_says_so(
    gateway: Gateway, anyone: Tenancy, window: Opening
) -> None:
    user_id = await gateway.user(anyone.name, email="password@example.com", name="Pat Example")
    link = await gateway.platform.caller.ask(anyone.name, CreateSignInLink(user_id=user_id))
    first = await window(anyone)
    await first.page.goto(link.path)
    await first.page.get_by_role("button", name="Sign in").click()
    await first.go("/account")
    await first.look("account")
    await first.page.get_by_label("New password").fill("correct horse battery")
    await first.page.get_by_role("button", name="Set password").click()
    second = await window(anyone, javascript=False)
    await second.page.goto("/sign-in")
    for password, address in (("wrong horse", "/sign-in"), ("correct horse battery", f"/t/{anyone.name}")):
        await second.page.locator("#tenant").fill(anyone.name)
        await second.page.get_by_label("E-mail").fill("password@example.com")
        await second.page.get_by_label("Password").fill(password)
        await second.page.get_by_role("button", name="Sign in").click()
        await expect(second.page).to_have_url(gateway.url + address)
        if address == "/sign-in":
            await expect(second.page.get_by_role("alert")).to_contain_text("wrong")


async def test_the_form_to_sign_in_is_for_everybody(anyone: Tenancy, window: Opening) -> None:
    seen = await window(anyone)
    for path in ("/", "/sign-in", "/sign-in/none"):
        await seen.page.goto(path)
        await seen.look(f"welcome{path.replace('/', '-')}".rstrip("-"))


async def test_a_keyboard_gets_to_the_content_first_and_sees_where_it_is(agent: Window) -> None:
    await agent.go()
    await agent.page.keyboard.press("Tab")
    skip = agent.page.get_by_role("link", name="Skip to content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await agent.page.keyboard.press("Enter")
    await agent.page.keyboard.press("Tab")
    inside, outline = await agent.page.evaluate(
        "[document.activeElement.closest('main') !== null, getComputedStyle(document.activeElement).outlineStyle]"
    )
    assert inside and outline == "solid"


async def test_who_may_not_is_told_so_and_finds_back(window: Opening, anyone: Tenancy) -> None:
    viewer = await window(anyone, Role.VIEWER)
    refused = await viewer.go("/settings/keys")
    assert refused.status == 403
    await viewer.look("refused")
    missing = await viewer.go("/nothing")
    assert missing.status == 404
    await viewer.look("missing")
    await viewer.page.get_by_role("link", name="LeadLoop").click()
