"""Each flow of the outcome-capture plan's manual checklist (seed 000), gone through by a browser.

Flows 4 and 5, the tabs of win rates, are in test_numbers.py.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from playwright.async_api import Page, expect

from contracts.aggregator.win_rates import WinRates
from contracts.operations import RunJob
from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.browser.window import Window
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until


async def submit(tenancy: Tenancy, source_id: str, **values: Any) -> UUID:
    """A lead of a source of its own, unless it says otherwise."""
    lead = {"source_system": "crm", "source_id": source_id, "full_name": "Zebedee Quark", "source": source_id} | values
    response = await tenancy.client.post(tenancy.path("/leads"), json=lead)
    assert response.status_code == 201, response.text
    return UUID(response.json()["lead_id"])


async def open_lead(window: Window, lead_id: UUID) -> Page:
    """A lead's page, once outcomes has heard of the lead."""

    async def heard_of() -> bool:
        await window.go(f"/leads/{lead_id}")
        return (
            "cannot be shown" not in await window.page.get_by_role("region", name="Outcomes", exact=True).inner_text()
        )

    await until(heard_of, what="the lead's arrival at outcomes")
    return window.page


async def record(page: Page, type_: str, **more: str) -> None:
    form = page.get_by_role("region", name="Record an outcome")
    await form.get_by_role("combobox", name="Outcome").select_option(type_)
    for label, text in more.items():
        await form.get_by_label(label).fill(text)
    await form.get_by_role("button", name="Record").click()


async def test_1_a_single_outcome_is_entered(gateway: Gateway, acme: Tenancy, agent: Window) -> None:
    lead_id = await submit(acme, "organic_search", tier="A")
    page = await open_lead(agent, lead_id)
    await record(page, "contacted", Notes="Called, wants a valuation")
    await expect(page.get_by_role("region", name="Outcomes", exact=True)).to_contain_text("Called, wants a valuation")
    await expect(page.locator(".title")).to_contain_text("top of funnel")

    async def told() -> bool:
        await page.reload()
        return "Outcome recorded" in await page.get_by_role("region", name="Timeline").inner_text()

    await until(told, what="the outcome's arrival in the timeline")
    async with gateway.platform.sql() as sql:
        frozen = await sql.fetchval("select attribution from outcomes.outcome where lead_id = $1", lead_id)
    assert {"source_key": "organic_search", "tier": "A"}.items() <= json.loads(frozen).items()


async def test_2_an_outcome_that_cannot_follow_is_blocked_and_an_odd_one_warned_of(
    acme: Tenancy, agent: Window
) -> None:
    page = await open_lead(agent, await submit(acme, "first"))
    await record(page, "closed_won")
    await expect(page.locator(".title")).to_contain_text("won")
    await record(page, "closed_lost")
    await expect(page.get_by_role("alert")).to_contain_text("won already")
    await expect(page.locator(".title")).not_to_contain_text("lost")
    page = await open_lead(agent, await submit(acme, "second"))
    await record(page, "appointment_set")
    await expect(page.get_by_role("status")).to_contain_text("although nobody had contacted the lead")
    await expect(page.locator(".title")).to_contain_text("mid funnel")


async def test_6_the_weekly_aggregation_runs_twice_and_changes_nothing_the_second_time(
    gateway: Gateway, acme: Tenancy, agent: Window
) -> None:
    page = await open_lead(agent, await submit(acme, "organic_search", geo="Bonn"))
    await record(page, "closed_won")

    async def counted() -> bool:
        return bool((await gateway.platform.caller.ask(acme.name, WinRates())).rows)

    await until(counted, what="the outcome's arrival in the win rates")
    tables = []
    for _ in range(2):
        run = await gateway.platform.caller.ask(acme.name, RunJob(job="weekly_win_rates"), of="aggregator", seconds=30)
        assert run.state == "succeeded"
        for tab in ("source", "geo"):
            await agent.go(f"/win-rates?minimum=0&by={tab}")
            tables.append(await page.get_by_role("table").inner_text())
    assert tables[:2] == tables[2:] and "organic_search" in tables[0] and "bonn" in tables[1]


async def test_8_a_tenant_sees_nothing_of_another(
    gateway: Gateway, acme: Tenancy, admin: Window, window: Opening
) -> None:
    other = await gateway.tenant(f"{acme.name}-2")
    async with other.client:
        lead_id = await submit(other, "theirs")
        await submit(acme, "ours")
        theirs = await window(other, Role.AGENT)
        await record(await open_lead(theirs, lead_id), "closed_won")

        async def counted() -> bool:
            return bool((await gateway.platform.caller.ask(other.name, WinRates())).rows)

        await until(counted, what="the other tenant's win rates")
        page = admin.page
        assert (await page.goto(f"/t/{other.name}")).status == 404  # type: ignore[union-attr]
        assert (await admin.go(f"/leads/{lead_id}")).status == 404
        for path in (f"/api/t/{acme.name}/leads/{lead_id}", f"/api/t/{other.name}/leads/{lead_id}"):
            assert (await page.request.get(path)).status in (403, 404)
        for path in ("/leads", "/win-rates?minimum=0"):
            await admin.go(path)
            await expect(page.get_by_role("main")).not_to_contain_text("theirs")


async def test_3_an_outcome_is_applied_to_leads_that_were_ticked(acme: Tenancy, agent: Window) -> None:
    for number in range(4):
        await submit(acme, f"L-{number}", source="organic_search")
    await submit(acme, "L-other", source="referral")
    page = agent.page

    async def listed() -> bool:
        await agent.go("/outcomes/bulk?source_key=organic_search")
        return await page.get_by_role("checkbox", name=re.compile("^Tick lead ")).count() == 4

    await until(listed, what="the leads' arrival at outcomes")
    for number in range(3):
        await page.get_by_role("checkbox", name=re.compile("^Tick lead ")).nth(number).check()
    leads = page.get_by_role("region", name="Leads", exact=True)
    await leads.get_by_role("combobox", name="Outcome").select_option("contacted")
    await leads.get_by_role("button", name="Record of the ticked").click()
    await expect(page.get_by_role("region", name="What became of it")).to_contain_text("3 recorded")
    await agent.go("/outcomes/bulk?source_key=organic_search")
    await expect(page.get_by_role("row").filter(has_text="top of funnel")).to_have_count(3)


async def test_7_a_lead_without_an_outcome_is_nudged_about_and_settled(
    gateway: Gateway, acme: Tenancy, agent: Window
) -> None:
    ago = (datetime.now(UTC) - timedelta(days=10)).isoformat()
    lead_id = await submit(acme, "stale", tier="A", timeline="0-30", created_at=ago, last_activity_at=ago)
    contacted = {"lead": {"lead_id": str(lead_id)}, "outcomes": [{"type": "contacted", "occurred_at": ago}]}
    assert (await acme.client.post(acme.path("/outcomes"), json=contacted)).status_code == 201
    page = agent.page
    run = await gateway.platform.caller.ask(acme.name, RunJob(job="missing_outcomes"), of="notifier", seconds=30)
    assert run.state == "succeeded"
    await agent.go()
    await expect(page.get_by_role("region", name="Alerts")).to_contain_text("outcome")
    await agent.go("/outcomes/missing")
    await page.get_by_role("checkbox", name=f"Tick lead {lead_id.hex[-6:]}").check()
    await page.get_by_role("button", name="Mark as invalid").click()
    await expect(page.get_by_text("No outcome is missing")).to_be_visible()
    page = await open_lead(agent, lead_id)
    await expect(page.get_by_role("region", name="Outcomes", exact=True)).to_contain_text("invalid")
