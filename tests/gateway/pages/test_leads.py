"""The list of leads: those that match, a page at a time, with names for whoever asks and nobody else."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest

from contracts.gateway.audit import ListChanges
from contracts.gateway.users import RemoveUser
from contracts.intake.leads import ListLeads
from contracts.intake.privacy import ListReveals
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

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


def cards(page: str) -> list[str]:
    """The leads that a board's cards open."""
    return re.findall(r'class="card-title"><a href="[^"]*/leads/([0-9a-f-]{36})"', page)


async def test_the_pages_of_the_list_have_every_lead_once_newest_first(
    gateway: Gateway, browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    page = (await browser.get(f"/t/{filled.name}/leads")).raise_for_status().text
    assert rows(page)[0].split()[1:3] == ["mid", "funnel"] and "no outcome" in rows(page)[1]
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


async def test_what_is_asked_for_is_kept_under_a_name_for_oneself_or_for_everybody_and_audited(
    gateway: Gateway, browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    home, hot = f"/t/{filled.name}/leads", "tier=A&source=open_house"
    page = (await browser.get(f"{home}?{hot}")).text
    (keep,) = re.findall(r'action="([^"]+/views[^"]*)"', page)
    kept = await browser.post(unescape(keep), data={"name": " Hot <i>leads</i> "})
    assert (kept.status_code, kept.headers["location"]) == (303, f"{home}?{hot}")
    kept = await browser.post(f"{home}/views?tier=B", data={"name": "Warm", "shared": "true"})
    assert kept.status_code == 303
    page = (await browser.get(f"{home}?{hot}")).text
    assert f'<a href="{home}?tier=A&amp;source=open_house" aria-current="page">Hot &lt;i&gt;leads&lt;/i&gt;</a>' in page
    refused = await browser.post(f"{home}/views?tier=B", data={"name": "call 614 555 0142"})
    assert refused.status_code == 400 and "telephone number" in refused.text and len(rows(refused.text)) == 26
    async with gateway.client() as other:
        other.headers.update(HTML)
        await gateway.sign_in(other, filled.name, await gateway.user(filled.name, Role.VIEWER))
        page = (await other.get(home)).text
        assert "Warm" in page and "Hot" not in page
        mine = await other.post(f"{home}/views?tier=C", data={"name": "Cold", "shared": "true"})
        assert mine.status_code == 403 and "keep it for yourself" in mine.text
        assert (await other.post(f"{home}/views?tier=C", data={"name": "Cold"})).status_code == 303
        (forget,) = re.findall(r'action="([^"]+/forget)"', (await browser.get(f"{home}?tier=B")).text)
        assert (await other.post(forget)).status_code == 404, "it is somebody else's"
    assert (await browser.post(forget)).status_code == 303
    page = (await browser.get(home)).text
    assert "Warm" not in page and "Hot" in page and "Cold" not in page
    changes = (await gateway.platform.caller.ask(filled.name, ListChanges())).changes
    done = [(change.action, change.detail.get("shared")) for change in changes if change.subject.startswith("view:")]
    assert done == [
        ("view_forgotten", None), ("view_saved", False), ("view_saved", True), ("view_saved", False),
    ]  # fmt: skip


async def test_the_views_of_somebody_who_is_removed_go_with_them_but_not_those_that_they_share(
    gateway: Gateway, acme: Tenancy
) -> None:
    user_id = await gateway.user(acme.name)
    async with gateway.client() as client:
        await gateway.sign_in(client, acme.name, user_id)
        for name, shared in (("own", "false"), ("everybody's", "true")):
            path = f"/t/{acme.name}/leads/views?tier=A"
            assert (await client.post(path, data={"name": name, "shared": shared})).status_code == 303
    await gateway.platform.caller.ask(acme.name, RemoveUser(user_id=user_id))
    async with gateway.platform.sql() as sql:
        left = await sql.fetch("select name from gateway.saved_view where tenant_id = $1", acme.name)
    assert [row["name"] for row in left] == ["everybody's"]


async def test_a_tenant_without_leads_is_told_how_to_get_some(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.client() as client:
        client.headers.update(HTML)
        await gateway.sign_in(client, acme.name)
        page = (await client.get(f"/t/{acme.name}/leads")).raise_for_status().text
        assert "No leads yet" in page and "leadloop import" in page
        assert "No leads yet" in (await client.get(f"/t/{acme.name}/leads/board")).raise_for_status().text


async def test_the_board_has_a_column_for_each_stage_and_the_rest_of_one_page_by_page(
    gateway: Gateway, browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    home = f"/t/{filled.name}/leads/board"
    stored = (await gateway.platform.caller.ask(filled.name, ListLeads(limit=200))).leads

    async def all_there() -> bool:
        return f'<span class="faint">{LEADS - 1}</span>' in (await browser.get(home)).raise_for_status().text

    await until(all_there, what="the leads' arrival at outcomes")
    page = (await browser.get(home)).text
    titles = re.findall(r'<h3 id="column-(\w+)">.*?<span class="faint">(\d+)</span>', page)
    assert titles == [
        ("none", str(LEADS - 1)), ("top_of_funnel", "0"), ("mid_funnel", "1"), ("won", "0"), ("lost", "0"), ("invalid", "0"),
    ]  # fmt: skip
    found = cards(page)
    assert found == [str(lead.lead_id) for lead in (*stored[1:16], stored[0])] and "Ada" not in page
    page = (await browser.post(home)).text
    assert page.count("Ada &lt;b&gt;") == len(found) == 16
    following = re.findall(r'rel="next" href="([^"]+)"', page)
    rest = []
    while following:
        page = (await browser.get(unescape(following[0]))).text
        rest += cards(page)
        following = re.findall(r'rel="next" href="([^"]+)"', page)
    assert rest == [str(lead.lead_id) for lead in stored[16:]]
    assert (await browser.get(f"{home}?cursor=x")).status_code == 400
