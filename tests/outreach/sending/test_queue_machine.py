"""Whatever workers, people and time do to the queue: nothing leaves twice or through a closed gate, and nothing that is due is forgotten."""

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from uuid_utils.compat import uuid7

from chassis.keys import TenantKeys, key_service
from chassis.received import Received, Wire
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.erasure import LeadErased
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.intake.people import LeadMerged, LeadUnmerged, PersonRef
from contracts.intake.texts import KeepText, TextKept
from contracts.message import Envelope, Message, ProblemCode, ProblemError
from contracts.outreach.accounts import (
    NewAccountSettings,
    NewHttpService,
    PauseAccount,
    ResumeAccount,
    SetAccount,
    Transport,
)
from contracts.outreach.backfill import SentRow
from contracts.outreach.campaigns import (
    ArchiveCampaign,
    Audience,
    CreateCampaign,
    NewBusinessHours,
    NewCampaignSettings,
    NewStep,
    NewVariant,
    PauseCampaign,
    ResumeCampaign,
)
from contracts.outreach.people import Suppress, SuppressionReason, Unsuppress
from contracts.outreach.sending import Gate, SendState, SettleMessage, SkipMessage
from contracts.taxonomy import Channel, Fault, SendKind, Tier
from contracts.values import Attribution
from outreach.accounts import domain_guard
from outreach.accounts import handlers as accounts
from outreach.accounts.breaking import Tried
from outreach.accounts.domain_guard import Level, Tolerance
from outreach.backfill import sent as backfill
from outreach.backfill.persons import Person as Meant
from outreach.campaigns import handlers as campaigns
from outreach.campaigns.enrolling import enrol_audiences
from outreach.leads import handlers as leads
from outreach.leads import store as known_leads
from outreach.people import handlers as people
from outreach.replies import taking
from outreach.replies.taking import Incoming
from outreach.sending import handlers as sending
from outreach.sending import store_queue
from outreach.sending.claiming import LEASE, claim
from outreach.sending.domain_gates import ask, binding
from outreach.sending.facts import Accounts, facts_of, limits_of
from outreach.sending.leaving import begin
from outreach.sending.recording import MOST_TRIES, Result, record
from outreach.sending.sender import tried
from outreach.templates import store as templates
from outreach.upkeep import Upkeep, look_after_accounts
from tests.outreach.scene import NO_MEMORY
from tests.platform import Platform

RUNS, SECONDS = (100, 7200) if os.environ.get("LEADLOOP_SIMULATION") == "whole" else (12, 300)
"""How often it is all tried, and how long a machine that is busy with other things may take for it."""
CAP, LIMIT = 2, 3
"""Messages a day of a campaign from an account, and of an account."""
LENIENT = {Level.CAMPAIGN: 10, Level.SENDER_DOMAIN: 20}
"""The sends over which the bounce guard takes a rate, at least: so few that some of the machine's can stop something; and an account's health
over as many as of a domain."""
HAPPENS = (
    "claimed", "sending", "sent", "unknown", "skipped", "provider away", "blocked", "campaign guarded", "domain guarded",
)  # fmt: skip
"""What must have happened in some of the runs, or they have shown nothing."""
IMPATIENT = Tolerance(failures=1, window=timedelta(hours=1), pause=timedelta(minutes=10), longest=timedelta(hours=1))
"""What the provider of one of the accounts is allowed."""
PROVIDER = "https://messages.example.com"
MONDAY = datetime(2027, 3, 22, 8, tzinfo=UTC)
ALLOWED = {
    None: {"queued"},
    "queued": {"claimed", "skipped"},
    "claimed": {"queued", "sending", "skipped"},
    "sending": {"sent", "failed", "unknown", "queued", "skipped"},
    "unknown": {"sent", "failed", "queued", "skipped"},
}
"""What a message may become, by what it is; nothing, where it is anything else."""
MAY_HAVE_LEFT = {"sending", "sent", "unknown"}
numbers = st.integers(0, 999)
seldom = st.sampled_from([False, False, False, True])


@dataclass(frozen=True, slots=True)
class Person:
    """A lead that may come; two of them are the same person's."""

    name: str
    email: str
    zone: str | None
    tier: Tier

    @property
    def of_lead(self) -> UUID:
        return UUID(int=sum(ord(letter) << 8 * n for n, letter in enumerate(self.name)))


PEOPLE = (
    Person("ada", "a", "Europe/Berlin", Tier.A),
    Person("ada again", "a", "Europe/Berlin", Tier.B),
    Person("bob", "b", "America/New_York", Tier.A),
    Person("cleo", "c", None, Tier.B),
    Person("dan", "d", "Europe/Berlin", Tier.B),
    Person("eve", "e", "Europe/Berlin", Tier.A),
    Person("fay", "f", None, Tier.A),
    Person("fay again", "f", "Europe/Berlin", Tier.A),
    Person("gus", "g", "Europe/Berlin", Tier.B),
)


async def nobody_knows(tenant: str, words: KeepText, cause: Envelope | None) -> TextKept:
    raise ProblemError(ProblemCode.NOT_FOUND, "intake has no such lead", "lead_id")


class Provider:
    """Whether the provider of an account may be handed something, by what it was heard of."""

    def __init__(self) -> None:
        self.works()

    def works(self) -> None:
        self.failed_at: list[datetime] = []
        self.openings = 0
        self.until: datetime | None = None
        """When it may be tried again; nothing while it may be used."""
        self.probed_at: datetime | None = None

    def is_handed(self, claimed_at: datetime, now: datetime) -> None:
        if self.until is not None:
            assert now >= self.until, "its provider does not answer"
            assert self.probed_at is None or claimed_at - self.probed_at >= IMPATIENT.patience, "another is tried"
            self.probed_at = claimed_at

    def is_heard_of(self, tried: Tried, now: datetime) -> None:
        if self.until is None and not tried.answered:
            self.failed_at = [*(at for at in self.failed_at if now - at < IMPATIENT.window), now]
            if len(self.failed_at) < IMPATIENT.failures:
                return
        elif self.until is None or tried.asked_at != self.probed_at:
            return
        elif tried.answered:
            self.works()
            return
        self.until = now + min(IMPATIENT.pause * IMPATIENT.growth**self.openings, IMPATIENT.longest)
        self.openings, self.probed_at = self.openings + 1, None


class Queue(RuleBasedStateMachine):
    """A tenant's queue, beside what must be true of it."""

    runner: asyncio.Runner
    database: Database
    keys: TenantKeys
    tenants: list[str]
    clock: list[datetime]
    seen: Counter[str]
    """How often messages changed into each state, in all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.tenant = f"queue-{uuid4().hex[:12]}"
        self.tenants[:] = [self.tenant]
        self.clock[:] = [MONDAY]
        self.upkeep = Upkeep(self.database)
        self.came: dict[UUID, Person] = {}
        self.running: dict[UUID, bool] = {}
        self.active: dict[UUID, bool] = {}
        self.zones: dict[UUID, str] = {}
        self.batches: list[tuple[UUID, list[UUID]]] = []
        """What workers have claimed and not begun, by their tokens."""
        self.leaving: list[tuple[UUID, UUID]] = []
        """What workers have begun to hand over and said nothing of, with their tokens."""
        self.within: dict[UUID, tuple[Any, ...]] = {}
        """The limits of their accounts when messages were claimed."""
        self.left_at: dict[UUID, datetime] = {}
        self.may_leave: dict[UUID, bool] = {}
        self.last_of: dict[UUID, datetime] = {}
        self.suppressed: dict[UUID, tuple[str, datetime | None]] = {}
        self.answered: set[tuple[UUID, str]] = set()
        self.away: dict[str, datetime] = {}
        self.erased: set[UUID] = set()
        self.rests_until: dict[UUID, datetime] = {}
        """Accounts whose providers want them to send nothing; without an end where they want to see a person."""
        self.begun: dict[UUID, Any] = {}
        """What was last being handed over, as it was when that began."""
        self.provider = Provider()
        self.bounced: dict[UUID, datetime] = {}
        """What came back, and when that was heard."""
        self.guarded: set[UUID] = set()
        """The campaigns that the guard has stopped, and nobody has resumed."""
        self.resumed_at: dict[UUID, datetime] = {}
        """When they were, last."""
        self.versions: Counter[UUID] = Counter()
        self.merged: dict[UUID, UUID] = {}
        """Leads for which another stands."""
        self.elsewhere: list[tuple[str, datetime, set[UUID]]] = []
        """Whom another system sent something, and when, and the sequences that had been sent something themselves by then."""
        self.run(self._set_up())

    # What happens.

    @rule(minutes=st.sampled_from([1, 7, 17, 17, 60, 300, 4 * 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.clock[0] += timedelta(minutes=minutes)

    @rule()
    def the_next_working_day_comes(self) -> None:
        at = self.now.replace(hour=9, minute=0) + timedelta(days=1)
        self.clock[0] = at + timedelta(days=max(0, 8 - at.isoweekday()) if at.isoweekday() > 5 else 0)

    @rule(happens=seldom)
    def sixty_days_pass(self, happens: bool) -> None:
        self.clock[0] += timedelta(days=60 if happens else 0)

    @rule(number=numbers)
    def a_lead_comes(self, number: int) -> None:
        person = PEOPLE[number % len(PEOPLE)]
        if person.of_lead not in self.came:
            self.came[person.of_lead] = person
            self.run(self._comes(person))

    @precondition(lambda self: len(self.running) < 4)
    @rule(tier=st.sampled_from(Tier) | st.none())
    def a_campaign_begins(self, tier: Tier | None) -> None:
        self.run(self._campaign(tier))

    @rule(
        chance=numbers, most=st.integers(1, 3), waits=st.sampled_from([True, True, False]),
        begins=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def a_worker_claims(self, chance: int, most: int, waits: bool, begins: bool) -> None:
        """What there is, or what is due next, and begins to hand it over, or does something else first."""
        if self._claims(chance, most, waits=waits) and begins:
            self.run(self._begin(*self.batches.pop()))

    @rule(chance=numbers, what=st.sampled_from(["campaign", "account", "person", "evening"]))
    def something_happens_between_claim_and_hand_over(self, chance: int, what: str) -> None:
        if not self._claims(chance, 3, waits=True):
            return
        token, ids = self.batches.pop()
        row = self.run(self._rows())[ids[0]]
        if what == "campaign":
            self._pause_campaign(row["campaign_id"])
        elif what == "account":
            self._pause_account(row["account_id"])
        elif what == "person":
            self._suppress(row["lead_id"], SuppressionReason.UNSUBSCRIBED, None)
        else:
            self.clock[0] += timedelta(hours=10)
        self.run(self._begin(token, ids))

    @precondition(lambda self: self.batches)
    @rule(number=numbers)
    def it_begins(self, number: int) -> None:
        token, ids = self.batches.pop(number % len(self.batches))
        self.run(self._begin(token, ids))

    @precondition(lambda self: self.batches)
    @rule(number=numbers)
    def it_dies(self, number: int) -> None:
        self.batches.pop(number % len(self.batches))

    @rule(
        number=numbers,
        what=st.sampled_from(["sent", "sent", "refused", "failed", "unknown", "later", "throttled", "captcha"]),
    )
    def it_says_what_became(self, number: int, what: str) -> None:
        if self._is_leaving(number):
            token, message = self.leaving.pop(number % len(self.leaving))
            self.run(self._record(message, token, what))

    @rule(number=numbers, says=st.booleans())
    def it_dies_in_the_middle_of_it(self, number: int, says: bool) -> None:
        """Its lease runs out, and what it knew comes too late, or never."""
        if self._is_leaving(number):
            token, message = self.leaving.pop(number % len(self.leaving))
            self.clock[0] += LEASE + timedelta(seconds=1)
            self.run(self.upkeep.give_up_expired())
            if says:
                self.run(self._record(message, token, "sent"))

    @rule(chance=numbers)
    def a_worker_sends_what_there_is(self, chance: int) -> None:
        self.run(self._work(Random(chance)))

    @rule(chance=numbers, most=st.integers(1, 4), fault=st.sampled_from([Fault.POLICY, Fault.REPUTATION]))
    def much_comes_back(self, chance: int, most: int, fault: Fault) -> None:
        """Of what was sent last; and within a minute somebody looks."""
        self.the_next_working_day_comes()
        self.run(self._work(Random(chance)))
        self.run(self._come_back(most, fault))
        self.run(self._look_after())

    @rule(chance=numbers)
    def a_provider_goes_down(self, chance: int) -> None:
        for _ in range(3):
            if self._claims(chance, 3, waits=True):
                self.run(self._begin(*self.batches.pop()))
        for each in [each for each in self.leaving if self.begun[each[1]]["account_endpoint"]]:
            self.leaving.remove(each)
            token, message = each
            self.run(self._record(message, token, "later"))

    @rule(number=numbers, parts=st.booleans())
    def leads_of_one_person_are_merged_or_parted(self, number: int, parts: bool) -> None:
        pairs = [(one, other) for one in self.came for other in self.came if one != other and one not in self.erased
                 and self.came[one].email == self.came[other].email]  # fmt: skip
        if self.merged and parts:
            self.run(self._part(self._one(self.merged, number)))
        elif pairs:
            one, other = pairs[number % len(pairs)]
            if {one, other}.isdisjoint([*self.merged, *self.merged.values()]):
                self.run(self._merge(one, other))

    @precondition(lambda self: self.came)
    @rule(number=numbers, days=st.sampled_from([0, 1, 59, 61]), happens=seldom)
    def another_system_sent_somebody_something(self, number: int, days: int, happens: bool) -> None:
        lead = self._one(self.came, number)
        if happens and lead not in self.erased:
            self.run(self._sent_elsewhere(lead, self.now - timedelta(days=days)))

    @rule()
    def it_is_looked_after(self) -> None:
        self.run(self._look_after())

    @rule(number=numbers)
    def a_campaign_is_paused(self, number: int) -> None:
        self._pause_campaign(self._one(self.running, number))

    @rule(number=numbers)
    def a_campaign_is_resumed(self, number: int) -> None:
        id_ = self._one(self.running, number)
        view = self.ask(partial(campaigns.resume_campaign, NO_MEMORY), ResumeCampaign(campaign_id=id_))
        self._goes_on(id_, view.state)

    @precondition(lambda self: len(self.running) > 2)
    @rule(number=numbers, happens=seldom)
    def a_campaign_is_archived(self, number: int, happens: bool) -> None:
        if not happens:
            return
        id_ = self._one(self.running, number)
        self.ask(campaigns.archive_campaign, ArchiveCampaign(campaign_id=id_))
        self.running[id_] = False

    @rule(number=numbers)
    def an_account_is_paused(self, number: int) -> None:
        self._pause_account(self._one(self.active, number))

    @rule(number=numbers)
    def an_account_is_resumed(self, number: int) -> None:
        id_ = self._one(self.active, number)
        self.ask(accounts.resume_account, ResumeAccount(account_id=id_))
        self.active[id_] = True
        self.rests_until.pop(id_, None)

    @precondition(lambda self: self.came)
    @rule(number=numbers, reason=st.sampled_from(SuppressionReason), hours=st.none() | st.integers(1, 90))
    def somebody_is_suppressed(self, number: int, reason: SuppressionReason, hours: int | None) -> None:
        self._suppress(self._one(self.came, number), reason, hours)

    @precondition(lambda self: self.suppressed)
    @rule(number=numbers)
    def that_is_lifted(self, number: int) -> None:
        id_ = self._one(self.suppressed, number)
        if self.ask(partial(people.unsuppress, self.keys), Unsuppress(suppression_id=id_)):
            del self.suppressed[id_]

    @precondition(lambda self: self.left_at)
    @rule(number=numbers, is_away=st.booleans())
    def somebody_answers(self, number: int, is_away: bool) -> None:
        self.run(self._answers(self._one(self.left_at, number), is_away))

    @precondition(lambda self: self.came)
    @rule(number=numbers, happens=seldom)
    def somebody_is_erased(self, number: int, happens: bool) -> None:
        if not happens:
            return
        lead = self._one(self.came, number)
        mine = [id_ for id_, person in self.came.items() if person.email == self.came[lead].email]
        self.erased.update(mine)
        self.suppressed = {
            id_: about for id_, about in self.suppressed.items() if about[0] != self.came[lead].email
        }  # fmt: skip
        told = [
            LeadErased(erasure_id=uuid7(), lead_id=id_, version=99, person_id=id_, occurred_at=self.now) for id_ in mine
        ]
        self.run(self._in_a_unit(lambda uow: leads.forget_leads(uow, [self.received(each) for each in told])))

    @precondition(lambda self: self.may_leave)
    @rule(number=numbers, happens=seldom)
    def a_message_is_skipped(self, number: int, happens: bool) -> None:
        if happens:
            self.ask(sending.skip_message, SkipMessage(message_id=self._one(self.may_leave, number)))

    @precondition(lambda self: self.left_at)
    @rule(number=numbers, outcome=st.sampled_from(["sent", "failed", "send_again"]))
    def a_person_settles_a_message(self, number: int, outcome: str) -> None:
        id_ = self._one(self.left_at, number)
        order = SettleMessage.model_validate({"message_id": id_, "outcome": outcome})
        if self.ask(sending.settle_message, order) and outcome == "send_again":
            self.may_leave[id_] = True

    # What must be true.

    @invariant()
    def it_is_as_it_must_be(self) -> None:
        self.run(self._check())

    def teardown(self) -> None:
        try:
            # Whatever came before, all of that happens, and nothing leaves while it lasts.
            self.run(self._resume_all())
            self.a_provider_goes_down(1)
            for most, fault in (
                (2, Fault.POLICY),
                (4, Fault.REPUTATION),
            ):  # a domain is stopped, then accounts are blocked
                self.much_comes_back(most, most, fault)
                self.run(self._resume_campaigns())
                self.the_next_working_day_comes()
                self.run(self._work(Random(most)))
                self.run(self._check())
                self.run(self._resume_all())
            self.run(self._comes_to_an_end())
        finally:
            super().teardown()

    # How it is done.

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def received(self, body: Message) -> Received[Any]:
        id_ = uuid7()
        envelope = Envelope(id_, body.topic.type, self.tenant, self.now, id_)
        return Received(envelope, body, Wire(envelope.subject, {}, b"", self.now))

    def ask(self, answer: Any, request: Message) -> Any:
        """What is answered; none where it is refused, which undoes all of it."""

        async def asked() -> Any:
            try:
                return await self._in_a_unit(lambda uow: answer(uow, self.received(request)))
            except ProblemError:
                return None

        return self.run(asked())

    def _claims(self, chance: int, most: int, *, waits: bool) -> bool:
        """Claim what there is, or what is due next; whether there was any."""
        claimed = len(self.batches)
        if waits and (due := self.run(self._next_due())):
            self.clock[0] = max(due, self.now)
        while self.run(self._claim(Random(chance), most)) and len(self.batches) == claimed:
            pass
        return len(self.batches) > claimed

    def _is_leaving(self, chance: int) -> bool:
        """Whether something is being handed over; what is due next, where nothing was."""
        if not self.leaving and self._claims(chance, 3, waits=True):
            self.run(self._begin(*self.batches.pop()))
        return bool(self.leaving)

    def _goes_on(self, campaign: UUID, state: str) -> None:
        self.running[campaign] = state == "running"
        if campaign in self.guarded:
            self.guarded.discard(campaign)
            self.resumed_at[campaign] = self.now

    def _pause_campaign(self, id_: UUID) -> None:
        self.ask(campaigns.pause_campaign, PauseCampaign(campaign_id=id_))
        self.running[id_] = False

    def _pause_account(self, id_: UUID) -> None:
        self.ask(accounts.pause_account, PauseAccount(account_id=id_))
        self.active[id_] = False

    def _suppress(self, lead: UUID, reason: SuppressionReason, hours: int | None) -> None:
        ends = self.now + timedelta(hours=hours) if hours and reason is not SuppressionReason.COMPLAINT else None
        if lead not in self.erased:
            view = self.ask(partial(people.suppress, self.keys), Suppress(lead_id=lead, reason=reason, expires_at=ends))
            self.suppressed[view.suppression_id] = self.came[lead].email, ends

    async def _in_a_unit(self, work: Any) -> Any:
        async with self.database.begin(self.tenant) as uow:
            return await work(uow)

    def _one(self, known: dict[UUID, Any], number: int) -> UUID:
        return list(known)[number % len(known)]

    async def _set_up(self) -> None:
        async with self.database.begin(self.tenant) as uow:
            await uow.execute(
                "insert into tenant (tenant_id, version, settings, created_at) values (:tenant, 1, '{}', :now)",
                tenant=self.tenant, now=self.now,
            )  # fmt: skip
            for zone in ("UTC", "Australia/Sydney"):
                order = SetAccount(
                    title="Sales", channel=Channel.EMAIL, address="sales@example.com",
                    settings=NewAccountSettings.model_validate({"time_zone": zone, "daily_limits": {"email": LIMIT}}),
                )  # fmt: skip
                view = await accounts.set_account(uow, self.received(order))
                self.active[view.account_id] = True
                self.zones[view.account_id] = zone
            posted = SetAccount(account_id=view.account_id, transport=Transport.HTTP, http=NewHttpService(url=PROVIDER))
            await accounts.set_account(uow, self.received(posted))
            text = (await templates.name(uow, self.tenant, uuid7(), "hello", SendKind.EMAIL))["template_id"]
            self.variant = NewVariant(template_id=text)
            await templates.keep(uow, self.tenant, text, "A question", "Hello", [], "user:1")
        await self._campaign(None)
        await self._campaign(Tier.A)
        for person in PEOPLE[:4]:
            self.came[person.of_lead] = person
            await self._comes(person)

    async def _campaign(self, tier: Tier | None) -> None:
        how = NewCampaignSettings(daily_cap=CAP, hours=NewBusinessHours(holidays="none"))
        order = CreateCampaign(
            title="Hello",
            audience=Audience(tier=tier),
            settings=how,
            steps=(NewStep(variants=(self.variant,)), NewStep(delay_days=2, variants=(self.variant,))),
        )
        view = await self._in_a_unit(lambda uow: campaigns.create_campaign(NO_MEMORY, uow, self.received(order)))
        self.running[view.campaign_id] = True
        while await enrol_audiences(self.database):
            pass

    async def _comes(self, person: Person) -> None:
        lead = LeadAccepted(**self._about(person.of_lead))
        await self._in_a_unit(lambda uow: leads.keep_leads(uow, [self.received(lead)]))

    async def _claim(self, chance: Random, most: int) -> bool:
        """Claim, and whether anything was looked at; where nothing was, nothing may be due whose gates are open."""
        async with self.database.begin(self.tenant) as uow:
            claimed = await claim(uow, [self.tenant], most, chance)
        for row in claimed.messages:
            last = self.last_of.get(row["account_id"])
            assert last is None or self.now - last >= timedelta(minutes=6), "the account's last message is too near"
            self.last_of[row["account_id"]] = self.now
        self.within |= {row["message_id"]: limits_of(row) for row in claimed.messages}
        if claimed.messages:
            self.batches.append((claimed.token, [row["message_id"] for row in claimed.messages]))
        if not claimed.looked_at:
            await self._nothing_is_forgotten()
        return bool(claimed.looked_at)

    async def _begin(self, token: UUID, ids: list[UUID]) -> None:
        blocked, domain = await self._stopped()
        async with self.database.begin(self.tenant) as uow:
            begun = await begin(uow, dict.fromkeys(ids, (self.tenant, token)), self.within)
        rows = await self._rows()
        for id_ in begun:
            assert self.may_leave.get(id_, True), "it leaves a second time"
            assert (why := self._closed(rows[id_], rows)) is None, why
            assert rows[id_]["account_id"] not in blocked, "its account's health is too low"
            assert not domain, "its account's domain is stopped"
            if begun[id_]["account_endpoint"]:
                self.provider.is_handed(begun[id_]["spent_at"], self.now)
            self.begun[id_] = begun[id_]
            self.may_leave[id_] = False
            self.left_at[id_] = self.now
            self.last_of[rows[id_]["account_id"]] = self.now
            self.leaving.append((token, id_))

    def _closed(self, row: Any, rows: dict[UUID, Any]) -> str | None:
        """Why a message must not leave now, by what the machine itself has done."""
        person = self.came[row["lead_id"]]
        there = self.now.astimezone(ZoneInfo(person.zone or self.zones[row["account_id"]]))
        others = [
            at
            for id_, at in self.left_at.items()
            if rows[id_]["state"] in MAY_HAVE_LEFT and rows[id_]["enrollment_id"] != row["enrollment_id"]
            and self.came[rows[id_]["lead_id"]].email == person.email
        ]  # fmt: skip
        return next(
            (
                why
                for why, closed in {
                    "its campaign does not run": not self.running[row["campaign_id"]],
                    "its account is paused": not self.active[row["account_id"]],
                    "its account's provider wants nothing": self.rests_until.get(row["account_id"], MONDAY) > self.now,
                    "it is not the hour": there.isoweekday() > 5 or not time(9) <= there.time() < time(18),
                    "its person was contacted by another": any(self.now - at < timedelta(days=60) for at in others),
                    "its person was contacted elsewhere": any(
                        email == person.email
                        and self.now - at < timedelta(days=60)
                        and row["enrollment_id"] not in begun
                        for email, at, begun in self.elsewhere
                    ),
                    "another lead stands for its own": row["lead_id"] in self.merged,
                    "its person is suppressed": any(
                        email == person.email and (ends is None or ends > self.now)
                        for email, ends in self.suppressed.values()
                    ),
                    "its person was erased": row["lead_id"] in self.erased,
                    "its person answered": (row["campaign_id"], person.email) in self.answered,
                    "its person is away": self.away.get(person.email, MONDAY) > self.now,
                }.items()
                if closed
            ),
            None,
        )

    async def _record(self, message: UUID, token: UUID, what: str) -> None:
        before = (await self._rows())[message]
        later = {"state": SendState.QUEUED, "reason": what}
        result: dict[str, Any] = {
            "refused": {"state": SendState.FAILED, "reason": "mailbox_unknown", "fault": Fault.RECIPIENT},
            "failed": {"state": SendState.FAILED, "reason": "broken"},
            "later": {**later, "again_after": 7200.0},
            "throttled": {**later, "again_after": 7200.0, "throttled": True},
            "captcha": {**later, "wants_a_person": True},
        }.get(what, {"state": SendState(what)} if what in ("sent", "unknown") else {})
        outcome = Result(self.tenant, message, token, **result, away=what in ("later", "unknown"))
        outcome = replace(outcome, tried=tried(self.begun[message], outcome))
        async with self.database.begin(self.tenant) as uow:
            await record(uow, [outcome])
        if outcome.tried:
            self.provider.is_heard_of(outcome.tried, self.now)
            self.seen["provider away"] += self.provider.until is not None
        is_its_own = before["token"] == token and before["state"] in ("sending", "unknown")
        if is_its_own and what == "refused":
            self.bounced[message] = self.now
        if is_its_own and result["state"] is SendState.QUEUED:
            self.may_leave[message] = True
            account, forever = before["account_id"], datetime.max.replace(tzinfo=UTC)
            is_given_up = before["tries"] + 1 >= MOST_TRIES
            if not is_given_up and (
                rests := {"throttled": self.now + timedelta(hours=2), "captcha": forever}.get(what)
            ):
                self.rests_until[account] = max(rests, self.rests_until.get(account, rests))

    async def _work(self, chance: Random) -> None:
        """A worker claims and sends all there is."""
        while await self._claim(chance, 3):
            while self.batches:
                await self._begin(*self.batches.pop())
            while self.leaving:
                token, message = self.leaving.pop()
                await self._record(message, token, "sent")

    async def _look_after(self) -> None:
        await self.upkeep.give_up_expired()
        await enrol_audiences(self.database)
        running = dict(self.running)
        await look_after_accounts(self.database, self.now)
        await self._guards_have_done_their_duty(running)

    async def _guards_have_done_their_duty(self, running: dict[UUID, bool]) -> None:
        """Three that came back of one campaign's few have stopped it, and nothing has stopped one of which nothing did."""
        rows = await self._rows()
        async with self.database.begin(self.tenant) as uow:
            paused = await uow.execute(
                "select campaign_id from campaign where tenant_id = :tenant and state = 'paused'", tenant=self.tenant
            )
            for id_ in paused.scalars():
                self.running[id_] = False
        for id_, was_running in running.items():
            since = self.resumed_at.get(id_, MONDAY - timedelta(days=1))
            mine = [at for message, at in self.bounced.items() if rows[message]["campaign_id"] == id_ and at >= since]
            sends = sum(row["campaign_id"] == id_ and row["spent_at"] is not None for row in rows.values())
            if was_running and len(mine) >= 3 and sends <= LENIENT[Level.CAMPAIGN] and max(mine) == self.now:
                assert not self.running[id_], f"{len(mine)} of {sends} came back"
            if not mine and was_running:
                assert self.running[id_], "nothing of it came back"
            if was_running and not self.running[id_]:
                self.guarded.add(id_)
                self.seen["campaign guarded"] += 1
        blocked, domain = await self._stopped()
        self.seen["blocked"] += len(blocked)
        self.seen["domain guarded"] += domain

    async def _stopped(self) -> tuple[set[UUID], bool]:
        """The accounts that their health blocks, and whether their domain is stopped."""
        async with self.database.begin(self.tenant) as uow:
            blocked = await uow.execute(
                "select account_id from account where tenant_id = :tenant and blocked", tenant=self.tenant
            )
            domain = await uow.execute(
                """select exists (select from guard where tenant_id = :tenant and level = 'sender_domain'
                                                          and stopped_for is not null)""",
                tenant=self.tenant,
            )  # fmt: skip
            return set(blocked.scalars()), bool(domain.scalar_one())

    async def _come_back(self, most: int, fault: Fault) -> None:
        """The last that were sent come back."""
        rows = await self._rows()
        for id_ in [id_ for id_ in reversed(self.left_at) if rows[id_]["state"] == "sent"][:most]:
            async with self.database.begin(self.tenant) as uow:
                await taking.take_delivery(
                    uow, self.tenant, id_, f"bounce-{id_}", delivered=False, reason="listed", fault=fault
                )
            self.bounced.setdefault(id_, self.now)

    async def _merge(self, survivor: UUID, merged: UUID) -> None:
        self.merged[merged] = survivor
        told = LeadMerged(**self._about(survivor), merged_lead_ids=[merged], merged_by="user:1")
        aside = LeadUpdated(**self._about(merged), merged_into=survivor, changed=["merged_into"])
        await self._in_a_unit(lambda uow: leads.keep_leads(uow, [self.received(told), self.received(aside)]))

    async def _part(self, merged: UUID) -> None:
        survivor = self.merged.pop(merged)
        if merged in self.erased:
            return
        told = LeadUpdated(**self._about(survivor), changed=["merged_leads"])
        parted = LeadUnmerged(**self._about(merged), survivor_id=survivor, unmerged_by="user:1")
        await self._in_a_unit(lambda uow: leads.keep_leads(uow, [self.received(told), self.received(parted)]))

    def _about(self, lead: UUID) -> dict[str, Any]:
        """All that intake tells of a lead, in its next version."""
        person = self.came[lead]
        self.versions[lead] += 1
        return {
            "lead_id": lead, "version": self.versions[lead], "submission_id": lead, "source_system": "crm",
            "source_id": person.name, "person_id": lead, "attribution": Attribution(tier=person.tier),
            "email_token": person.email, "time_zone": person.zone, "created_at": self.now,
        }  # fmt: skip

    async def _sent_elsewhere(self, lead: UUID, at: datetime) -> None:
        row = SentRow(source_key=uuid4().hex, person=PersonRef(lead_id=lead), channel=Channel.EMAIL, sent_at=at)
        async with self.database.begin(self.tenant) as uow:
            known = await known_leads.several(uow, self.tenant, [lead])
            meant = Meant(known[lead]["names"], [lead], list(known.values()))
            about = {0: uuid4()}
            cause = self.received(PauseCampaign(campaign_id=lead)).envelope
            await backfill.take(uow, self.tenant, {0: row}, {0: meant}, {0: row.source_key}, about, cause)
        begun = {row["enrollment_id"] for row in (await self._rows()).values() if row["state"] in MAY_HAVE_LEFT}
        self.elsewhere.append((self.came[lead].email, at, begun))

    async def _answers(self, message: UUID, is_away: bool) -> None:
        async with self.database.begin(self.tenant) as uow:
            row = await store_queue.one(uow, self.tenant, message)
            if row is None or row["state"] not in {*MAY_HAVE_LEFT, "failed"}:
                return
            email = self.came[row["lead_id"]].email
            zone = ZoneInfo(row["time_zone"] or "UTC")
            back = self.now.astimezone(zone).date() + timedelta(days=3)
            text = f"I am out of the office and will be back on {back.isoformat()}." if is_away else "Not interested."
            await taking.take_reply(uow, self.tenant, row, Incoming(uuid4().hex, self.now, text), nobody_knows)
        if is_away:
            back_at = datetime.combine(back, time(), zone)
            if row["lead_id"] not in self.erased and not await self._is_over(row["enrollment_id"]):
                self.away[email] = max(back_at, self.away.get(email, back_at))
        else:
            self.answered.add((row["campaign_id"], email))

    async def _is_over(self, enrollment: UUID) -> bool:
        async with self.database.begin(self.tenant) as uow:
            rows = await uow.execute(
                "select ended_at is not null from enrollment where tenant_id = :tenant and enrollment_id = :id",
                tenant=self.tenant, id=enrollment,
            )  # fmt: skip
            return bool(rows.scalar_one())

    async def _rows(self) -> dict[UUID, Any]:
        async with self.database.begin(self.tenant) as uow:
            rows = await uow.execute("select * from send_queue where tenant_id = :tenant", tenant=self.tenant)
            return {row["message_id"]: row for row in rows.mappings()}

    async def _check(self) -> None:
        rows = await self._rows()
        async with self.database.begin(self.tenant) as uow:
            events = await uow.execute(
                "select message_id, state, at from message_event where tenant_id = :tenant order by event_id",
                tenant=self.tenant,
            )  # fmt: skip
            held = await uow.execute(
                """select lead.names, enrollment_id, ended_at from enrollment join lead using (tenant_id, lead_id)
                   where tenant_id = :tenant and holds""",
                tenant=self.tenant,
            )  # fmt: skip
            holders = list(held.mappings())
        self._every_change_is_allowed_and_kept(rows, events.mappings())
        self._no_day_has_too_many(rows)
        for one in holders:
            assert one["ended_at"] is None
            same = [other for other in holders if set(one["names"]) & set(other["names"])]
            assert same == [one], "two sequences hold a person"
        for id_ in rows:
            self.may_leave.setdefault(id_, True)

    def _every_change_is_allowed_and_kept(self, rows: dict[UUID, Any], events: Any) -> None:
        self.changes: list[str] = []
        state: dict[UUID, str] = {}
        spent: dict[UUID, datetime | None] = {}
        for event in events:
            id_, new = event["message_id"], event["state"]
            assert new in ALLOWED.get(state.get(id_), ()), f"{state.get(id_)} became {new}"
            state[id_] = new
            self.changes.append(new)
            if new in ("queued", "claimed", "skipped"):
                spent[id_] = event["at"] if new == "claimed" else None
        assert state == {id_: row["state"] for id_, row in rows.items()}, "a change was not kept"
        assert spent == {id_: row["spent_at"] for id_, row in rows.items()}, "a day's count is another"

    def _no_day_has_too_many(self, rows: dict[UUID, Any]) -> None:
        of_day: dict[Any, int] = {}
        for row in rows.values():
            if row["spent_at"]:
                day = row["account_id"], row["spent_at"].astimezone(ZoneInfo(self.zones[row["account_id"]])).date()
                for key, most in ((day, LIMIT), ((*day, row["campaign_id"]), CAP)):
                    of_day[key] = of_day.get(key, 0) + 1
                    assert of_day[key] <= most, f"{of_day[key]} messages on a day of {most}"

    async def _nothing_is_forgotten(self) -> None:
        """After nothing was left to be looked at: what is due is kept by a gate, and what a gate keeps is kept by it still."""
        async with self.database.begin(self.tenant) as uow:
            for id_ in await self._queued(uow):
                row = await store_queue.one(uow, self.tenant, id_)
                assert row
                asked_daily = row["waiting_for"] == Gate.SIXTY_DAYS
                by_gate = row["waiting_for"] in {gate.value for gate in Gate} and not asked_daily
                is_due = row["due_at"].tzinfo is not None and row["due_at"] <= self.now
                if is_due or by_gate:
                    kept = binding(ask(facts_of(row, await Accounts.read(uow, [row])), self.now), self.now)
                    assert kept, f"forgotten: {dict(row)}"

    async def _queued(self, uow: UnitOfWork) -> list[UUID]:
        rows = await uow.execute(
            "select message_id from send_queue where tenant_id = :tenant and state = 'queued'", tenant=self.tenant
        )
        return list(rows.scalars())

    async def _resume_all(self) -> None:
        self.rests_until.clear()
        for id_ in self.active:
            await self._in_a_unit(
                lambda uow, id_=id_: accounts.resume_account(uow, self.received(ResumeAccount(account_id=id_)))
            )
            self.active[id_] = True
        await self._resume_campaigns()

    async def _resume_campaigns(self) -> None:
        for id_ in self.running:
            view = await self._in_a_unit(
                lambda uow, id_=id_: campaigns.resume_campaign(
                    NO_MEMORY, uow, self.received(ResumeCampaign(campaign_id=id_))
                )
            )
            self._goes_on(id_, view.state)

    async def _comes_to_an_end(self) -> None:
        """Everything is resumed, and whatever can leave does."""
        self.batches, self.leaving, chance = [], [], Random(0)
        await self._resume_all()
        for _ in range(20):
            await self._look_after()
            await self._work(chance)
            if (due := await self._next_due()) is None:
                break
            self.clock[0] = max(due, self.now)
        for row in (await self._rows()).values():
            assert row["state"] not in ("claimed", "sending")
        await self._check()
        self.seen.update(self.changes)

    async def _next_due(self) -> datetime | None:
        async with self.database.begin(self.tenant) as uow:
            rows = await uow.execute(
                """select least((select min(ready_at) from lane where tenant_id = :tenant and ready_at <> 'infinity'),
                                (select min(lease_until) + interval '1 microsecond' from send_queue
                                 where tenant_id = :tenant and state in ('claimed', 'sending')))""",
                tenant=self.tenant,
            )  # fmt: skip
            due: datetime | None = rows.scalar()
            return due


@pytest.mark.timeout(SECONDS)
def test_nothing_leaves_twice_or_through_a_closed_gate_and_nothing_due_is_forgotten(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants: list[str] = []
    clock = [MONDAY]
    seen: Counter[str] = Counter()

    async def only_its_own(_: UnitOfWork) -> list[str]:
        return tenants

    # What other tests left in the database is none of its business.
    monkeypatch.setattr("chassis.tenants.all_tenants", only_its_own)
    for level, sends in LENIENT.items():
        monkeypatch.setitem(domain_guard.MINIMUM, level, sends)
    monkeypatch.setattr("outreach.accounts.domain_health.MINIMUM_SENDS", LENIENT[Level.SENDER_DOMAIN])
    for module in (
        "accounts.breaking",
        "accounts.handlers",
        "sending.claiming",
        "sending.domain_gates",
        "sending.facts",
    ):
        monkeypatch.setattr(f"outreach.{module}.TOLERANCE", IMPATIENT)
    with asyncio.Runner() as runner:
        database = Database("outreach", platform.settings("outreach").database_url, clock=lambda: clock[0])

        class Machine(Queue):
            pass

        Machine.runner, Machine.database, Machine.tenants, Machine.clock = runner, database, tenants, clock
        Machine.seen, Machine.keys = seen, TenantKeys(key_service(platform.settings("outreach").kms_uri))
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=RUNS,
                    stateful_step_count=50,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.close())
    print(seen)
    assert all(seen[what] for what in HAPPENS), f"too little happened: {seen}"
