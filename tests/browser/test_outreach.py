"""Outreach, from a text that is written to a message that leaves, one that does not, and somebody who is left alone."""

import re
from uuid import uuid4

from playwright.async_api import expect

from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Tenancy


async def test_a_campaign_is_made_sends_and_is_stopped(acme: Tenancy, operator: Window) -> None:
    page = operator.page
    await operator.go("/templates/new")
    await page.get_by_label("Name (small letters").fill("first_contact")
    await page.get_by_label("Subject").fill("A question, {{ frist_name }}")
    await page.get_by_label("Text", exact=True).fill("Hello {{ first_name | default: 'there' }}")
    await page.get_by_role("button", name="Check and preview").click()
    await expect(page.get_by_role("alert")).to_contain_text("frist_name")
    await page.get_by_label("Subject").fill("A question")
    await page.get_by_role("button", name="Check and preview").click()
    await expect(page.get_by_role("region", name="Preview")).to_contain_text("Hello [first_name]")
    await operator.look("template-form")
    await page.get_by_role("button", name="Save as a new template").click()
    await expect(page.get_by_role("heading", name="first_contact, version 1")).to_be_visible()

    await operator.go("/accounts/new")
    await page.get_by_label("How people call it").fill("Sales")
    await page.get_by_label("Its mailbox").fill("sales@example.com")
    await page.get_by_label("Share it refuses").fill("0")  # or one lead in fifty is never sent anything
    await page.get_by_role("button", name="Add", exact=True).click()
    settings = page.get_by_role("region", name="How it sends")
    for gap in ("at least", "at most"):
        await settings.get_by_label(f"Gap, {gap}").fill("0")
    await settings.get_by_role("button", name="Set").click()
    await expect(settings.get_by_label("Gap, at most")).to_have_value("0")

    await operator.go("/campaigns/new")
    await page.get_by_label("Title").fill("Autumn")
    await page.get_by_role("combobox", name="Text", exact=True).select_option(label="first_contact (version 1, E-mail)")
    await page.get_by_role("button", name="Add a step").click()
    second = page.get_by_role("group", name="Step 2")
    await second.get_by_role("combobox", name="Text", exact=True).select_option(
        label="first_contact (version 1, E-mail)"
    )
    hours = page.get_by_role("group", name="How it sends")
    await hours.get_by_label("From", exact=True).fill("00:00")
    await hours.get_by_label("Until", exact=True).fill("24:00")
    await hours.get_by_label("Holidays").fill("none")
    for day in ("Sat", "Sun"):
        await hours.get_by_label(day).check()
    await operator.look("campaign-form")
    await page.get_by_role("button", name="Start it").click()
    await expect(page.get_by_role("heading", name="Autumn", exact=True)).to_be_visible()

    await operator.go("/outreach/activity?which=sent")
    await expect(page.get_by_text("Nothing here")).to_be_visible()
    lead = {"source_system": "crm", "source_id": uuid4().hex, "email": "ada@example.com", "full_name": "Ada Quark"}
    assert (await acme.client.post(acme.path("/leads"), json=lead)).status_code == 201
    await expect(page.get_by_role("row", name="sent E-mail Autumn")).to_be_visible(timeout=20_000)  # by itself
    await operator.look("timeline")
    await page.get_by_role("button", name="Show names").click()
    await expect(page.get_by_role("link", name="Ada Quark")).to_be_visible()

    await operator.go("/queue")
    await expect(page.get_by_text("Nothing is to leave today")).to_be_visible()
    await page.get_by_role("link", name="After today", exact=True).click()
    await page.get_by_role("row", name="step 2").get_by_role("link", name="E-mail").click()
    await expect(page.get_by_role("heading", name="It is not due yet")).to_be_visible()
    await operator.look("message")
    await page.get_by_label("Why").select_option(label="Wrong person")
    await page.get_by_role("button", name="Skip this message").click()
    await expect(page.get_by_role("region", name="What happened to it")).to_contain_text("Skipped wrong person")

    await operator.go("/campaigns")
    await operator.look("campaigns")
    row = page.get_by_role("row", name=re.compile("Autumn"))
    await row.get_by_role("button", name="Pause Autumn").click()
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    await operator.look("campaign")
    for path in ("accounts", "templates", "queue?day=all"):
        await operator.go(f"/{path}")
        await operator.look(path.partition("?")[0])


async def test_somebody_is_left_alone_and_let_in_again_without_a_script(acme: Tenancy, window: Opening) -> None:
    operator = await window(acme, Role.OPERATOR, javascript=False)
    page = operator.page
    await operator.go("/suppressions")
    add = page.get_by_role("region", name="Have somebody not be contacted")
    await add.get_by_label("E-mail", exact=True).fill("eve@example.com")
    await add.get_by_label("Note").fill("Asked on the phone.")
    await add.get_by_role("button", name="Add").click()
    row = page.get_by_role("row", name=re.compile("Do not contact"))
    await expect(row).to_contain_text("holds")
    await row.get_by_text("Lift").first.click()
    await row.get_by_label("Why").fill("A new form.")
    await row.get_by_role("button", name="Lift").click()
    await expect(row).to_contain_text("lifted")
    file = {"name": "them.csv", "mimeType": "text/csv", "buffer": b"email,reason\nada@example.com,request\n,request\n"}
    await page.get_by_label("CSV in UTF-8").set_input_files(files=[file])  # type: ignore[list-item]
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("status")).to_contain_text("1 taken, 1 refused")


async def test_the_page_of_suppressions_is_for_everybody(operator: Window) -> None:
    await operator.go("/suppressions")
    await operator.look("suppressions")
