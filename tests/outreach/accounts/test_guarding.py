"""The bounce guard at work: what has too much come back stops within a minute, says why, and goes on when a person says so."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from chassis.unit_of_work import Database
from contracts.outreach.accounts import ListAccounts, PauseAccount, ResumeAccount, SetAccount
from contracts.outreach.campaigns import CampaignState, GetCampaign, PauseCampaign, ResumeCampaign
from contracts.outreach.replies import ReportComplaint
from contracts.outreach.sending import ExplainMessage
from contracts.outreach.sending import Gate as GateName
from outreach.accounts import store_guard
from outreach.accounts.domain_guard import Level, Tally
from outreach.accounts.domain_health import WINDOW_SENDS, Trouble
from outreach.upkeep import look_after_accounts
from tests.outreach.scene import (
    Outbox,
    account,
    arrive,
    campaign,
    count,
    events,
    keep_from_sending,
    lead,
    messages,
    outreach,
)
from tests.platform import Platform
from tests.waiting import until

HARD = (Trouble.RECIPIENT_BOUNCE, Trouble.REPUTATION_BOUNCE, Trouble.POLICY_BOUNCE)


async def look(database: Database) -> None:
    """A minute passes."""
    async with database.begin() as uow:
        now = uow.now
    await look_after_accounts(database, now)


async def came_back(
    platform: Platform,
    tenant: str,
    accounts: Sequence[UUID],
    campaign_id: UUID,
    sends: int,
    kinds: Sequence[Trouble] = (),
) -> None:
    """So many messages were sent just now, and of the first of them this was heard."""
    async with platform.sql() as sql:
        for number in range(sends):
            message, account_id = uuid4(), accounts[number % len(accounts)]
            await _sent(sql, tenant, message, account_id, campaign_id, None)
            if number < len(kinds):
                await _heard(sql, tenant, message, account_id, kinds[number], None)


async def _sent(sql: Any, tenant: str, message: UUID, account: UUID, campaign: UUID, at: datetime | None) -> None:
    await sql.execute(
        """insert into outreach.send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id,
               state, queued_at, due_at, spent_at, ended_at)
           select $1, $2, $3, $4, $3, 1, 'email', $5, 'sent', at, at, at, at from (select coalesce($6, now()) as at) as sent""",
        tenant, message, uuid4(), campaign, account, at,
    )  # fmt: skip


async def _heard(sql: Any, tenant: str, message: UUID, account: UUID, kind: Trouble, at: datetime | None) -> None:
    await sql.execute(
        "insert into outreach.trouble values ($1, $2, $3, $4, $5, coalesce($6, now()))",
        tenant, account, uuid7(), message, kind, at,
    )  # fmt: skip


async def of_address(platform: Platform, tenant: str, address: str, **settings: Any) -> UUID:
    """An account of this address."""
    made = await account(platform, tenant, **settings)
    await platform.caller.ask(tenant, SetAccount(account_id=made.account_id, address=address))
    return made.account_id


async def test_a_campaign_of_which_too_much_comes_back_is_paused_until_a_person_resumes_it(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, outbox := Outbox(tenant)):
        sales = [(await account(platform, tenant)).account_id for _ in range(5)]
        bad = (await campaign(platform, tenant, audience={"tier": "A"})).campaign_id
        good = (await campaign(platform, tenant, audience={"tier": "B"})).campaign_id
        # One bounce of each account: none of them is unhealthy. The fourth of the campaign is not yet too much.
        await came_back(platform, tenant, sales, bad, 40, HARD[:1] * 4)
        await came_back(platform, tenant, sales, good, 40, (Trouble.TRANSIENT_BOUNCE,) * 20)
        await look(database)
        assert (await platform.caller.ask(tenant, GetCampaign(campaign_id=bad))).state is CampaignState.RUNNING
        await came_back(platform, tenant, sales, bad, 1, HARD[1:2])
        await look(database)

        view = await platform.caller.ask(tenant, GetCampaign(campaign_id=bad))
        assert view.state is CampaignState.PAUSED
        assert view.stopped
        assert (view.stopped.reason, view.stopped.why) == (
            "bounces",
            "stop: bounces, 5 of 41 sends, taken over 50; the limit is 10 %",
        )
        other = await platform.caller.ask(tenant, GetCampaign(campaign_id=good))
        assert (other.state, other.stopped) == (CampaignState.RUNNING, None)
        (told,) = await events(platform, tenant, "campaign_paused")
        assert (told["campaign_id"], told["reason"], told["actor"]) == (str(bad), "bounces", None)

        await arrive(platform, tenant, [lead(tier="A"), lead(tier="B")])
        await until(lambda: _handed(outbox, 1))
        waiting = next(m for m in await messages(platform, tenant) if m["state"] == "queued")
        kept = await platform.caller.ask(tenant, ExplainMessage(message_id=waiting["message_id"]))
        assert kept.binding is GateName.CAMPAIGN_RUNNING
        (why,) = [verdict.why for verdict in kept.verdicts if verdict.gate is GateName.CAMPAIGN_RUNNING]
        assert (
            why
            == "the campaign is paused by a guard, which says stop: bounces, 5 of 41 sends, taken over 50; the limit is 10 %"
        )

        resumed = await platform.caller.ask(tenant, ResumeCampaign(campaign_id=bad, actor="user:7"))
        assert (resumed.state, resumed.stopped) == (CampaignState.RUNNING, None)
        await until(lambda: _handed(outbox, 2))
        await look(database)
        assert (await platform.caller.ask(tenant, GetCampaign(campaign_id=bad))).state is CampaignState.RUNNING, (
            "what was known cannot stop it again"
        )
        await came_back(platform, tenant, sales, bad, 3, HARD)
        await look(database)
        assert (await platform.caller.ask(tenant, GetCampaign(campaign_id=bad))).state is CampaignState.PAUSED
        assert len(await events(platform, tenant, "campaign_paused")) == 2


async def test_two_complaints_stop_a_campaign_and_one_that_a_person_paused_shows_no_guard(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Outbox(tenant)):
        for _ in range(2):
            await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(8)])
        first = (await campaign(platform, tenant)).campaign_id
        second = (await campaign(platform, tenant, audience={"tier": "B"})).campaign_id
        await until(lambda: _counted(platform, tenant, 8))
        sent = [m["message_id"] for m in await messages(platform, tenant)]
        for message in sent[:2]:
            await platform.caller.ask(tenant, ReportComplaint(message_id=message, source_key=f"complaint-{message}"))
        await platform.caller.ask(tenant, PauseCampaign(campaign_id=second, actor="user:7"))
        await look(database)
        view = await platform.caller.ask(tenant, GetCampaign(campaign_id=first))
        assert view.stopped
        assert (view.state, view.stopped.reason) == (CampaignState.PAUSED, "complaints")
        other = await platform.caller.ask(tenant, GetCampaign(campaign_id=second))
        assert (other.state, other.stopped) == (CampaignState.PAUSED, None)


async def test_a_domain_of_which_too_much_comes_back_stops_with_all_its_accounts(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, outbox := Outbox(tenant)):
        bad = [await of_address(platform, tenant, f"sales{n}@Bad.example") for n in range(5)]
        good = await of_address(platform, tenant, "sales@good.example", rotation_set="other")
        campaigns = [(await campaign(platform, tenant, audience={"tier": "C"})).campaign_id for _ in range(4)]
        # Two bounces of each account, and two or three of each campaign: only all together are too many.
        for number, bounces in enumerate((3, 3, 2, 2)):
            await came_back(platform, tenant, bad, campaigns[number], 20, HARD[:1] * bounces)
        await look(database)

        views = {view.account_id: view for view in (await platform.caller.ask(tenant, ListAccounts())).accounts}
        stops = {id_: view.domain_stopped for id_, view in views.items()}
        assert {id_: stop.reason if stop else None for id_, stop in stops.items()} == {
            **dict.fromkeys(bad, "bounces"),
            good: None,
        }
        assert not any(view.blocked for view in views.values())
        told = await events(platform, tenant, "automation_throttled")
        assert {(each["account_id"], each["reason"]) for each in told} == {(str(id_), "domain_bounces") for id_ in bad}

        await campaign(platform, tenant, audience={"tier": "A"})
        await campaign(platform, tenant, audience={"tier": "B"}, settings={"rotation_set": "other"})
        await arrive(platform, tenant, [lead(tier=tier) for tier in "AAABBB"])
        await until(lambda: _handed(outbox, 3))
        assert {message.sender.account_id for message in outbox.handed} == {good}
        waiting = next(m for m in await messages(platform, tenant) if m["state"] == "queued")
        kept = await platform.caller.ask(tenant, ExplainMessage(message_id=waiting["message_id"]))
        assert kept.binding is GateName.ACCOUNT_HEALTHY
        (why,) = [verdict.why for verdict in kept.verdicts if verdict.gate is GateName.ACCOUNT_HEALTHY]
        assert "the account's domain" in why
        # Who comes now is given an account that can send.
        fresh = await of_address(platform, tenant, "sales@new.example")
        await arrive(platform, tenant, [lead(tier="A") for _ in range(3)])
        await until(lambda: _handed(outbox, 6))
        assert {message.sender.account_id for message in outbox.handed} == {good, fresh}

        await platform.caller.ask(tenant, ResumeAccount(account_id=bad[0], actor="user:7"))
        await until(lambda: _handed(outbox, 9))
        resumed = await events(platform, tenant, "automation_resumed")
        assert {(each["account_id"], each["actor"]) for each in resumed} == {(str(id_), "user:7") for id_ in bad}
        await look(database)
        views = {view.account_id: view for view in (await platform.caller.ask(tenant, ListAccounts())).accounts}
        assert not any(view.domain_stopped for view in views.values()), "what was known cannot stop it again"


async def test_of_a_domain_that_goes_on_only_those_accounts_are_told_that_send_again(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Outbox(tenant)):
        asked, paused, blocked, throttled, free = [
            await of_address(platform, tenant, f"sales{n}@bad.example") for n in range(5)
        ]
        async with database.begin(tenant) as uow:
            await store_guard.stop(uow, tenant, Level.SENDER_DOMAIN, "bad.example", "bounces", "too many")
        await platform.caller.ask(tenant, PauseAccount(account_id=paused))
        await keep_from_sending(platform, blocked, "blocked = true, health = 20")
        await keep_from_sending(platform, throttled, "throttled_until = 'infinity'")
        await platform.caller.ask(tenant, ResumeAccount(account_id=asked, actor="user:7"))
        told = await events(platform, tenant, "automation_resumed")
        assert {each["account_id"] for each in told} == {str(asked), str(free)}


async def test_a_domain_s_only_account_is_left_to_its_health(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Outbox(tenant)):
        only = await of_address(platform, tenant, "sales@only.example")
        campaigns = [(await campaign(platform, tenant, audience={"tier": "C"})).campaign_id for _ in range(4)]
        for made in campaigns:
            await came_back(platform, tenant, [only], made, 30, HARD[:1] * 3)
        await look(database)
        (view,) = (await platform.caller.ask(tenant, ListAccounts())).accounts
        assert (view.blocked, view.domain_stopped) == (True, None)


async def test_the_database_counts_the_last_sends_of_a_campaign_and_of_a_domain(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant):
        accounts = [(await account(platform, tenant)).account_id for _ in range(3)]
    chance, campaign_id = Random(7), uuid4()
    async with database.begin(tenant) as uow:
        now = uow.now
    resumed_at = now - timedelta(days=6)
    async with platform.sql() as sql:
        await sql.execute(
            "insert into outreach.guard values ($1, 'campaign', $2, null, '', $3, $3)",
            tenant,
            str(campaign_id),
            resumed_at,
        )
        sends: list[tuple[datetime, UUID, datetime | None, datetime | None]] = []
        for number in range(WINDOW_SENDS + 100):
            message, at = uuid4(), now - timedelta(minutes=31 * number + 1)
            account_id = accounts[0 if number < 900 else chance.randrange(3)]
            await _sent(sql, tenant, message, account_id, campaign_id, at)
            bounced = complained = None
            if chance.random() < 0.1:
                bounced = at + timedelta(hours=chance.randrange(200))
                for later in (0, 30):  # what is said twice counts once, from the first time on
                    await _heard(
                        sql, tenant, message, account_id, chance.choice(HARD), bounced + timedelta(hours=later)
                    )
            if chance.random() < 0.05:
                complained = at + timedelta(hours=chance.randrange(200))
                await _heard(sql, tenant, message, account_id, Trouble.COMPLAINT, complained)
            if chance.random() < 0.1:
                await _heard(sql, tenant, message, account_id, Trouble.TRANSIENT_BOUNCE, at)
            sends.append((at, account_id, bounced, complained))
    inside = sends[:WINDOW_SENDS]
    # Of each account its share, as far as it has sent so much.
    share = WINDOW_SENDS // 3 + 1
    of_domain = [each for id_ in accounts for each in [send for send in sends if send[1] == id_][:share]]
    assert share < len(of_domain) < 2 * share
    async with database.begin(tenant) as uow:
        counted = await store_guard.tallies(uow, tenant, Level.CAMPAIGN, [str(campaign_id)])
        domain = await store_guard.tallies(uow, tenant, Level.SENDER_DOMAIN, ["example.com"])
    since, known = counted[str(campaign_id)]
    whole = _tally(inside, None)
    assert since == _tally(inside, resumed_at)
    assert known == Tally(whole.sends - since.sends, whole.bounces - since.bounces, whole.complaints - since.complaints)
    assert min(since.bounces, known.bounces, since.complaints, known.complaints) > 0
    assert domain["example.com"] == (_tally(of_domain, None), Tally())


def _tally(sends: Sequence[tuple[datetime, UUID, datetime | None, datetime | None]], since: datetime | None) -> Tally:
    def count(moments: Sequence[datetime | None]) -> int:
        return sum(at is not None and (since is None or at >= since) for at in moments)

    return Tally(*(count([send[index] for send in sends]) for index in (0, 2, 3)))


async def _handed(outbox: Outbox, number: int) -> bool:
    return len(outbox.handed) == number


async def _counted(platform: Platform, tenant: str, sent: int) -> bool:
    return await count(platform, tenant, "sent") == sent


async def test_an_account_is_told_to_go_on_only_when_nothing_keeps_it_any_more(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Outbox(tenant)):
        rested, of_domain, well, captcha, paused = [
            await of_address(platform, tenant, f"sales@{name}.example") for name in ("a", "b", "c", "d", "e")
        ]
        await of_address(platform, tenant, "other@b.example")
        for each in (rested, of_domain):
            await keep_from_sending(platform, each, "throttled_until = now() - interval '1 s'")
        async with database.begin(tenant) as uow:
            await store_guard.stop(uow, tenant, Level.SENDER_DOMAIN, "b.example", "bounces", "too many")
        for each in (well, captcha, paused):
            await keep_from_sending(platform, each, "blocked = true, health = 20")
        await keep_from_sending(platform, captcha, "throttled_until = 'infinity'")
        await platform.caller.ask(tenant, PauseAccount(account_id=paused))
        await look(database)
        told = await events(platform, tenant, "automation_resumed")
        assert {each["account_id"] for each in told} == {str(rested), str(well)}

        for each in (of_domain, captcha, paused):
            await platform.caller.ask(tenant, ResumeAccount(account_id=each, actor="user:7"))
        told = (await events(platform, tenant, "automation_resumed"))[2:]
        assert {each["account_id"] for each in told} >= {str(of_domain), str(captcha), str(paused)}
        await platform.caller.ask(tenant, ResumeAccount(account_id=captcha))
        assert len(await events(platform, tenant, "automation_resumed")) == len(told) + 2, "that it sends is no news"


async def test_whose_health_is_computed_keeps_no_other_account_from_sending(
    platform: Platform, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outreach.upkeep._JUDGED_AT_ONCE", 1)
    async with outreach(platform, tenant, Outbox(tenant)):
        first, second = [(await account(platform, tenant)).account_id for _ in range(2)]
        await keep_from_sending(platform, first, "health = 90")
        await keep_from_sending(platform, second, "health = 90")
        lock = "select from outreach.account where account_id = $1 for update nowait"
        async with platform.sql() as sql, platform.sql() as other, sql.transaction():
            await sql.execute(lock, second)
            looking = asyncio.create_task(look(database))
            await until(lambda: _is_whole(other, first), what="the first account's health is computed")
            assert not looking.done()
            await other.execute(lock, first)
        await looking


async def _is_whole(sql: Any, account_id: UUID) -> bool:
    return bool(await sql.fetchval("select health = 100 from outreach.account where account_id = $1", account_id))
