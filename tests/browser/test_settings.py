"""Users and keys, as an admin sees to them."""

from playwright.async_api import expect

from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.webhooks.test_webhooks import account


async def test_a_user_is_added_given_another_role_and_signed_in_by_a_link(
    gateway: Gateway, acme: Tenancy, admin: Window, window: Opening
) -> None:
    page = admin.page
    await admin.go("/settings/users")
    await admin.look("users")
    add = page.get_by_role("region", name="Add a user")
    await add.get_by_label("Name").fill("Bo Example")
    await add.get_by_label("E-mail").fill("bo@example.com")
    await add.get_by_role("button", name="Add").click()
    row = page.get_by_role("row", name="Bo Example")
    await row.get_by_label("Role of Bo Example").select_option("viewer")
    await row.get_by_role("button", name="Change").click()
    await expect(row.get_by_label("Role of Bo Example")).to_have_value("viewer")
    await row.get_by_role("button", name="Link").click()
    link = await page.get_by_role("status").locator("code").inner_text()
    theirs = await window(acme)
    await theirs.page.goto(link.removeprefix(gateway.url))
    await theirs.page.get_by_role("button", name="Sign in").click()
    await expect(theirs.page).to_have_url(f"{gateway.url}/t/{acme.name}")
    await row.get_by_role("button", name="Suspend").click()
    await expect(row).to_contain_text("suspended")
    assert (await theirs.go()).status == 401


async def test_a_key_is_made_shown_once_and_revoked(gateway: Gateway, acme: Tenancy, window: Opening) -> None:
    admin = await window(acme, Role.ADMIN, javascript=False)
    page = admin.page
    await admin.go("/settings/keys")
    make = page.get_by_role("region", name="Make a key")
    await make.get_by_label("What it is for").fill("a program")
    await make.get_by_role("button", name="Make").click()
    secret = await page.get_by_role("status").locator("code").inner_text()
    async with gateway.client(secret) as client:
        assert (await client.get(acme.path("/campaigns"))).status_code == 200
        await admin.go("/settings/keys")
        assert secret not in await page.content()
        await page.get_by_role("button", name="Revoke a program").click()
        await expect(page.get_by_role("row", name="a program")).to_contain_text("revoked")
        assert (await client.get(acme.path("/campaigns"))).status_code == 401


async def test_a_secret_of_webhooks_is_made_rotated_and_revoked(
    gateway: Gateway, acme: Tenancy, admin: Window, window: Opening
) -> None:
    await account(gateway, acme)
    await admin.go("/settings/webhooks")
    await admin.look("webhooks")
    plain = await window(acme, Role.ADMIN, javascript=False)
    page = plain.page
    await plain.go("/settings/webhooks")
    await page.get_by_role("region", name="Make a secret").get_by_role("button", name="Make").click()
    await expect(page.get_by_role("status").locator("code")).to_contain_text("whsec_")
    await page.get_by_role("button", name="Rotate the secrets of Sales").click()
    await expect(page.get_by_role("button", name="Revoke secret")).to_have_count(2)
    await page.get_by_role("button", name="Revoke secret").last.click()
    await expect(page.get_by_role("button", name="Revoke secret")).to_have_count(1)
    assert "whsec_" not in await page.content()


async def test_the_page_of_keys_is_for_everybody(admin: Window) -> None:
    await admin.go("/settings/keys")
    await admin.look("keys")
