"""Where scenes play: a scratch tenant whose accounts send into the sandbox, and a clock that only goes where it is moved."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from nats.aio.client import Client

from chassis import clock
from chassis.caller import Caller
from chassis.received import encode
from contracts.intake.leads import ListLeads, SubmitLead, SubmitLeadNow
from contracts.message import Reply, Request
from contracts.outreach.accounts import (
    AccountExplanation,
    ExplainAccount,
    NewAccountSettings,
    NewSandbox,
    SetAccount,
)
from contracts.outreach.campaigns import (
    Audience,
    CampaignView,
    CreateCampaign,
    GetCampaign,
    ListCampaigns,
    NewBusinessHours,
    NewCampaignSettings,
    NewStep,
)
from contracts.outreach.sending import ExplainMessage, Explanation, LeadMessages, MessageView
from contracts.taxonomy import Channel, SendKind
from leadloop.output import CommandError
from leadloop.verifying.check import Delivery, Waiting

T = TypeVar("T")
R = TypeVar("R", bound=Reply)

LEAST = timedelta(microseconds=1)
"""The least by which a moment can be before another."""
UNLIMITED = 100_000
AT_ANY_TIME = NewBusinessHours(opens="00:00", closes="24:00", weekdays=frozenset(range(1, 8)), holidays="none")
TAKES_ALL = NewSandbox(refuses=0)
_ASKED_SECONDS = 30.0
_WAITED_SECONDS = 20.0
"""How long is waited for what is to happen at once; what has not happened by then has not."""
_MISSED_ENOUGH, _WAITED_THEN_SECONDS = 3, 2.0
"""After so many things that have not happened outreach is broken, and nobody is to wait long for the rest."""
_LOOK_SECONDS = 0.005
_PAGE = 200
_PULSE = "pulse"
_LIMITED = {
    Channel.EMAIL: (SendKind.EMAIL,),
    Channel.LINKEDIN: (SendKind.CONNECTION_REQUEST, SendKind.LINKEDIN_MESSAGE),
}


class Stage:
    """Use `Stage.set`, for what every scene needs has to be there.

    Attributes:
        now: the moment that outreach takes it to be.

    Parameters:
        database: the superuser's session, in which nothing but the sandbox's log is read.
        file: the clock of outreach.
    """

    def __init__(self, client: Client, database: asyncpg.Connection, file: Path, tenant: str, now: datetime) -> None:
        self.now = now
        self._client = client
        self._caller = Caller(client)
        self._database = database
        self._file = file
        self._tenant = tenant
        self._people = 0
        self._missed = 0

    @classmethod
    async def set(cls, client: Client, database: asyncpg.Connection, file: Path, tenant: str, now: datetime) -> "Stage":
        """One with a campaign that sends to whoever is new, at any time: `pulse`."""
        stage = cls(client, database, file, tenant, now)
        await stage.account(Channel.EMAIL, _PULSE, unlimited=True, least_gap_minutes=0, most_gap_minutes=0)
        await stage.campaign(_PULSE, accounts=_PULSE, hours=AT_ANY_TIME, daily_cap=UNLIMITED)
        return stage

    async def ask(self, request: Request[R]) -> R:
        return await self._caller.ask(self._tenant, request, seconds=_ASKED_SECONDS)

    async def move(self, to: datetime) -> None:
        """Have it be a later moment, once nothing is being handed over: a message that is knows what time it is."""
        await self.until(self._is_idle, patiently=True)
        assert to >= self.now
        clock.move(self._file, to)
        self.now = to

    async def pulse(self) -> None:
        """Return when the worker has looked at all that was due, at this moment: at what is new as well as at all that was before.

        Raises:
            CommandError: it does not send, whatever it is.
        """
        lead = await self.lead(_PULSE)
        sql = "select exists (select from outreach.sandbox_delivery where tenant_id = $1 and lead_id = $2)"

        async def left() -> bool:
            return bool(await self._database.fetchval(sql, self._tenant, lead))

        if not await self.until(left, patiently=True):
            raise CommandError(f"outreach sent nothing at all within {_WAITED_SECONDS:g} s: nothing can be proven")

    async def account(
        self,
        channel: Channel,
        rotation_set: str,
        *,
        unlimited: bool = False,
        sandbox: NewSandbox = TAKES_ALL,
        **settings: Any,
    ) -> UUID:
        """Add an account that sends into the sandbox, with outreach's own limits and gaps, but for what is said."""
        if unlimited:
            settings["daily_limits"] = dict.fromkeys(_LIMITED[channel], UNLIMITED)
        order = SetAccount(
            title=rotation_set, channel=channel, address=f"{rotation_set}@example.com", sandbox=sandbox,
            settings=NewAccountSettings(rotation_set=rotation_set, **settings),
        )  # fmt: skip
        return (await self.ask(order)).account_id

    async def campaign(
        self, source: str, *, accounts: str, kinds: Sequence[SendKind] = (SendKind.EMAIL,), every_days: int = 0,
        tier: str | None = None, **settings: Any,
    ) -> UUID:  # fmt: skip
        """Start a campaign to the leads of a source, with outreach's own cap and hours, but for what is said."""
        order = CreateCampaign(
            title=source, audience=Audience.model_validate({"source_key": source, "tier": tier}),
            steps=tuple(NewStep(kind=kind, delay_days=every_days if number else 0) for number, kind in enumerate(kinds)),
            settings=NewCampaignSettings(rotation_set=accounts, **settings),
        )  # fmt: skip
        return (await self.ask(order)).campaign_id

    async def lead(self, source: str, channel: Channel = Channel.EMAIL, zone: str | None = None, **about: Any) -> UUID:
        """Submit the lead of somebody new to intake; returns its id."""
        lead_id = (await self.ask(SubmitLeadNow(**self._somebody(source, channel, zone), **about))).lead_id
        assert lead_id
        return lead_id

    async def leads(
        self, source: str, count: int, channel: Channel = Channel.EMAIL, zone: str | None = None
    ) -> list[UUID]:
        """Submit leads of so many people to intake at once, as an upstream does, and all of their source; returns their ids.

        Raises:
            CommandError: intake does not take them.
        """
        js, subject = self._client.jetstream(), SubmitLead.topic.subject(self._tenant)
        orders = [SubmitLead(**self._somebody(source, channel, zone)) for _ in range(count)]
        await asyncio.gather(*(js.publish(subject, encode(order)) for order in orders))
        found: list[UUID] = []

        async def all_taken() -> bool:
            nonlocal found
            found, cursor = [], None
            while len(found) < count:
                page = await self.ask(ListLeads(source_key=source, limit=_PAGE, cursor=cursor))
                found += [lead.lead_id for lead in page.leads]
                if (cursor := page.next_cursor) is None:
                    break
            return len(found) == count

        if not await self.until(all_taken, patiently=True):
            raise CommandError(f"intake took {len(found)} of {count} leads: nothing can be proven")
        return found

    def _somebody(self, source: str, channel: Channel, zone: str | None) -> dict[str, Any]:
        self._people += 1
        name = f"{source.replace('_', '-')}-{self._people}"
        reached = {
            Channel.EMAIL: {"email": f"ada@{name}.example.com"},
            Channel.LINKEDIN: {"linkedin_url": f"https://www.linkedin.com/in/{name}"},
        }
        return {
            "source_system": "verify", "source_id": name, "full_name": "Ada Example", "source": source, "time_zone": zone,
            **reached[channel],
        }  # fmt: skip

    async def log(self, *campaigns: UUID) -> list[Delivery]:
        """What the sandbox was handed of campaigns, in its order."""
        rows = await self._database.fetch(
            """select message_id, account_id, lead_id, kind, deliveries, delivered_at as at from outreach.sandbox_delivery
               where tenant_id = $1 and campaign_id = any ($2) order by delivered_at, message_id""",
            self._tenant, campaigns,
        )  # fmt: skip
        return [Delivery(**row) for row in rows]

    async def until_left(self, count: int, *campaigns: UUID) -> list[Delivery]:
        """The log of campaigns once it has so many messages, or the time is up."""
        found: list[Delivery] = []

        async def enough() -> bool:
            nonlocal found
            found = await self.log(*campaigns)
            return len(found) >= count

        await self.until(enough)
        return found

    async def until_queued(self, count: int, campaign: UUID) -> CampaignView:
        """A campaign once so many of its messages have come into the queue, wherever they are now, or the time is up."""

        async def enough() -> bool:
            view = await self.ask(GetCampaign(campaign_id=campaign))
            return view.queued + view.sent + view.failed + view.skipped + view.unknown >= count

        await self.until(enough)
        return await self.ask(GetCampaign(campaign_id=campaign))

    async def until_decided(self, lead: UUID, campaign: UUID) -> MessageView | None:
        """A new message to a lead, once it was looked at: it has left, or waits for a gate. As it is when the time is up; none if there
        is none by then."""
        found: MessageView | None = None

        async def decided() -> bool:
            nonlocal found
            found = await self.message(lead, campaign)
            return found is not None and (found.ended_at is not None or found.waiting_for is not None)

        await self.until(decided)
        return found

    async def message(self, lead: UUID, campaign: UUID) -> MessageView | None:
        """The newest message to a lead of a campaign."""
        view = await self.ask(LeadMessages(lead_id=lead))
        return next((message for message in view.messages if message.campaign_id == campaign), None)

    async def waiting(self, leads: Sequence[UUID], campaign: UUID) -> list[Waiting]:
        """The messages of a campaign to these leads, with what keeps each."""
        found = []
        for lead in leads:
            if message := await self.message(lead, campaign):
                found.append(_waiting(await self.ask(ExplainMessage(message_id=message.message_id))))
        return found

    async def explain_account(self, account: UUID) -> AccountExplanation:
        return await self.ask(ExplainAccount(account_id=account))

    async def until(self, look: Callable[[], Awaitable[bool]], *, patiently: bool = False) -> bool:
        """Look until it is so; whether it was before the time was up."""
        is_broken = self._missed >= _MISSED_ENOUGH and not patiently
        deadline = monotonic() + (_WAITED_THEN_SECONDS if is_broken else _WAITED_SECONDS)
        while not await look():
            if monotonic() > deadline:
                self._missed += 1
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def _is_idle(self) -> bool:
        campaigns = (await self.ask(ListCampaigns(limit=100))).campaigns
        return not any(campaign.in_flight for campaign in campaigns)


def _waiting(explanation: Explanation) -> Waiting:
    message = explanation.message
    gate = explanation.binding.value if explanation.binding else None
    return Waiting(message.message_id, message.state.value, gate, explanation.earliest)
