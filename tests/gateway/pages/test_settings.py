"""The tenant's settings: every one is there with what it means, is changed under the gateway's own rules, and who changed it is kept."""

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest

from contracts.documents.schema import schema_of
from contracts.gateway import NewTenantSettings, TenantSettings
from contracts.gateway.audit import ListChanges
from contracts.operations import GetTenant
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until


@pytest.fixture
async def browser(gateway: Gateway, acme: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    """The first admin's."""
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, acme.name)
        yield client


def filled_in(page: str) -> dict[str, str]:
    """What the form of the page holds, as a browser would send it."""
    inputs = re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', page)
    areas = re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n([^<]*)</textarea>', page)
    chosen = re.findall(r'<select[^>]* name="(\w+)".*?value="([^"]*)" selected', page, re.DOTALL)
    return {name: unescape(value) for name, value in (*inputs, *areas, *chosen)}


async def test_every_setting_is_there_and_what_is_sent_unchanged_stays(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    here = f"/t/{acme.name}/settings/limits"
    page = (await browser.get(here)).text
    form = filled_in(page)
    assert form.keys() == TenantSettings.model_fields.keys() | {"version"}
    for name in TenantSettings.model_fields:
        meaning = " ".join(schema_of(NewTenantSettings)["properties"][name]["description"].split())
        assert meaning[:60].split("`")[0] in unescape(re.sub("</?code>", "`", page)), name
    assert (await browser.post(here, data=form)).status_code == 303
    changes = (await gateway.platform.caller.ask(acme.name, ListChanges(subject="tenant"))).changes
    assert [change.action for change in changes] == ["tenant_created"], "the same settings are no change"


async def test_a_change_reaches_every_service_and_is_kept(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    here = f"/t/{acme.name}/settings/limits"
    form = filled_in((await browser.get(here)).text)
    changed = form | {
        "leads_per_minute": "250", "leads_per_minute_by_source": "crm = 500\nweb = 20", "time_zone": "Europe/Berlin",
        "reason_codes": "price, timing\nmoved", "event_months": "12", "memory_ttl_hours": "", "merge": "into_oldest",
    }  # fmt: skip
    assert (await browser.post(here, data=changed)).status_code == 303
    now = filled_in((await browser.get(here)).text)
    assert now == changed | {"version": "2", "reason_codes": "moved, price, timing", "memory_ttl_hours": "720"}

    async def heard() -> bool:
        seen = (await gateway.platform.caller.ask(acme.name, GetTenant(), of="intake")).settings
        return (seen.lead_limit("crm"), seen.lead_limit("else")) == (500, 250)

    await until(heard, what="intake's copy of the settings")
    (change, _) = (await gateway.platform.caller.ask(acme.name, ListChanges(subject="tenant"))).changes
    assert change.actor.startswith("user:") and change.detail["leads_per_minute"] == [100, 250]

    stale = await browser.post(here, data=changed | {"leads_per_minute": "300"})
    assert stale.status_code == 409 and "changed since version 1" in stale.text
    assert filled_in(stale.text)["leads_per_minute"] == "300", "what was filled in is not lost"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("leads_per_minute", "0", "greater than or equal to 1"),
        ("leads_per_minute", "many", "is no whole number"),
        ("leads_per_minute_by_source", "crm 500", "write a name and its number on each line"),
        ("leads_per_minute_by_source", "crm = 0", "crm: input should be greater"),
        ("leads_per_minute_by_source", "ada@example.com = 5", "is written like an e-mail address"),
        ("time_zone", "Berlin", "not an iana time zone"),
        ("region", "XX", "not a region of iso 3166"),
        ("event_months", "1", "greater than or equal to 2"),
        ("reason_codes", "Too Dear!", "should match pattern"),
        ("merge", "sometimes", "keep_both"),
    ],
)
async def test_what_is_wrong_is_told_at_the_setting(
    gateway: Gateway, anyone: Tenancy, name: str, value: str, told: str
) -> None:
    here = f"/t/{anyone.name}/settings/limits"
    async with gateway.client() as browser:
        await gateway.sign_in(browser, anyone.name)
        form = filled_in((await browser.get(here)).text)
        refused = await browser.post(here, data=form | {name: value})
    assert refused.status_code == 400
    wrong = re.findall(rf'id="{name}-wrong">([^<]+)<', refused.text)
    assert len(wrong) == 1 and told in unescape(wrong[0]).lower()
    assert re.search(rf'id="{name}"[^>]*aria-describedby="[^"]*{name}-wrong"[^>]*aria-invalid="true"', refused.text)


async def test_who_may_not_change_settings_reads_them(gateway: Gateway, anyone: Tenancy) -> None:
    async with gateway.client() as viewer:
        await gateway.sign_in(viewer, anyone.name, await gateway.user(anyone.name, Role.VIEWER))
        page = (await viewer.get(f"/t/{anyone.name}/settings/limits")).text
        assert "Save all" not in page and "<textarea" not in page and "Leads per minute" in page


async def test_settings_are_read_and_replaced_over_http(acme: Tenancy) -> None:
    now = (await acme.client.get(acme.path("/settings"))).json()
    assert (now["version"], now["settings"]["region"]) == (1, "US")
    body = {"version": 1, "settings": now["settings"] | {"region": "DE"}}
    changed = await acme.client.put(acme.path("/settings"), json=body)
    assert changed.status_code == 200 and changed.json()["settings"]["region"] == "DE"
    again = {"version": 1, "settings": now["settings"]}
    assert (await acme.client.put(acme.path("/settings"), json=again)).status_code == 409
    wrong = await acme.client.put(acme.path("/settings"), json={"version": 2, "settings": {"regoin": "DE"}})
    assert wrong.status_code == 400 and "did you mean region" in wrong.json()["detail"]
