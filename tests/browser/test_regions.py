"""From a part of a page that is exchanged by itself one gets to other pages, and these are shown whole."""

from playwright.async_api import expect

from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.test_numbers import sold
from tests.gateway.conftest import Tenancy

__all__ = ["sold"]


async def test_a_lead_of_the_list_is_opened_and_the_way_back_shows_the_list(sold: Tenancy, window: Opening) -> None:
    seen = await window(sold, Role.AGENT)
    page = seen.page
    await seen.go("/leads")
    await page.get_by_role("table").locator("tbody tr").first.locator("a code").click()
    await expect(page.get_by_role("heading", name="Outcomes", exact=True)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("table").locator("tbody tr")).to_have_count(12)


async def test_the_overview_leads_to_all_win_rates_and_these_stand_alone(sold: Tenancy, window: Opening) -> None:
    seen = await window(sold, Role.VIEWER)
    page = seen.page
    await seen.go()
    await page.get_by_role("link", name="Week by week, cohorts and files").click()
    await expect(page.get_by_role("heading", name="Week by week")).to_be_visible()
    await expect(page.get_by_role("heading", name="What to do next")).to_have_count(0)


async def test_what_a_filter_is_refused_for_is_said(sold: Tenancy, window: Opening) -> None:
    seen = await window(sold, Role.VIEWER)
    page = seen.page
    await seen.go("/leads")
    await page.get_by_text("Source, place, product, workspace, day").click()
    await page.get_by_role("searchbox", name="Workspace").fill("no such name")
    await page.get_by_role("searchbox", name="Workspace").press("Enter")
    await expect(page.get_by_role("main")).to_contain_text("Workspace: ")
    assert {fault.split()[0] for fault in seen.faults} == {"400"}
    seen.faults.clear()
