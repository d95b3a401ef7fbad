"""How tests see the pages that people work in: a browser for each role, what a page says, and people who answer messages."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx

from contracts.outreach.campaigns import NewStep
from contracts.outreach.replies import ReplyView, TakeReply
from contracts.outreach.sending import LeadMessages
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_outreach import account
from tests.outreach.scene import campaign
from tests.waiting import until


@asynccontextmanager
async def signed_in(gateway: Gateway, tenant: str, role: Role = Role.ADMIN) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which a user of this role is signed in."""
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, tenant, await gateway.user(tenant, role))
        yield client


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<.*?>", " ", page)).split())


async def read(browser: httpx.AsyncClient, path: str, **query: Any) -> str:
    """A page, as it was sent."""
    response = await browser.get(path, params=query or None)
    assert response.status_code == 200, response.text
    return response.text


async def new_lead(tenancy: Tenancy, **fields: str) -> UUID:
    number = uuid4().hex[:12]
    lead = {"source_system": "crm", "source_id": number, "full_name": "Zebedee Quark", **fields}
    made = (await tenancy.client.post(tenancy.path("/leads"), json=lead)).raise_for_status().json()
    return UUID(made["lead_id"])


async def contacted(gateway: Gateway, tenancy: Tenancy, count: int) -> dict[UUID, UUID]:
    """Leads that were sent the first message of two, with the message to each."""
    await account(gateway, tenancy)
    await campaign(gateway.platform, tenancy.name, NewStep(), NewStep(delay_days=3))
    leads = [await new_lead(tenancy, email=f"ada.{uuid4().hex[:12]}@example.com") for _ in range(count)]
    return {
        lead: await until(lambda lead=lead: _sent(gateway, tenancy, lead), what="the message's way out")
        for lead in leads
    }


async def _sent(gateway: Gateway, tenancy: Tenancy, lead: UUID) -> UUID | None:
    found = await gateway.platform.caller.ask(tenancy.name, LeadMessages(lead_id=lead))
    return next((message.message_id for message in found.messages if message.state == "sent"), None)


async def answer(gateway: Gateway, tenancy: Tenancy, message: UUID, text: str) -> ReplyView:
    order = TakeReply(message_id=message, source_key=uuid4().hex, text=text)
    return await gateway.platform.caller.ask(tenancy.name, order)


def forms(page: str, action: str) -> Sequence[str]:
    """The forms of a page that are sent there."""
    return re.findall(rf'<form[^>]* action="{re.escape(action)}".*?</form>', page, re.DOTALL)
