"""The reference: every operation and every message has its page, small enough, and leads nowhere that is not there."""

import asyncio
import re
from html import unescape
from typing import Any

import httpx

from contracts.catalogue import CATALOGUE
from contracts.message import Kind
from contracts.taxonomy import Role
from gateway import domain_reference, openapi
from gateway.pages.reference import OWNERS
from gateway.rendering import TEMPLATES
from tests.gateway.conftest import Gateway, Tenancy

MOST_BYTES = 150_000


class Reader:
    """Whom a page is shown to, as far as templates ask."""

    tenant = "acme"
    allowed = frozenset({"self"})
    role = Role.VIEWER


def links_within(page: str) -> set[str]:
    return set(re.findall(r'href="#([^"]+)"', page)) - {"main"}


def ids(page: str) -> list[str]:
    return re.findall(r'\bid="([^"]+)"', page)


async def test_every_operation_has_a_page_of_its_own(gateway: Gateway) -> None:
    document = openapi.outline(gateway.app)
    described: dict[str, Any] = await asyncio.to_thread(gateway.app.openapi)
    groups = domain_reference.operations(document)
    names = [line.name for lines in groups.values() for line in lines]
    assert len(names) == len(set(names)) == sum(len(methods) for methods in described["paths"].values())
    for name in names[::10]:
        alone = openapi.describe_one(gateway.app, name)
        assert alone is not None
        assert domain_reference.operation(alone, name) == domain_reference.operation(described, name), "as in the whole"
    for name in names:
        await asyncio.sleep(0)  # what else runs in this process must not stand still meanwhile
        found = domain_reference.operation(described, name)
        assert found is not None and found.means, name
        assert found.scopes or found.group == "webhooks", f"{name}: what is signed needs no key, and else nothing"
        page = TEMPLATES.get_template("reference_operation.html").render(principal=Reader, found=found, base="")
        assert len(page.encode()) < MOST_BYTES, name
        assert links_within(page) <= set(ids(page)) and len(ids(page)) == len(set(ids(page))), name
        for field in (*found.parameters, *(field for each in found.types for field in each.fields)):
            assert field.means, f"{name}: {field.name}"


async def test_every_message_has_a_page_of_its_own() -> None:
    assert {line.name for owner in OWNERS.values() for line in domain_reference.messages_of(owner)} == set(
        domain_reference.messages()
    )
    assert len(domain_reference.messages()) == len({entry.message for entry in CATALOGUE})
    for name, contract in domain_reference.messages().items():
        await asyncio.sleep(0)
        found = domain_reference.message(name)
        assert found is not None and contract.topic is not None
        assert bool(found.reply) is (contract.topic.kind is Kind.REQUEST)
        page = TEMPLATES.get_template("reference_message.html").render(principal=Reader, found=found, owner="x")
        assert len(page.encode()) < MOST_BYTES, name
        assert links_within(page) <= set(ids(page)) and len(ids(page)) == len(set(ids(page))), name
    assert domain_reference.message("intake.event.nothing.v1") is None


async def read(browser: httpx.AsyncClient, path: str) -> str:
    response = await browser.get(path)
    assert response.status_code == 200 and len(response.content) < MOST_BYTES, path
    return unescape(response.text)


async def test_the_reference_is_read_from_its_index_on(gateway: Gateway, anyone: Tenancy) -> None:
    here = f"/t/{anyone.name}/reference"
    async with gateway.client() as browser:
        await gateway.sign_in(browser, anyone.name, await gateway.user(anyone.name, Role.VIEWER))
        index = await read(browser, here)
        assert f"{gateway.url}/api/t/{anyone.name}" in index
        for address in [*re.findall(rf'href="({here}/[^"]+)"', index)[::25], f"{here}/messages/of/every-service"]:
            await read(browser, address)
        page = await read(browser, f"{here}/api/submit_lead")
        assert f"curl -X POST '{gateway.url}/api/t/{anyone.name}/leads'" in page and "leads:write" in page
        assert '"full_name"' in page and 'href="#type-SubmissionResult"' in page
        page = await read(browser, f"{here}/messages/intake.event.lead_accepted.v1")
        assert f"intake.event.lead_accepted.v1.{anyone.name}" in page and "outcomes" in page
        page = await read(browser, f"{here}?q=routing_published")
        assert "RoutingPublished" in page and "submit_lead" not in page
        assert "Nothing found" in await read(browser, f"{here}?q=%3Cscript%3E")
        for absent in ("/api/none", "/messages/none", "/messages/of/none"):
            assert (await browser.get(here + absent)).status_code == 404
