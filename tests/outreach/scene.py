"""What the tests of outreach are made of: leads that arrive, accounts, a provider that waits to be told, and a look inside."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from chassis.received import encode
from contracts.intake.leads import LeadAccepted, LeadUpdated, SubmitLeadNow
from contracts.intake.memory import ActionRecall
from contracts.message import Envelope, Event
from contracts.outreach.accounts import AccountView, NewAccountSettings, NewSandbox, SetAccount
from contracts.outreach.campaigns import (
    CampaignStartResult,
    CampaignView,
    CreateCampaign,
    ListCampaigns,
    NewBusinessHours,
    NewCampaignSettings,
    NewStep,
)
from contracts.taxonomy import Channel, SendKind
from contracts.values import Attribution
from outreach.app import build
from outreach.campaigns.recalling import Memory
from outreach.providers.protocol import Outgoing, Provider, Receipt
from tests.platform import Platform
from tests.waiting import until

ALWAYS = NewBusinessHours(opens="00:00", closes="24:00", weekdays=frozenset(range(1, 8)), holidays="none")
UNLIMITED = {
    Channel.EMAIL: {SendKind.EMAIL: 100_000},
    Channel.LINKEDIN: {SendKind.CONNECTION_REQUEST: 100_000, SendKind.LINKEDIN_MESSAGE: 100_000},
    Channel.SMS: {SendKind.SMS: 100_000},
}


async def _nothing_similar(*_: object) -> ActionRecall:
    return ActionRecall(similar_action_found=False)


NO_MEMORY = Memory(_nothing_similar)
"""For tests that call handlers themselves: nothing is known of any campaign."""


class Gate:
    """A provider that notes what it is handed for a tenant, and takes none of it until it is opened.

    What other tests left in the queue it takes at once.
    """

    def __init__(self, tenant: str) -> None:
        self.handed: list[UUID] = []
        self._tenant = tenant
        self._opened = asyncio.Event()

    def open(self) -> None:
        self._opened.set()

    async def send(self, message: Outgoing) -> Receipt:
        if message.tenant == self._tenant:
            self.handed.append(message.message_id)
            await self._opened.wait()
        return Receipt()

    async def close(self) -> None:
        pass


class Outbox:
    """A provider that keeps what it is handed for a tenant."""

    def __init__(self, tenant: str) -> None:
        self.handed: list[Outgoing] = []
        self._tenant = tenant

    async def send(self, message: Outgoing) -> Receipt:
        if message.tenant == self._tenant:
            self.handed.append(message)
        return Receipt("their-id")

    async def close(self) -> None:
        pass


class Outboxes:
    """A provider for all tests of a file: an outbox for each tenant."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, Outbox] = {}

    def of(self, tenant: str) -> Outbox:
        return self._by_tenant.setdefault(tenant, Outbox(tenant))

    async def send(self, message: Outgoing) -> Receipt:
        return await self.of(message.tenant).send(message)

    async def close(self) -> None:
        pass


@asynccontextmanager
async def outreach(platform: Platform, tenant: str, *providers: Provider) -> AsyncIterator[None]:
    """A replica of outreach for each provider, or one with the sandbox; they know the tenant."""
    async with platform.every_name_a_tenants(), AsyncExitStack() as replicas:
        for provider in providers or (None,):
            await replicas.enter_async_context(build(platform.settings("outreach"), provider).running())
        await platform.introduce(tenant, "outreach")
        try:
            yield
        finally:
            for provider in providers:
                if isinstance(provider, Gate):
                    provider.open()  # or a test that failed waits until the provider's time is up


async def account(
    platform: Platform, tenant: str, channel: Channel = Channel.EMAIL, *, refuses: float = 0.0, **settings: Any
) -> AccountView:
    """An account that sends as much as it likes, as fast as it likes, but for what is said; its provider `refuses` a share of it."""
    given = {"daily_limits": UNLIMITED[channel], "least_gap_minutes": 0, "most_gap_minutes": 0, **settings}
    sender_name = given.pop("sender_name", None)
    order = SetAccount(
        title="Sales", channel=channel, address="sales@example.com", sender_name=sender_name,
        settings=NewAccountSettings.model_validate(given), sandbox=NewSandbox(refuses=refuses),
    )  # fmt: skip
    return await platform.caller.ask(tenant, order)


async def keep_from_sending(platform: Platform, account_id: UUID, how: str) -> None:
    """Have an account be as it is when something keeps it from sending."""
    async with platform.sql() as sql:
        await sql.execute(f"update outreach.account set {how} where account_id = $1", account_id)


async def campaign(
    platform: Platform, tenant: str, *steps: NewStep, settings: dict[str, Any] | None = None, **about: Any
) -> CampaignStartResult:
    """A campaign that sends around the clock without a cap, but for what is said."""
    how = NewCampaignSettings.model_validate({"hours": ALWAYS, "daily_cap": 100_000, **(settings or {})})
    order = CreateCampaign(title="Hello", steps=steps or (NewStep(),), settings=how, **about)
    return await platform.caller.ask(tenant, order)


def lead(
    lead_id: UUID | None = None,
    *,
    version: int = 1,
    email: bool = True,
    phone: bool = False,
    linkedin: bool = False,
    person_id: UUID | None = None,
    email_token: str | None = None,
    changed: Sequence[str] = ("tier",),
    **about: Any,
) -> LeadAccepted | LeadUpdated:
    """A lead as intake tells of it: accepted in version 1, updated in any other; of a person of its own, but for what is said."""
    lead_id = lead_id or uuid4()
    told = {name: about.pop(name) for name in ("time_zone", "merged_into", "metadata") if name in about}
    fields: dict[str, Any] = {
        "lead_id": lead_id,
        "version": version,
        "submission_id": uuid4(),
        "source_system": "crm",
        "source_id": uuid4().hex,
        "person_id": person_id or lead_id,
        "attribution": Attribution(**about),
        "email_token": (email_token or f"email-{lead_id}") if email else None,
        "phone_token": f"phone-{lead_id}" if phone else None,
        "linkedin_token": f"linkedin-{lead_id}" if linkedin else None,
        "created_at": datetime.now(UTC),
        **told,
    }  # fmt: skip
    return LeadAccepted(**fields) if version == 1 else LeadUpdated(**fields, changed=list(changed))


async def new_lead(platform: Platform, tenant: str, **fields: Any) -> UUID:
    """A lead as an upstream submits it; intake must run."""
    given = {"source_system": "crm", "source_id": uuid4().hex, **fields}
    lead_id = (await platform.caller.ask(tenant, SubmitLeadNow(**given))).lead_id
    assert lead_id
    return lead_id


async def arrive(platform: Platform, tenant: str, leads: Sequence[Event]) -> None:
    """Publish leads, or other news of them, as intake, and wait until outreach has handled them."""
    ids = []
    async with platform.connect("intake") as intake:
        for each in leads:
            ids.append(uuid7())
            envelope = Envelope(ids[-1], each.topic.type, tenant, datetime.now(UTC), ids[-1])
            await intake.jetstream().publish(envelope.subject, encode(each), headers=envelope.headers)

    async def handled() -> bool:
        count = "select count(*) from outreach.inbox where message_id = any($1)"
        async with platform.sql() as sql:
            return bool(await sql.fetchval(count, ids) == len(ids))

    await until(handled, what="outreach has handled the leads")


async def settled(platform: Platform, tenant: str) -> CampaignView | None:
    """The tenant's only campaign, once it has nothing left to send and its audience is enrolled."""
    (campaign,) = (await platform.caller.ask(tenant, ListCampaigns())).campaigns
    async with platform.sql() as sql:
        enrolling = await sql.fetchval(
            "select exists (select from outreach.campaign where tenant_id = $1 and enrolled_through is not null)",
            tenant,
        )
    return None if campaign.queued or enrolling else campaign


async def messages(platform: Platform, tenant: str) -> list[dict[str, Any]]:
    """The tenant's messages as they stand in the queue, each with how often the sandbox was handed it."""
    async with platform.sql() as sql:
        rows = await sql.fetch(
            """select message.*, coalesce(deliveries, 0) as deliveries
               from outreach.send_queue as message left join outreach.sandbox_delivery using (tenant_id, message_id)
               where tenant_id = $1 order by queued_at, step, message.lead_id""",
            tenant,
        )
    return [dict(row) for row in rows]


async def count(platform: Platform, tenant: str, state: str) -> int:
    return sum(message["state"] == state for message in await messages(platform, tenant))


async def events(platform: Platform, tenant: str, name: str) -> list[dict[str, Any]]:
    """The bodies of the events of a name that were published for the tenant, with the envelope's correlation id."""
    async with platform.sql() as sql:
        rows = await sql.fetch(
            """select correlation_id, convert_from(body, 'utf8')::jsonb::text as body from outreach.outbox
               where tenant = $1 and type = $2 order by seq""",
            tenant,
            f"outreach.event.{name}.v1",
        )
    return [{**json.loads(row["body"]), "correlation_id": row["correlation_id"]} for row in rows]


async def changes(platform: Platform, message_id: UUID) -> list[str]:
    """The states that a message has been in."""
    async with platform.sql() as sql:
        rows = await sql.fetch(
            "select state from outreach.message_event where message_id = $1 order by event_id", message_id
        )
    return [row["state"] for row in rows]


async def expire_leases(platform: Platform, tenant: str) -> None:
    """Let time pass: the lease of everything that is claimed or being sent has run out."""
    async with platform.sql() as sql:
        await sql.execute(
            "update outreach.send_queue set lease_until = now() - interval '1 s' where tenant_id = $1 and token is not null",
            tenant,
        )
