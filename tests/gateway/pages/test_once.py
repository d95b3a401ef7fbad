"""A form that makes something makes it once, however often it is sent."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.gateway.keys import ListApiKeys
from contracts.gateway.users import ListUsers
from contracts.intake.imports import ListImports
from contracts.outreach.accounts import ListAccounts
from contracts.outreach.campaigns import ListCampaigns
from tests.gateway.conftest import Gateway, Tenancy

CAMPAIGN = {"title": "Spring", "do": "draft", "kind": "email", "delay_days": "0", "only_intent": "", "only_tier": "", "weekdays": ["1", "2"]}  # fmt: skip


@pytest.fixture
async def admin(gateway: Gateway, acme: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as browser:
        browser.headers["Accept"] = "text/html"
        await gateway.sign_in(browser, acme.name)
        yield browser


async def own_key(browser: httpx.AsyncClient, address: str) -> str:
    found = re.search(r'name="once" value="(\w+)"', (await browser.get(address)).raise_for_status().text)
    assert found, "the form has no key of its own"
    return found[1]


async def sent_twice(browser: httpx.AsyncClient, address: str, sent: dict[str, object]) -> list[httpx.Response]:
    """The answers to a double click, and to the same sent again later; each of three pages sends its own."""
    form = sent | {"once": await own_key(browser, address)}
    answers = list(await asyncio.gather(*(browser.post(address, data=form) for _ in range(3))))
    return [*answers, await browser.post(address, data=form)]


async def test_a_user_is_added_once(gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient) -> None:
    address = f"/t/{acme.name}/settings/users"
    for answer in await sent_twice(admin, address, {"name": "Grace Example", "role": "agent"}):
        assert answer.status_code == 303, answer.text
    users = (await gateway.platform.caller.ask(acme.name, ListUsers())).users
    assert len([user for user in users if user.name == "Grace Example"]) == 1
    (await sent_twice(admin, address, {"name": "Grace Example", "role": "agent"}))
    users = (await gateway.platform.caller.ask(acme.name, ListUsers())).users
    assert len([user for user in users if user.name == "Grace Example"]) == 2, "the page shown anew adds another"


async def test_the_same_form_filled_in_otherwise_is_another(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    address = f"/t/{acme.name}/settings/users"
    once = await own_key(admin, address)
    for name in ("Ada", "Bob", "Ada"):
        assert (await admin.post(address, data={"once": once, "name": name, "role": "agent"})).status_code == 303
    users = (await gateway.platform.caller.ask(acme.name, ListUsers())).users
    assert sorted(user.name for user in users if user.name) == ["Ada", "Bob"]


async def test_a_key_is_made_once_and_whoever_lost_its_secret_is_told_what_to_do(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    address = f"/t/{acme.name}/settings/keys"
    answers = await sent_twice(admin, address, {"label": "twice", "scopes": ["leads:read"]})
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert sum("ll_" in answer.text for answer in answers) == 1
    assert "revoke it, and make another" in answers[-1].text
    keys = (await gateway.platform.caller.ask(acme.name, ListApiKeys())).keys
    assert len([key for key in keys if key.label == "twice"]) == 1


async def test_what_was_refused_can_be_sent_again(gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient) -> None:
    address = f"/t/{acme.name}/settings/keys"
    answers = await sent_twice(admin, address, {"label": "late", "scopes": ["leads:read"], "expires_on": "2020-01-01"})
    assert [answer.status_code for answer in answers] == [400] * 4, "refused each time, and not said to be done"


async def test_an_account_and_a_campaign_are_made_once(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    account = {"title": "Desk", "channel": "email", "transport": "sandbox", "address": "desk@example.com"}
    answers = await sent_twice(admin, f"/t/{acme.name}/accounts/new", account)
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len((await gateway.platform.caller.ask(acme.name, ListAccounts())).accounts) == 1
    answers = await sent_twice(admin, f"/t/{acme.name}/campaigns/new", CAMPAIGN)
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len((await gateway.platform.caller.ask(acme.name, ListCampaigns())).campaigns) == 1


async def test_a_file_is_imported_once(gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient) -> None:
    page = (await admin.get(f"/t/{acme.name}/imports")).text
    found = re.search(r'action="([^"]+\?once=\w+)"', page)
    assert found
    file = {"file": ("leads.csv", b"Id,Name\n1,Ada\n", "text/csv")}
    answers = await asyncio.gather(*(admin.post(found[1], files=file) for _ in range(2)))
    answers.append(await admin.post(found[1], files=file))
    assert {answer.status_code for answer in answers} == {303}, [answer.text for answer in answers]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len((await gateway.platform.caller.ask(acme.name, ListImports())).imports) == 1


async def test_an_outcome_that_was_missed_is_recorded_once(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    lead_id, page = await gateway.neglected_lead(acme), f"/t/{acme.name}/outcomes/missing"
    form = {"one": f"{lead_id}:contacted", "once": await own_key(admin, page)}
    answers = await asyncio.gather(*(admin.post(f"{page}/record", data=form) for _ in range(2)))
    answers.append(await admin.post(f"{page}/record", data=form))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 303], "the others say that it was recorded"
    assert "Recorded before" in answers[-1].text
    history = (await acme.client.get(acme.path(f"/leads/{lead_id}/outcomes"))).json()
    assert len(history["outcomes"]) == 1
