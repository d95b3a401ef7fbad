"""What agents do all day: outcomes of many leads at once, of those that miss one, replies, and what is due."""

from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from contracts.outcomes import ChooseLeads, LeadFilter, MissingOutcomes
from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.pages.working import answer, contacted, new_lead
from tests.waiting import until


async def test_outcomes_of_ticked_leads_and_of_a_table_are_recorded_and_taken_back(
    gateway: Gateway, acme: Tenancy, agent: Window
) -> None:
    leads = [await new_lead(acme, source="Organic Search", geo="Dublin, OH", tier="AB"[n % 2]) for n in range(4)]

    async def known() -> bool:
        found = await gateway.platform.caller.ask(
            acme.name, ChooseLeads(leads=LeadFilter(source_key="organic_search"), count=True)
        )
        return found.count == len(leads)

    await until(known, what="the leads' arrival at outcomes")
    page = agent.page
    await agent.go("/outcomes/bulk")
    await agent.look("bulk-empty")
    find = page.get_by_role("region", name="Leads", exact=True).first
    await find.get_by_label("Source").fill("organic_search")
    await page.get_by_role("button", name="Find leads").click()
    for lead in leads[:3]:
        await page.get_by_label(f"Tick lead {lead.hex[-6:]}").check()
    await page.locator("#chosen-type").select_option("contacted")
    await page.get_by_role("button", name="Record of the ticked").click()
    await expect(page.get_by_role("region", name="What became of it")).to_contain_text("3 recorded")
    await expect(page.get_by_role("row", name=leads[0].hex[-6:])).to_contain_text("top of funnel")
    await expect(page.get_by_role("row", name=leads[3].hex[-6:])).to_contain_text("no outcome")

    await page.get_by_label("Rows, pasted").fill(f"{leads[3]}, appointment_set\n{leads[0]}, sold")
    await page.get_by_role("button", name="Record the table").click()
    verdicts = page.get_by_role("region", name="What became of it")
    await expect(verdicts).to_contain_text("nobody had contacted the lead")
    await expect(verdicts).to_contain_text("Cannot be read")
    await page.goto(f"{page.url.removesuffix('/table')}?source_key=organic_search")
    await agent.look("bulk")
    await page.locator("#chosen-type").select_option("invalid")
    await page.get_by_role("button", name="Record of all that match").click()
    await agent.look("bulk-confirm")
    await page.get_by_role("link", name="Do not").click()
    bulks = page.get_by_role("region", name="Earlier bulks")
    row = bulks.get_by_role("row", name="Contacted")
    await row.get_by_text("Void all").click()
    await row.get_by_label("Why, in words").fill("the wrong list")
    await row.get_by_role("button", name="Void 3 outcomes").click()
    await expect(page.get_by_role("status")).to_contain_text("3 outcomes were voided")
    await expect(row).to_contain_text("voided")


async def test_a_lead_that_misses_an_outcome_leaves_the_list_with_one_click(
    gateway: Gateway, acme: Tenancy, window: Opening
) -> None:
    leads = [
        await new_lead(acme, tier="A", timeline="0-30", created_at="2026-01-05T12:00:00Z", source="Open house")
        for _ in range(3)
    ]

    async def missed() -> bool:
        return (await gateway.platform.caller.ask(acme.name, MissingOutcomes())).count == len(leads)

    await until(missed, what="the leads' arrival at outcomes")
    agent = await window(acme, Role.AGENT, javascript=False)
    page = agent.page
    await agent.go("/outcomes/missing")
    await page.get_by_role("button", name=f"Invalid of lead {leads[0].hex[-6:]}").click()
    await expect(page.get_by_role("status")).to_contain_text("1 outcome was recorded")
    for lead in leads[1:]:
        await page.get_by_label(f"Tick lead {lead.hex[-6:]}").check()
    await page.get_by_role("button", name="Mark as contacted").click()
    await expect(page.get_by_role("region", name="Missing outcomes")).to_contain_text("No outcome is missing")


async def test_a_reply_is_read_and_seen_to_and_the_follow_up_of_another_is_skipped(
    gateway: Gateway, acme: Tenancy, operator: Window
) -> None:
    messages = await contacted(gateway, acme, 3)
    (first, asked), (second, other), (third, _) = messages.items()
    await answer(gateway, acme, asked, "Blue seventeen, and the azure cottage.")
    await answer(gateway, acme, other, "I am out of the office until further notice.")
    page = operator.page
    await operator.go("/inbox")
    await page.get_by_role("button", name="Show what they say").click()
    await expect(page.get_by_text("the azure cottage")).to_be_visible()
    await operator.look("inbox")
    await page.get_by_label("It says").select_option("interested")
    await page.get_by_role("button", name="Classify").click()
    await expect(page.get_by_text("No reply waits for anybody")).to_be_visible()
    await page.get_by_role("link", name="All").click()
    await page.get_by_role("button", name=f"Stop the sequence of lead {second.hex[-6:]}").click()
    await expect(page.get_by_role("button", name="Stop the sequence")).to_have_count(0)
    await operator.look("inbox-all")

    await operator.go("/tasks?due=week")
    await expect(page.get_by_role("row", name=third.hex[-6:])).to_contain_text("Hello")
    async with gateway.platform.sql() as sql:
        await sql.execute("update outreach.account set state = 'paused' where tenant_id = $1", acme.name)
        await sql.execute(
            "update outreach.send_queue set due_at = $2 where tenant_id = $1 and state = 'queued'",
            acme.name, datetime.now(UTC) - timedelta(days=1),
        )  # fmt: skip
    await operator.go("/tasks")
    await operator.look("tasks")
    await expect(page.get_by_role("row", name=third.hex[-6:])).to_contain_text("overdue")
    assert first != third
    await page.get_by_role("button", name=f"Skip the follow-up to lead {third.hex[-6:]}").click()
    await expect(page.get_by_text("No follow-up is due today")).to_be_visible()


async def test_the_list_of_missing_outcomes_is_for_everybody(gateway: Gateway, acme: Tenancy, agent: Window) -> None:
    await gateway.neglected_lead(acme)
    await agent.go("/outcomes/missing")
    await agent.look("missing")
