"""The list of leads: those that match, a page at a time, with names for whoever asks and nobody else."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest

from contracts.intake.leads import ListLeads
from contracts.intake.privacy import ListReveals
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy

LEADS = 53
"""More than a page shows."""
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
async def filled(gateway: Gateway) -> AsyncIterator[Tenancy]:
    """A tenant with leads of two sources, the last of which has an outcome."""
    made = await gateway.tenant("listed")
    async with made.client:
        for n in range(LEADS):
            lead = {
                "source_system": "crm", "source_id": f"L-{n}", "full_name": f"Ada <b>{n}</b>", "tier": "AB"[n % 2],
                "source": ("Open house", "Google")[n % 2], "geo": "Dublin, OH", "intent": "buyer",
            }  # fmt: skip
            (await made.client.post(made.path("/leads"), json=lead)).raise_for_status()
        (last,) = (await gateway.platform.caller.ask(made.name, ListLeads(limit=1))).leads
        outcome = {"lead": {"lead_id": str(last.lead_id)}, "outcomes": [{"type": "appointment_set"}]}
        (await made.client.post(made.path("/outcomes"), json=outcome)).raise_for_status()
        yield made


@pytest.fixture
async def browser(gateway: Gateway, filled: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    """An agent's."""
    async with gateway.client() as client:
        client.headers.update(HTML)
        await gateway.sign_in(client, filled.name, await gateway.user(filled.name))
        yield client


def rows(page: str) -> list[str]:
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    return [unescape(re.sub(r"\s+", " ", re.sub(r"<[^<>]*>", " ", row))).strip() for row in body.split("</tr>")[:-1]]


def opened(page: str) -> list[str]:
    """The leads that a page's rows open."""
    return re.findall(r'<th scope="row"><a href="[^"]*/leads/([0-9a-f-]{36})"', page)


async def test_the_pages_of_the_list_have_every_lead_once_newest_first(
    gateway: Gateway, browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    page = (await browser.get(f"/t/{filled.name}/leads")).raise_for_status().text
    assert rows(page)[0].split()[2:4] == ["mid", "funnel"] and "no outcome" in rows(page)[1]
    found = opened(page)
    while following := re.search(r'rel="next" href="([^"]+)"', page):
        assert len(found) % 50 == 0
        page = (await browser.get(unescape(following[1]))).text
        found += opened(page)
    stored = await gateway.platform.caller.ask(filled.name, ListLeads(limit=200))
    assert found == [str(lead.lead_id) for lead in stored.leads] and len(found) == LEADS


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("tier=A", 27), ("source=google", 26), ("source=Open+House&tier=A&status=&owner=", 27), ("place=Dublin+OH&tier=B", 26),
        ("status=received&tier=A", 27), ("status=closed", 0), ("owner=me", 0), ("since=2026-01-01&until=2026-01-02", 0),
        ("product=boat", 0), ("workspace=ohio", 0),
    ],
)  # fmt: skip
async def test_the_list_shows_what_is_asked_for(
    browser: httpx.AsyncClient, filled: Tenancy, query: str, count: int
) -> None:
    page = (await browser.get(f"/t/{filled.name}/leads?{query}")).raise_for_status().text
    if count:
        assert len(rows(page)) == count
    else:
        assert "No lead matches" in page and f'href="/t/{filled.name}/leads"' in page


async def test_a_day_is_one_of_the_tenants_clock_and_its_last_moment_belongs_to_it(
    browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    today = datetime.now(UTC).date()
    page = (await browser.get(f"/t/{filled.name}/leads?since={today - timedelta(days=1)}&until={today}")).text
    assert len(rows(page)) == 50
    nowhere = await browser.get(f"/t/{filled.name}/leads?until=9999-12-31")
    assert nowhere.status_code == 400 and "name days like" in nowhere.text


async def test_a_list_shows_no_name_by_itself_and_those_of_its_page_to_who_asks_each_audited(
    gateway: Gateway, browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    address = f"/t/{filled.name}/leads?tier=A"
    page = (await browser.get(address)).text
    assert "Ada" not in page
    (button,) = re.findall(r'class="names" method="post" action="([^"]+)"', page)
    assert unescape(button) == address
    response = await browser.post(address)
    assert response.status_code == 200 and response.headers["cache-control"] == "no-store"
    assert opened(response.text) == opened(page)
    assert response.text.count("Ada &lt;b&gt;") == len(opened(page)) and "Ada <b>" not in response.text
    audit = await gateway.platform.caller.ask(filled.name, ListReveals(limit=500, purpose="work_lead"))
    shown = [(row.lead_id, row.fields) for row in audit.reveals]
    assert sorted(map(str, (lead for lead, _ in shown))) == sorted(opened(page))
    assert all(fields == ["name"] for _, fields in shown) and {row.role for row in audit.reveals} == {"agent"}
    assert "Ada" not in (await browser.get(address)).text, "and no page has them afterwards"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
async def test_who_may_see_no_names_is_offered_none_and_gets_none(
    gateway: Gateway, filled: Tenancy, role: Role
) -> None:
    async with gateway.client() as client:
        client.headers.update(HTML)
        await gateway.sign_in(client, filled.name, await gateway.user(filled.name, role))
        assert "Show names" not in (await client.get(f"/t/{filled.name}/leads")).raise_for_status().text
        assert (await client.post(f"/t/{filled.name}/leads")).status_code == 403


async def test_beyond_the_limit_the_list_says_so_and_shows_no_name(gateway: Gateway, acme: Tenancy) -> None:
    for n in range(2):
        lead = {"source_system": "crm", "source_id": str(n), "full_name": "Ada Example"}
        (await acme.client.post(acme.path("/leads"), json=lead)).raise_for_status()
    async with gateway.platform.sql() as sql:
        await sql.execute(
            "update intake.tenant set settings = settings || '{\"reveals_per_hour\": 1}' where tenant_id = $1",
            acme.name,
        )
    async with gateway.client() as client:
        client.headers.update(HTML)
        await gateway.sign_in(client, acme.name)
        page = (await client.post(f"/t/{acme.name}/leads")).text
        assert "The names are not shown" in page and "Ada" not in page and len(rows(page)) == 2


async def test_a_tenant_without_leads_is_told_how_to_get_some(
    browser: httpx.AsyncClient, gateway: Gateway, anyone: Tenancy
) -> None:
    async with gateway.client() as client:
        client.headers.update(HTML)
        await gateway.sign_in(client, anyone.name)
        page = (await client.get(f"/t/{anyone.name}/leads")).raise_for_status().text
        assert "No leads yet" in page and "leadloop import" in page
