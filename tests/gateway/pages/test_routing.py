"""Routing: a draft is written rule by rule, tried on leads that came, published, and taken back."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest

from contracts.intake.routing import GetRouting, ListRoutingVersions, SaveRoutingDraft
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy


@pytest.fixture
async def browser(gateway: Gateway, acme: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's."""
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, acme.name, await gateway.user(acme.name, Role.OPERATOR))
        yield client


async def done(browser: httpx.AsyncClient, path: str, **fields: Any) -> str:
    """Where a form that was taken leads to."""
    response = await browser.post(path, data=fields)
    assert response.status_code == 303, unescape(response.text)
    return str(response.headers["location"])


async def read(browser: httpx.AsyncClient, path: str) -> str:
    response = await browser.get(path)
    assert response.status_code == 200 and len(response.content) < 150_000
    return unescape(response.text)


async def test_rules_are_drafted_tried_published_and_rolled_back(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    here = f"/t/{acme.name}/routing"
    for name, geo in (("L-1", "Dublin OH"), ("L-2", "Dublin OH"), ("L-3", "Austin")):
        lead = {"source_system": "crm", "source_id": name, "full_name": "Zebedee Quark", "geo": geo}
        assert (await acme.client.post(acme.path("/leads"), json=lead)).is_success
    assert "No rules yet" in await read(browser, here)

    draft = await done(browser, f"{here}/versions")
    assert "Begin with a workspace" in await read(browser, draft)
    chain = "role senior round_robin\nload_balanced\nmanual"
    draft = await done(browser, f"{draft}/workspaces", name="ohio", chain=chain, sla_minutes="15")
    draft = await done(
        browser, f"{draft}/rules", name="ohio_buyers", priority="10", geo="dublin_oh, columbus_*", workspace="ohio",
        metadata="utm_source = google | bing",
    )  # fmt: skip
    number = int(draft.rpartition("/")[2])
    saved = await gateway.platform.caller.ask(acme.name, GetRouting(version=number))
    assert saved.configuration.model_dump(mode="json", exclude_defaults=True) == {
        "rules": [{
            "name": "ohio_buyers", "priority": 10, "workspace": "ohio",
            "when": {"geo": ["dublin_oh", "columbus_*"], "metadata": {"utm_source": ["google", "bing"]}},
        }],
        "workspaces": {"ohio": {
            "sla_minutes": 15,
            "chain": [
                {"kind": "role", "role": "senior", "pick": "round_robin"}, {"kind": "load_balanced"}, {"kind": "manual"},
            ],
        }},
    }  # fmt: skip
    listed = (await gateway.platform.caller.ask(acme.name, ListRoutingVersions())).versions
    assert [each.version for each in listed] == [number], "each draft took the place of the one before"
    assert chain in await read(browser, f"{draft}/workspaces/ohio"), "as it was typed"
    rule = await read(browser, f"{draft}/rules/ohio_buyers")
    assert 'value="dublin_oh, columbus_*"' in rule and "utm_source = google | bing" in rule

    draft = await done(browser, f"{draft}/rules/ohio_buyers", name="ohio", geo="dublin_oh", workspace="ohio")
    tried = await browser.post(f"{draft}/dry-run", data={"last": "100"})
    assert tried.status_code == 200
    figures = re.findall(r'<dt>([^<]+)</dt>\s*<dd class="tile-figure">([^<]+)<', tried.text)
    assert dict(figures) == {
        "Would move at once": "2", "Go elsewhere": "2", "A rule matches": "2", "No rule matches": "1",
    }  # fmt: skip
    assert len(re.findall(r"/leads/[0-9a-f-]{36}", tried.text)) == 2, "the leads that would move, each by a link"

    assert await done(browser, f"{draft}/publish", expected="") == here
    page = await read(browser, here)
    assert "published" in page and "by you" in page
    assert "Roll back" not in await read(browser, draft)
    first = draft
    second = await done(browser, f"{here}/versions")
    second = await done(browser, f"{second}/rules", name="rest", workspace="ohio", priority="1000")
    stale = await browser.post(f"{second}/publish", data={"expected": ""})
    assert stale.status_code == 409 and "is published: look at it" in stale.text
    await done(browser, f"{second}/publish", expected=first.rpartition("/")[2])
    await done(browser, f"{first}/roll-back")
    now = await gateway.platform.caller.ask(acme.name, GetRouting())
    assert (now.restores, [rule.name for rule in now.configuration.rules]) == (int(first.rpartition("/")[2]), ["ohio"])
    assert f"brings back {now.restores}" in await read(browser, here)


async def test_what_is_wrong_with_a_rule_is_told_where_it_was_typed(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    configuration = {"rules": [{"name": "ohio", "workspace": "ohio"}], "workspaces": {"ohio": {}}}
    order = SaveRoutingDraft.model_validate({"configuration": configuration, "actor": "user:7"})
    version = (await gateway.platform.caller.ask(acme.name, order)).version
    draft = f"/t/{acme.name}/routing/versions/{version}"
    rule = {"name": "texas", "workspace": "ohio"}
    for path, fields, told in [
        ("/rules", rule | {"geo": "Dublin, OH"}, "0: is no key"),
        ("/rules", rule | {"name": "Texas!"}, "String should match pattern"),
        ("/rules", rule | {"name": "ohio"}, "two rules are called ohio"),
        ("/rules", rule | {"priority": "first"}, "Is no whole number"),
        ("/rules", rule | {"workspace": "texas"}, "which is not among the workspaces"),
        ("/rules", rule | {"metadata": "utm_source google"}, "Write each field on a line of its own"),
        ("/rules", rule | {"metadata": "secret = 1"}, "which the tenant seals"),
        ("/workspaces", {"name": "texas", "chain": "role"}, "Say what a step is"),
        ("/workspaces", {"name": "texas", "chain": "manual\nround_robin"}, "no step after manual"),
        ("/workspaces", {"name": "ohio"}, "Is a workspace already"),
        ("/workspaces/ohio/delete", {}, "which is not among the workspaces"),
    ]:
        response = await browser.post(draft + path, data=fields)
        assert response.status_code == 400 and told.lower() in unescape(response.text).lower(), (fields, response.text)
    refused = await browser.post(f"{draft}/rules", data=rule | {"geo": "Dublin, OH", "intent": "buyer"})
    assert 'value="Dublin, OH"' in refused.text and re.search('value="buyer" checked', refused.text), "nothing is lost"
    assert (await browser.get(f"{draft}/rules/none")).status_code == 404
    without = await done(browser, f"{draft}/rules/ohio/delete")
    await done(browser, f"{without}/workspaces/ohio/delete")


async def test_five_hundred_rules_are_read_page_by_page(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    geo = [f"somewhere_in_ohio_{n}" for n in range(40)]
    rules = [{"name": f"rule_{n}", "workspace": "ohio", "priority": n, "when": {"geo": geo}} for n in range(500)]
    order = SaveRoutingDraft.model_validate(
        {"configuration": {"rules": rules, "workspaces": {"ohio": {}}}, "actor": "user:7"}
    )
    version = (await gateway.platform.caller.ask(acme.name, order)).version
    draft = f"/t/{acme.name}/routing/versions/{version}"
    for number in (1, 5):
        page = await read(browser, f"{draft}?rules={number}")
        named = re.findall(r"rules/(rule_\d+)\"", page)
        assert named == [f"rule_{n}" for n in range((number - 1) * 100, number * 100)]
