"""A tenant whose outreach has something to show on every page of it, for all their tests; and browsers that look at it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.gateway import NewTenantSettings
from contracts.outreach.accounts import AccountView, NewAccountSettings, NewSandbox, SetAccount
from contracts.outreach.activity import ActivityEntry, ListActivity
from contracts.outreach.campaigns import CampaignView, NewStep, NewVariant
from contracts.outreach.sending import SendState
from contracts.outreach.templates import SaveTemplate, TemplateView
from contracts.taxonomy import Channel, Role, SendKind
from tests.gateway.conftest import Gateway, Tenancy
from tests.outreach.scene import campaign
from tests.waiting import until


def noonish() -> str:
    """A time zone in which it is about noon, so that a day neither begins nor ends while tests run."""
    hours = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


@dataclass
class Shop:
    """A tenant with three accounts in the sandbox, two templates, and campaigns that have sent something and are to send more."""

    gateway: Gateway
    tenancy: Tenancy
    zone: str
    account: AccountView
    """Sends at once."""
    slow: AccountView
    """On the first day of its ramp, with an hour between two messages."""
    harmed: AccountView
    """Has sent two messages, of which a test may have heard something bad."""
    texts: list[TemplateView] = field(default_factory=list)
    campaign: CampaignView = None  # type: ignore[assignment]
    """By the first account: its first step was sent to everybody, the second is to leave in three days."""
    waiting: CampaignView = None  # type: ignore[assignment]
    """By the slow one: of three messages one was sent."""
    leads: list[UUID] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.tenancy.name

    async def ask(self, request: Any) -> Any:
        return await self.gateway.platform.caller.ask(self.name, request)

    async def lead(self, **fields: Any) -> UUID:
        number = uuid4().hex[:12]
        given = {"source_system": "crm", "source_id": number, "full_name": "Ada Quark", **fields}
        response = await self.tenancy.client.post(self.tenancy.path("/leads"), json=given)
        assert response.status_code == 201, response.text
        return UUID(response.json()["lead_id"])

    async def messages(self, campaign: CampaignView, *states: SendState) -> list[ActivityEntry]:
        asked = ListActivity(campaign_id=campaign.campaign_id, states=list(states), order="soonest_first")
        found: list[ActivityEntry] = (await self.ask(asked)).entries
        return found


@pytest.fixture(scope="package")
async def shop(gateway: Gateway) -> AsyncIterator[Shop]:
    zone = noonish()
    made = await gateway.tenant("shop", NewTenantSettings(time_zone=zone))
    async with made.client:
        yield await _stocked(gateway, made, zone)


async def _stocked(gateway: Gateway, made: Tenancy, zone: str) -> Shop:

    async def account(title: str, rotation_set: str, **settings: Any) -> AccountView:
        order = SetAccount(
            title=title, channel=Channel.EMAIL, address="sales@example.com", sandbox=NewSandbox(refuses=0),
            settings=NewAccountSettings(time_zone=zone, rotation_set=rotation_set, **settings),
        )  # fmt: skip
        return await gateway.platform.caller.ask(made.name, order)

    today, at_once = datetime.now(UTC).date(), {"least_gap_minutes": 0, "most_gap_minutes": 0}
    shop = Shop(
        gateway, made, zone,
        account=await account("Sales <b>", "default", **at_once), harmed=await account("Harmed", "harmed", **at_once),
        slow=await account("Slow", "slow", least_gap_minutes=60, most_gap_minutes=60, warm_up_began=today),
    )  # fmt: skip
    for name, kind, subject in (("first", SendKind.EMAIL, "A question"), ("second", SendKind.EMAIL, "Again")):
        body = "Hello {{ first_name | default: 'there' }} <i>!"
        shop.texts.append(
            await shop.ask(SaveTemplate(name=name, kind=kind, subject=subject, body=body, actor="user:1"))
        )
    variants = tuple(NewVariant(template_id=text.template_id) for text in shop.texts)
    shop.leads = [await shop.lead(email=f"ada.{n}@example.com", source="web") for n in range(3)]
    shop.campaign = await campaign(
        gateway.platform, shop.name, NewStep(variants=variants), NewStep(delay_days=3, variants=variants[:1]),
        audience={"source_key": "web"},
    )  # fmt: skip
    others = [await shop.lead(email=f"bob.{n}@example.com", source="fair") for n in range(3)]
    shop.waiting = await campaign(
        gateway.platform, shop.name, NewStep(), audience={"source_key": "fair"}, settings={"rotation_set": "slow"}
    )

    for n in range(2):
        await shop.lead(email=f"cleo.{n}@example.com", source="radio")
    await campaign(
        gateway.platform, shop.name, NewStep(), audience={"source_key": "radio"}, settings={"rotation_set": "harmed"}
    )

    async def sent() -> bool:
        harmed = await shop.ask(ListActivity(account_id=shop.harmed.account_id, states=[SendState.SENT]))
        follow_ups = await shop.messages(shop.campaign, SendState.QUEUED)
        waiting = await shop.messages(shop.waiting, SendState.QUEUED, SendState.SENT)
        states = sorted(entry.state for entry in waiting)
        return (len(follow_ups), len(harmed.entries), states) == (3, 2, ["queued", "queued", "sent"])

    await until(sent, what="the first messages", seconds=30)
    shop.leads += others
    return shop


@pytest.fixture
async def admin(gateway: Gateway, shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which the shop's admin is signed in."""
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, shop.name)
        yield client


@pytest.fixture
async def viewer(gateway: Gateway, shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which somebody is signed in who changes nothing."""
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, shop.name, await gateway.user(shop.name, Role.VIEWER))
        yield client


def text_of(page: str) -> str:
    """What is read on a page."""
    main = re.search(r"<main.*</main>", page, re.DOTALL)
    return " ".join(unescape(re.sub(r"<.*?>", " ", main[0] if main else page)).split())


def rows_of(page: str) -> list[list[str]]:
    """The cells of the first table."""
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)[:1]
    rows = body.split("</tr>")[:-1]
    return [[text_of(cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL)] for row in rows]
