"""Weeks of outreach in minutes: the clock is moved from one moment at which something is due to the next, and processes are killed."""

import asyncio
import heapq
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from random import Random
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from contracts.intake.erasure import LeadErased
from contracts.intake.leads import LeadAccepted, LeadUpdated, SubmitLeadNow
from contracts.intake.people import LeadMerged, LeadUnmerged
from contracts.message import ProblemCode, Reply, Request
from contracts.outreach.accounts import ListAccounts, PauseAccount, ResumeAccount, SetAccount
from contracts.outreach.campaigns import (
    CreateCampaign,
    ListCampaigns,
    NewStep,
    NewVariant,
    PauseCampaign,
    ResumeCampaign,
)
from contracts.outreach.people import Suppress, Unsubscribe
from contracts.outreach.replies import ReplyView, ReportComplaint, ReportDelivery, TakeMail, TakeReply
from contracts.outreach.sending import SettleMessage
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import Fault, ReplyClass, SendKind
from tests.platform import Platform
from tests.simulation import rules
from tests.simulation import scenario as drawn
from tests.simulation.installation import Installation
from tests.simulation.rules import (
    CHANNELS,
    Account,
    Campaign,
    Delivery,
    Lead,
    Silence,
    World,
    broken,
    measures,
    told_otherwise,
)
from tests.simulation.scenario import Scenario
from tests.waiting import until

R = TypeVar("R", bound=Reply)
Act = Callable[[], Awaitable[None]]

_AT_NIGHT = (60, 240)
"""The least and the most minutes that the clock is moved by while nowhere anything may leave."""
_A_MOMENT = timedelta(microseconds=1)
_LEASE = timedelta(minutes=5)
"""More than any lease lasts."""
_STOPS = ("automation_throttled", "automation_resumed", "campaign_paused", "campaign_resumed")
"""The events that tell what stops, and what goes on."""
_FATES = (
    ("answers", 0.05), ("is_away", 0.03), ("unsubscribes", 0.01), ("clicks", 0.015), ("bounces", 0.02), ("complains", 0.001),
    ("is_confirmed", 0.05), ("is_suppressed", 0.005), ("is_erased", 0.005),
)  # fmt: skip
"""What comes back of a message, or becomes of its person, and how often."""
_ANSWERS = (
    "Yes, I'm interested. Can you call me tomorrow afternoon?", "Not interested.", "No thanks", "Wrong number, sorry.",
    "The blue one was on the hill.",
)  # fmt: skip


class Simulation:
    """`run` simulates a scenario in an installation.

    Attributes:
        silences: who is to be sent nothing, or what is to send nothing, since when.
        counts: what has happened.
    """

    def __init__(self, scenario: Scenario, there: Installation) -> None:
        self.scenario = scenario
        self.silences: list[Silence] = []
        self.counts = there.counts
        self.accounts: dict[UUID, Account] = {}
        self.campaigns: dict[UUID, Campaign] = {}
        self.leads: dict[UUID, Lead] = {}
        self._there = there
        self._chance = Random(there.seed)
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._number = count()
        self._read_until = there.now
        self._erased: set[str] = set()
        self._with_intake: set[UUID] = set()
        self._paused: set[UUID] = set()

    @classmethod
    @asynccontextmanager
    async def prepared(cls, platform: Platform, scenario: Scenario, seed: int) -> AsyncIterator["Simulation"]:
        """An installation whose clock shows the earlier campaign's day."""
        earlier = datetime.combine(scenario.earlier, time(), UTC)
        async with Installation.running(platform, earlier, seed, drawn.REGION) as there:
            yield cls(scenario, there)

    @property
    def now(self) -> datetime:
        """Where the clock stands."""
        return self._there.now

    async def run(self) -> None:
        """Simulate all of it."""
        told = list(drawn.leads(self.scenario, self._chance))
        earlier, others = told[: self.scenario.earlier_contacts], told[self.scenario.earlier_contacts :]
        await self._set_up(earlier)
        await self._live_until(self.now + timedelta(days=1, hours=12), report=False)
        await self._go_to(self.scenario.begins)
        for order in drawn.orders_of_campaigns():
            await self._add(order)
        await self._add(drawn.written_campaign(await self._written()))
        await self._submit_written()
        at_first = int(len(others) * self.scenario.at_first)
        await self._arrive(others[:at_first])
        self._plan(others[at_first:])
        self._plan_merges(others)
        await self._live_until(self.scenario.ends, report=True)
        await self._go_to(self.now + _LEASE)  # what was lost last
        await self._news()

    async def log(self) -> list[Delivery]:
        """All that the sandbox took."""
        return await self._there.taken_since(datetime.min.replace(tzinfo=UTC))

    async def world(self) -> World:
        """What was chosen, and what the sandbox refused: those addresses are not used any more."""
        rows = await self._there.sql.fetch(
            "select lead_id, kind, ended_at from outreach.send_queue where tenant_id = $1 and fault = 'recipient'",
            self._there.tenant,
        )
        refused = [
            Silence("there is no such mailbox", row["ended_at"], address=self.leads[row["lead_id"]].addresses[CHANNELS[row["kind"]]])
            for row in rows
        ]  # fmt: skip
        told = await self._there.sql.fetch(
            """select split_part(type, '.', 3) as name, convert_from(body, 'utf8') as body from outreach.outbox
               where tenant = $1 and type = any ($2) order by seq""",
            self._there.tenant, [f"outreach.event.{name}.v1" for name in _STOPS],
        )  # fmt: skip
        stopped = rules.stopped((row["name"], json.loads(row["body"])) for row in told)
        return World(self.accounts, self.campaigns, self.leads, [*self.silences, *refused, *stopped])

    async def shown(self) -> dict[str, int]:
        """How much has happened, of everything there is."""
        sql, tenant = self._there.sql, self._there.tenant
        became = "select state, count(*) as number from outreach.message_event where tenant_id = $1 group by state"
        refused = "select count(*) from outreach.send_queue where tenant_id = $1 and fault = 'recipient'"
        held = "select count(*) from outreach.send_queue where tenant_id = $1 and waiting_for = 'sixty_days'"
        stops = "select count(*) from outreach.outbox where tenant = $1 and type = any ($2)"
        told = ["outreach.event.automation_throttled.v1", "outreach.event.campaign_paused.v1"]
        return {
            **self.counts,
            "stopped": await sql.fetchval(stops, tenant, told),
            **{row["state"]: row["number"] for row in await sql.fetch(became, tenant)},
            "refused": await sql.fetchval(refused, tenant),
            "held by another": await sql.fetchval(held, tenant),
            **measures(await self.log(), await self.world()),
        }

    async def check(self) -> None:
        """Raise AssertionError where a rule has been broken."""
        assert broken(await self.log(), await self.world()) == [], f"seed {self._there.seed}"
        assert told_otherwise(await self.log(), await self._there.states()) == [], f"seed {self._there.seed}"

    async def _set_up(self, earlier: Sequence[tuple[LeadAccepted, Lead]]) -> None:
        for order in drawn.orders_of_accounts(self.scenario):
            await self._add_account(order)
        await self._add(drawn.earlier_campaign())
        await self._arrive(earlier)

    async def _add_account(self, order: SetAccount) -> None:
        self.accounts[(await self._there.ask(order)).account_id] = drawn.account(order)

    async def _add(self, order: CreateCampaign) -> None:
        self.campaigns[(await self._there.ask(order)).campaign_id] = drawn.campaign(order)

    async def _written(self) -> NewStep:
        """A step that is written by a template, so that intake has to reveal its leads."""
        order = SaveTemplate(
            name="spring", kind=SendKind.EMAIL, subject="A question", body="Hello {{ full_name | default: 'you' }}", actor="user:1"
        )  # fmt: skip
        return NewStep(variants=(NewVariant(template_id=(await self._there.ask(order)).template_id),))

    async def _submit_written(self) -> None:
        """Have intake take the leads of the campaign that is written by a template."""
        for number in range(self.scenario.written_contacts):
            zone = self._chance.choice(drawn.ZONES)
            order = SubmitLeadNow(
                source_system="site", source_id=str(number), source=drawn.WRITTEN, full_name=f"Ada {number}",
                email=f"ada.{self._there.seed}.{number}@example.com", time_zone=zone,
            )  # fmt: skip
            lead_id = (await self._there.ask(order)).lead_id
            assert lead_id
            self._with_intake.add(lead_id)
            self.leads[lead_id] = Lead(f"written {number}", {"email": f"written-{number}"}, zone)
        known = "select count(*) from outreach.lead where tenant_id = $1 and attribution ->> 'source_key' = $2"

        async def all_known() -> bool:
            number = await self._there.sql.fetchval(known, self._there.tenant, drawn.WRITTEN)
            return bool(number == self.scenario.written_contacts)

        await until(all_known, what="outreach knowing the leads that intake took")

    def _plan(self, others: Sequence[tuple[LeadAccepted, Lead]]) -> None:
        """Have the other leads come day by day, campaigns and accounts be paused for a while, and somebody look after them."""
        chance, days = self._chance, self.scenario.days
        share = -(-len(others) // days)
        for day in range(days):
            begins = self.scenario.begins + timedelta(days=day)
            coming = others[day * share : (day + 1) * share]
            self._at(begins + timedelta(hours=chance.uniform(2, 20)), lambda coming=coming: self._arrive(coming))
            self._at(begins + timedelta(hours=12), self._look_after)
        for hour in range(24 * days):
            self._at(self.scenario.begins + timedelta(hours=hour, minutes=30), self._news)
        things = [*((PauseCampaign, ResumeCampaign, id_) for id_ in self.campaigns), *((PauseAccount, ResumeAccount, id_) for id_ in self.accounts)]  # fmt: skip
        for _ in range(max(4, days)):
            pause, resume, id_ = chance.choice(things)
            at = self.scenario.begins + timedelta(days=chance.uniform(0, days - 1))
            self._at(at, lambda about=(pause, resume, id_): self._pause(*about))

    def _plan_merges(self, others: Sequence[tuple[LeadAccepted, Lead]]) -> None:
        """Have some of the leads that are one person's be merged for a while."""
        for (one, mine), (other, theirs) in pairwise(others):
            if mine.person == theirs.person and self._chance.random() < 0.5:
                at = self.scenario.begins + timedelta(days=self._chance.uniform(0, self.scenario.days - 1))
                self._at(at, lambda pair=(one, other): self._merge(*pair))

    async def _live_until(self, end: datetime, *, report: bool) -> None:
        """Move the clock on and on, to what is due and to what is planned, not past `end`; check what was sent day by day, if it is
        reported."""
        began, day = monotonic(), self.now.date()
        await self._there.settle()
        while (stop := await self._next_stop()) < end:
            if report and stop.date() != day:
                print(self._line(day, monotonic() - began), flush=True)
                await self.check()
                began, day = monotonic(), stop.date()
            kills = drawn.is_open(stop) and self._chance.random() < self.scenario.killing
            await self._go_to(stop, kills=kills)
        await self._go_to(end)

    async def _go_to(self, moment: datetime, *, kills: bool = False) -> None:
        """Move the clock, do what is planned for that moment while the processes do what is due, and wait until there is nothing left."""
        self._there.move(moment)
        async with asyncio.TaskGroup() as under_way:
            if kills:
                under_way.create_task(self._there.strike(self._chance))
            while self._agenda and self._agenda[0][0] <= moment:
                await heapq.heappop(self._agenda)[2]()
        await self._there.settle(after_a_kill=kills)

    async def _next_stop(self) -> datetime:
        """When something is due next, a random while from now at least; or when something is planned, opens, closes or begins before."""
        due = await self._there.next_due()
        minutes = self._chance.uniform(*(self.scenario.moves if drawn.is_open(self.now) else _AT_NIGHT))
        least = self.now + timedelta(minutes=minutes)
        stops = [max(due, least)] if due else []
        stops += [at for at, _, _ in self._agenda[:1]]
        stops += [
            moment
            for day in (self.now.date() + timedelta(days=days) for days in (-1, 0, 1, 2))
            for moment in drawn.boundaries(day)
            if moment > self.now
        ]
        return max(min(stops), self.now + _A_MOMENT)

    async def _arrive(self, leads: Sequence[tuple[LeadAccepted, Lead]]) -> None:
        self.leads.update({told.lead_id: known for told, known in leads})
        await self._there.publish([told for told, _ in leads])

    # What becomes of messages and their persons.

    async def _news(self) -> None:
        """Draw what comes back of what was sent since this was done last."""
        for each in await self._there.taken_since(self._read_until):
            self.counts["taken"] += 1
            drawn_at, summed = self._chance.random(), 0.0
            at = self.now + timedelta(hours=self._chance.uniform(0.1, 50))
            for fate, share in _FATES:
                summed += share
                if drawn_at < summed:
                    self._at(at, lambda each=each, fate=fate: self._meets(each, fate))
                    break
        self._read_until = self.now + _A_MOMENT

    async def _meets(self, sent: Delivery, fate: str) -> None:
        """What comes back of a message, unless its person was erased meanwhile."""
        person = self.leads[sent.lead_id].person
        if person in self._erased:
            return
        since, key, lead = self.now, str(sent.message_id), self.leads[sent.lead_id]
        silence: Silence | None = None
        if fate == "answers":
            await self._reply(sent, self._chance.choice(_ANSWERS))
            silence = Silence("they answered", since, person=person, campaign_id=sent.campaign_id)
        elif fate == "is_away":
            silence = await self._is_away(sent, lead)
        elif fate == "unsubscribes":
            await self._reply(sent, "Please unsubscribe me.")
            silence = Silence("they asked to be left alone", since, person=person)
        elif fate == "clicks":
            await self._there.ask(
                Unsubscribe(message_id=sent.message_id, token=await self._there.token(sent.message_id))
            )
            silence = Silence("they unsubscribed", since, person=person)
        elif fate == "bounces":
            report = {"reason": "mailbox_unknown", "fault": Fault.RECIPIENT}
            await self._there.ask(ReportDelivery(message_id=sent.message_id, source_key=key, delivered=False, **report))
            silence = Silence("it bounced", since, address=lead.addresses[CHANNELS[sent.kind]])
        elif fate == "complains":
            await self._there.ask(ReportComplaint(message_id=sent.message_id, source_key=key))
            silence = Silence("they complained", since, person=person)
        elif fate == "is_confirmed":
            await self._there.ask(ReportDelivery(message_id=sent.message_id, source_key=key, delivered=True))
        elif fate == "is_suppressed":
            await self._there.ask(Suppress(lead_id=sent.lead_id, actor="user:1"))
            silence = Silence("they are not to be contacted", since, person=person)
        elif sent.lead_id not in self._with_intake:  # which alone erases those
            await self._erase(person)
            silence = Silence("they were erased", since, person=person)
        self.counts[fate] += 1
        if silence:
            self.silences.append(silence)

    async def _is_away(self, sent: Delivery, lead: Lead) -> Silence | None:
        """An out of office, and until when it says that its person is away."""
        since = self.now
        zone = ZoneInfo(lead.zone or "UTC")
        back = self.now.astimezone(zone).date() + timedelta(days=self._chance.randint(2, 6))
        reply = await self._reply(sent, f"I am out of the office and will be back on {back.isoformat()}.")
        if reply:
            assert (reply.reply_class, reply.returns_on) == (ReplyClass.OUT_OF_OFFICE, back)
        until_then = datetime.combine(back, time(), zone).astimezone(UTC)
        return Silence("they are away", since, until_then, person=lead.person, campaign_id=sent.campaign_id)

    async def _reply(self, sent: Delivery, text: str) -> ReplyView | None:
        """Hand a reply over: as a mail, some of those to e-mails, or as a service does; what was kept of it, of the latter."""
        if sent.kind == "email" and self._chance.random() < 0.5:
            mail = f"From: somebody@example.com\r\nSubject: Re: A question\r\nMessage-ID: <{sent.message_id}@there.example>\r\nIn-Reply-To: <{sent.message_id}@leadloop>\r\n\r\n{text}\r\n"  # fmt: skip
            taken = await self._there.ask(TakeMail.model_validate({"raw": _base64(mail)}))
            assert taken.message_id == sent.message_id, taken
            return None
        return await self._there.ask(TakeReply(message_id=sent.message_id, source_key=str(sent.message_id), text=text))

    async def _erase(self, person: str) -> None:
        self._erased.add(person)
        mine = [lead_id for lead_id, lead in self.leads.items() if lead.person == person]
        await self._there.publish(
            [
                LeadErased(erasure_id=uuid7(), lead_id=id_, version=2, person_id=id_, occurred_at=self.now)
                for id_ in mine
            ]
        )

    async def _merge(self, survivor: LeadAccepted, merged: LeadAccepted) -> None:
        """One lead of a person stands for another for some time, once both have come."""
        person = self.leads[survivor.lead_id].person if survivor.lead_id in self.leads else None
        if person is None or merged.lead_id not in self.leads or person in self._erased:
            return
        since = self.now
        stands = {**survivor.__dict__, "version": 2, "merged_lead_ids": [merged.lead_id], "merged_by": "user:1"}
        aside = {**merged.__dict__, "version": 2, "merged_into": survivor.lead_id, "changed": ["merged_into"]}
        await self._there.publish([LeadMerged.model_validate(stands), LeadUpdated.model_validate(aside)])
        until_then = since + timedelta(hours=self._chance.uniform(5, 60))
        silence = Silence("another lead stands for it", since, until_then, lead_id=merged.lead_id)
        self.silences.append(silence)
        self.counts["merged"] += 1

        async def part() -> None:
            if person in self._erased:
                return
            parted = {**merged.__dict__, "version": 3, "survivor_id": survivor.lead_id, "unmerged_by": "user:1"}
            other = {**survivor.__dict__, "version": 3, "changed": ["merged_leads"]}
            await self._there.publish([LeadUnmerged.model_validate(parted), LeadUpdated.model_validate(other)])

        self._at(until_then, part)

    async def _pause(self, pause: type[Request[Any]], resume: type[Request[Any]], id_: UUID) -> None:
        """Pause a campaign or an account for some hours, once at a time."""
        if id_ in self._paused:
            return
        self._paused.add(id_)
        field, since = "account_id" if id_ in self.accounts else "campaign_id", self.now
        await self._there.ask(pause(**{field: id_}))
        until_then = since + timedelta(hours=self._chance.uniform(2, 30))
        self.silences.append(Silence("it is paused", since, until_then, **{field: id_}))  # type: ignore[arg-type]
        self.counts["paused"] += 1

        async def go_on() -> None:
            await self._there.ask(resume(**{field: id_}))
            self._paused.discard(id_)

        self._at(until_then, go_on)

    async def _look_after(self) -> None:
        """What people do once a day: resume accounts and campaigns that stopped, and say what became of messages that nobody knows of."""
        for account in (await self._there.ask(ListAccounts())).accounts:
            stopped = account.blocked or account.wants_a_person or account.domain_stopped
            if stopped and account.account_id not in self._paused:
                await self._there.ask(ResumeAccount(account_id=account.account_id, actor="user:1"))
                self.counts["resumed"] += 1
        for campaign in (await self._there.ask(ListCampaigns())).campaigns:
            if campaign.stopped and campaign.campaign_id not in self._paused:
                await self._there.ask(ResumeCampaign(campaign_id=campaign.campaign_id, actor="user:1"))
                self.counts["resumed"] += 1
        rows = await self._there.sql.fetch(
            """select message_id, deliveries from outreach.send_queue left join outreach.sandbox_delivery using (tenant_id, message_id)
               where tenant_id = $1 and state = 'unknown' order by message_id""",
            self._there.tenant,
        )  # fmt: skip
        for row in rows:
            id_ = row["message_id"]
            if self._chance.random() < 0.3:
                continue
            if row["deliveries"]:
                await self._there.ask(ReportDelivery(message_id=id_, source_key=f"settles-{id_}", delivered=True))
            else:
                outcome = self._chance.choice(("send_again", "failed"))
                await self._there.ask(SettleMessage.model_validate({"message_id": id_, "outcome": outcome, "actor": "user:1"}), done=ProblemCode.CONFLICT)  # fmt: skip
                self.counts[outcome] += 1

    def _at(self, moment: datetime, act: Act) -> None:
        heapq.heappush(self._agenda, (moment, next(self._number), act))

    def _line(self, day: date, seconds: float) -> str:
        told = ", ".join(f"{what} {number}" for what, number in sorted(self.counts.items()))
        return f"{day:%a %d %b} in {seconds:5.1f} s; so far: {told}"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
