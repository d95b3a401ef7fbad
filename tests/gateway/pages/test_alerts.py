"""The alerts' page: what needs somebody, found by what is looked for, seen to by somebody, and closed."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.gateway.access import AccessRefused, RefusedFor
from contracts.intake.privacy import RevealLimitReached
from contracts.notifier import ListAlerts
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until


@pytest.fixture
async def browser(gateway: Gateway, acme: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's, of a tenant with a critical and a warning alert."""
    now = "2026-11-02T09:30:00Z"
    limit = RevealLimitReached(caller="user:7", service="gateway", limit=500, seen=500, refused=3, occurred_at=now)
    refused = AccessRefused(refused_for=RefusedFor.SCOPE, actor="key:8", limit=20, window_seconds=300, occurred_at=now)
    await gateway.platform.publish("intake", acme.name, limit)
    await gateway.platform.publish("gateway", acme.name, refused)

    async def raised() -> bool:
        return len((await gateway.platform.caller.ask(acme.name, ListAlerts())).alerts) == 2

    await until(raised, what="both alerts")
    operator = await gateway.user(acme.name, Role.OPERATOR, name="Grace Example")
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, acme.name, operator)
        yield client


def titles(page: str) -> list[str]:
    return [title.strip() for title in re.findall(r'<h3 class="alert-title">([^<]+)<', page)]


async def test_an_alert_is_found_seen_to_and_closed(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    here = f"/t/{acme.name}/alerts"
    assert len(titles((await browser.get(here)).text)) == 2
    for query, found in [
        ("severity=critical", ["user:7 reached the limit of 500 persons an hour"]),
        ("code=ACCESS_REFUSED", ["key:8 was refused more than 20 times"]),
        ("category=performance", []),
        ("state=seen", []),
    ]:
        assert titles((await browser.get(f"{here}?{query}")).text) == found, query

    page = (await browser.get(f"{here}?state=unseen&severity=critical")).text
    assert "seen" in page and "500" in page, "with the numbers that show it"
    (see_to,) = re.findall(r'action="(/t/[^"]+/acknowledge)"', page)
    back = await browser.post(see_to, data={"state": "unseen", "severity": "critical"})
    assert back.headers["location"] == f"{here}?state=unseen&severity=critical", "back to what was shown"
    assert "No alert like this" in (await browser.get(back.headers["location"])).text
    seen = (await browser.get(f"{here}?state=seen")).text
    assert "seen to by you" in seen and "/acknowledge" not in seen
    async with gateway.client() as admin:
        await gateway.sign_in(admin, acme.name)
        assert "seen to by Grace Example" in (await admin.get(here)).text, "those who may see users read names"

    for close in re.findall(r'action="(/t/[^"]+/resolve)"', (await browser.get(here)).text):
        assert (await browser.post(close)).status_code == 303
    assert "Nothing needs you" in (await browser.get(here)).text
    assert len(re.findall("closed by you", (await browser.get(f"{here}?state=all")).text)) == 2


async def test_who_may_not_change_alerts_sees_no_way_to(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    async with gateway.client() as viewer:
        await gateway.sign_in(viewer, acme.name, await gateway.user(acme.name, Role.VIEWER))
        page = await viewer.get(f"/t/{acme.name}/alerts")
        assert len(titles(page.text)) == 2 and 'method="post" action="/t/' + acme.name + "/alerts" not in page.text
