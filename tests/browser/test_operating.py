"""Rules, agents, what waits, alerts, limits and the reference, as those who run a tenant go through them; without scripts, too."""

from playwright.async_api import expect

from contracts.gateway.access import AccessRefused, RefusedFor
from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Gateway, Tenancy


async def test_rules_are_written_tried_and_published_and_a_lead_that_waits_is_given_away(
    acme: Tenancy, window: Opening
) -> None:
    for name in ("L-1", "L-2"):
        lead = {"source_system": "crm", "source_id": name, "full_name": "Ada Example", "geo": "Dublin OH"}
        assert (await acme.client.post(acme.path("/leads"), json=lead)).is_success
    operator = await window(acme, Role.OPERATOR, javascript=False)
    page = operator.page
    await operator.go("/routing")
    await page.get_by_role("button", name="Begin a draft").click()
    await page.get_by_role("link", name="Add a workspace").click()
    await page.get_by_label("Name").fill("Ohio!")
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("alert").first).to_be_visible()
    await page.get_by_label("Name").fill("ohio")
    await page.get_by_role("button", name="Add").click()
    await page.get_by_role("link", name="Add a rule").click()
    await page.get_by_label("Name").fill("ohio_leads")
    await page.get_by_label("Place").fill("dublin_oh")
    await page.get_by_role("button", name="Add").click()
    await page.get_by_role("button", name="Dry run").click()
    moves = page.get_by_role("region", name="Dry run")
    await expect(moves).to_contain_text("Would move at once")
    await expect(moves.get_by_role("row", name="no rule matches ohio 2")).to_be_visible()
    await page.get_by_role("button", name="Publish").click()
    await expect(page.get_by_role("row", name="Version 3 published")).to_contain_text("by you")

    await page.get_by_role("link", name="Distribution", exact=True).click()
    await page.get_by_role("link", name="Agents", exact=True).click()
    add = page.get_by_role("region", name="Add an agent")
    await add.get_by_label("User").fill("user:7")
    await add.get_by_label("Workspaces").fill("ohio")
    await add.get_by_label("Capacity").fill("1")
    await add.get_by_role("button", name="Add").click()
    await page.get_by_label("From").last.fill("2036-12-21T00:00")
    await page.get_by_role("button", name="Give time off").click()
    await expect(page.get_by_role("button", name="Cancel time off from 2036-12-21")).to_be_visible()
    await operator.go("/distribution/queue?workspace=ohio")
    box = page.get_by_role("checkbox", name="Choose lead").first
    await box.check()
    await page.get_by_label("Also to who is full").check()
    await page.get_by_role("button", name="Assign").click()
    await operator.go("/distribution/workspaces/ohio")
    await expect(page.get_by_role("region", name="What each agent holds")).to_contain_text("user:7")


async def test_the_pages_of_those_who_run_a_tenant_are_for_everybody(
    gateway: Gateway, acme: Tenancy, admin: Window
) -> None:
    draft = {"rules": [{"name": "ohio", "when": {"geo": ["ohio"]}, "workspace": "ohio"}], "workspaces": {"ohio": {}}}
    version = (await acme.client.post(acme.path("/routing/versions"), json={"configuration": draft})).json()["version"]
    publish = acme.path(f"/routing/versions/{version}/publish")
    assert (await acme.client.post(publish, json={"expected": None})).is_success
    for user, held in (("user:7", 3), ("user:8", 1)):
        agent = {"workspaces": ["ohio"], "capacity": 4}
        assert (await acme.client.put(acme.path(f"/agents/{user}"), json=agent)).is_success
        for n in range(held):
            lead = {"source_system": "crm", "source_id": f"{user[-1]}-{n}", "full_name": "Ada Example", "geo": "Ohio"}
            assert (await acme.client.post(acme.path("/leads"), json=lead)).is_success
    refused = AccessRefused(
        refused_for=RefusedFor.SCOPE, actor="key:8", limit=20, window_seconds=300, occurred_at="2026-11-02T09:30:00Z"
    )
    await gateway.platform.publish("gateway", acme.name, refused)
    for path, name in (
        ("/distribution", "distribution"),
        ("/distribution/workspaces/ohio", "workspace"),
        ("/distribution/agents/user:7", "agent"),
        (f"/routing/versions/{version}", "routing"),
        ("/alerts", "alerts"),
        ("/settings/limits", "limits"),
        ("/operations", "operations"),
        ("/audit", "audit"),
        ("/reference", "reference"),
        ("/reference/api/submit_lead", "reference-operation"),
    ):
        assert (await admin.go(path)).status == 200
        await admin.look(name)
