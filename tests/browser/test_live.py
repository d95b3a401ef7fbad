"""What happens is shown to whoever has the overview open, while they look at it."""

from playwright.async_api import expect

from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Tenancy


async def test_what_happens_appears_by_itself_until_it_is_paused(acme: Tenancy, agent: Window) -> None:
    page = agent.page
    await agent.go()
    activity = page.get_by_role("region", name="Activity")
    await expect(activity.get_by_text("Live", exact=True)).to_be_visible()
    await expect(activity).not_to_contain_text("Lead accepted")
    await submit(acme, 1)
    await expect(activity).to_contain_text("Lead accepted", timeout=15_000)
    await activity.get_by_role("link", name="Pause").click()
    await expect(activity).to_contain_text("Paused")
    await submit(acme, 2)
    await activity.get_by_role("link", name="Resume").click()
    await expect(activity.get_by_text("Lead accepted")).to_have_count(2)


async def test_without_scripts_the_list_is_had_anew_by_loading_the_page(acme: Tenancy, window: Opening) -> None:
    seen = await window(acme, Role.AGENT, javascript=False)
    await seen.go()
    activity = seen.page.get_by_role("region", name="Activity")
    await expect(activity.get_by_text("Live", exact=True)).to_be_hidden()
    await submit(acme, 1)
    reload = activity.get_by_role("link", name="Reload for what is newer")
    for _ in range(30):
        await reload.click()
        if await activity.get_by_text("Lead accepted").count():
            return
    raise AssertionError("the lead never came")


async def submit(acme: Tenancy, number: int) -> None:
    lead = {"source_system": "crm", "source_id": f"L-{number}", "full_name": "Zebedee Quark"}
    assert (await acme.client.post(acme.path("/leads"), json=lead)).status_code == 201
