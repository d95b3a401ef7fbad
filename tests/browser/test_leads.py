"""Leads, as an agent works on them: found, seen by name, followed, and told what became of them."""

import re

from playwright.async_api import expect

from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Tenancy
from tests.waiting import until

LEADS = 5


async def filled(tenancy: Tenancy) -> None:
    for n in range(LEADS):
        lead = {
            "source_system": "crm", "source_id": f"L-{n}", "full_name": f"Ada Example {n}", "phone": f"(614) 555-014{n}", "tier": "AB"[n % 2],
            "timeline": "0-30", "source": "Open house", "geo": "Dublin, OH", "intent": "buyer", "created_at": "2026-01-05T12:00:00Z",
        }  # fmt: skip
        (await tenancy.client.post(tenancy.path("/leads"), json=lead)).raise_for_status()


async def test_a_lead_is_found_by_a_view_seen_by_name_and_told_what_became_of_it(acme: Tenancy, agent: Window) -> None:
    await filled(acme)
    page = agent.page
    await agent.go()
    await page.get_by_role("link", name="Leads", exact=True).click()
    await expect(page.get_by_role("row")).to_have_count(LEADS + 1)
    await agent.look("leads")
    await page.get_by_label("Tier").select_option("A")
    await expect(page.get_by_role("row")).to_have_count(4)
    await page.get_by_text("Keep this as a view").click()
    await page.get_by_label("Name", exact=True).fill("Hot")
    await page.get_by_role("button", name="Keep", exact=True).click()
    await expect(page.get_by_role("link", name="Hot")).to_have_attribute("aria-current", "page")
    await page.get_by_role("button", name="Show names").click()
    await expect(page.get_by_role("link", name="Ada Example 4")).to_be_visible()
    await agent.look("leads-by-name")
    await page.get_by_role("link", name="Ada Example 4").click()

    record = page.get_by_role("region", name="Record an outcome")
    await record.get_by_label("Notes").fill("Wants to see it on Monday")
    await record.get_by_role("button", name="Record").click()
    outcomes = page.get_by_role("region", name="Outcomes")
    await expect(outcomes).to_contain_text("Wants to see it on Monday")
    title = page.locator(".title")
    await expect(title).to_contain_text("top of funnel")
    await record.get_by_label("Outcome").select_option("closed_won")
    await record.get_by_role("button", name="Record").click()
    await expect(title).to_contain_text("won")
    await record.get_by_label("Outcome").select_option("closed_lost")
    await record.get_by_role("button", name="Record").click()
    await expect(record.get_by_role("alert")).to_contain_text("won already")
    await agent.look("lead-blocked")
    person = page.get_by_role("region", name="Person")
    await person.get_by_label("What for").select_option("work_lead")
    await person.get_by_role("button", name="Show who it is").click()
    await expect(person).to_contain_text("+16145550144")
    await agent.look("lead")

    await agent.go("/leads/board")
    await expect(page.get_by_role("heading", name="Won")).to_contain_text("1")
    await agent.look("board")


async def test_without_scripts_what_is_odd_is_said_beside_the_outcome_and_it_is_taken_back(
    acme: Tenancy, window: Opening
) -> None:
    await filled(acme)
    agent = await window(acme, Role.AGENT, javascript=False)
    page = agent.page
    await agent.go("/leads?tier=B")
    await page.get_by_role("link", name=re.compile("^Lead [0-9a-f]{6}$")).last.click()

    async def heard_of() -> bool:
        await page.reload()
        return await page.get_by_text("No outcome yet").count() == 1

    await until(heard_of, what="the lead's arrival at outcomes")
    record = page.get_by_role("region", name="Record an outcome")
    await record.get_by_label("Outcome").select_option("appointment_set")
    await record.get_by_role("button", name="Record").click()
    outcomes = page.get_by_role("region", name="Outcomes")
    await expect(outcomes.get_by_role("status")).to_contain_text("although nobody had contacted the lead")
    await outcomes.get_by_text("Change").click()
    await outcomes.get_by_role("button", name="Take back").click()
    await expect(outcomes).to_contain_text("taken back")
    await expect(page.locator(".title")).to_contain_text("no outcome")
