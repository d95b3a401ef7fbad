"""An account's health is computed from its last sends: it stops the account where it is too low, is explained, and comes back."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from chassis.unit_of_work import Database
from contracts.outreach.accounts import ExplainAccount, ListAccounts, ResumeAccount
from contracts.outreach.campaigns import ResumeCampaign
from contracts.outreach.sending import ExplainMessage
from contracts.outreach.sending import Gate as GateName
from contracts.taxonomy import Fault
from outreach.accounts import store_health
from outreach.accounts.domain_health import Heard, Send, Trouble, window
from outreach.providers.protocol import Outgoing, Receipt, RefusedError
from outreach.sending.sender import OF_ONE_ACCOUNT
from outreach.upkeep import look_after_accounts
from tests.outreach.scene import Gate, account, arrive, campaign, count, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


class Distrustful(Gate):
    """Refuses all that it is handed for a tenant, as from a sender that it does not trust."""

    async def send(self, message: Outgoing) -> Receipt:
        receipt = await super().send(message)
        if message.tenant == self._tenant:
            raise RefusedError("listed", Fault.REPUTATION)
        return receipt


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few are on the wire at once that most have not left when the first are refused."""
    monkeypatch.setattr("outreach.sending.sender.AT_ONCE", 20)


@pytest.mark.usefixtures("few_at_once")
async def test_an_account_that_is_not_trusted_stops_by_itself_and_says_why(platform: Platform, tenant: str) -> None:
    gate = Distrustful(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        sales = await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(200)])
        await campaign(platform, tenant)
        await until(lambda: unhealthy(platform, tenant))
        await until(lambda: _still(platform, tenant))
        failed = await count(platform, tenant, "failed")
        assert 5 <= failed <= 3 * OF_ONE_ACCOUNT, "as many as were on the wire when it was seen, and begun meanwhile"
        assert len(gate.handed) == failed
        told = await platform.caller.ask(tenant, ExplainAccount(account_id=sales.account_id))
        assert (told.account.blocked, told.account.health < 30) == (True, True)
        assert [(term.trouble, term.count) for term in told.terms] == [("reputation_bounce", failed)]
        assert "sender not trusted" in told.terms[0].why
        (event,) = await unhealthy(platform, tenant)
        assert event["until"] is None
        waiting = next(m for m in await messages(platform, tenant) if m["state"] == "queued")
        kept = await platform.caller.ask(tenant, ExplainMessage(message_id=waiting["message_id"]))
        (verdict,) = [each for each in kept.verdicts if each.gate is GateName.ACCOUNT_HEALTHY]
        assert (verdict.passes, verdict.why) == (False, "the account's health is too low")


@pytest.mark.usefixtures("few_at_once")
async def test_who_is_resumed_by_hand_sends_again_and_is_watched_from_the_first_message(
    platform: Platform, database: Database, tenant: str
) -> None:
    gate = Distrustful(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        sales = await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(200)])
        made = await campaign(platform, tenant)
        await until(lambda: unhealthy(platform, tenant))
        await until(lambda: _still(platform, tenant))
        before = len(gate.handed)
        async with database.begin() as uow:
            now = uow.now
        await look_after_accounts(database, now)  # the bounce guard has stopped the campaign too
        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made.campaign_id))
        resumed = await platform.caller.ask(tenant, ResumeAccount(account_id=sales.account_id, actor="user:7"))
        assert (resumed.blocked, resumed.health >= 50) == (False, True)
        await until(lambda: _throttled(platform, tenant, 2), what="it is blocked again")
        await until(lambda: _still(platform, tenant))
        assert before < len(gate.handed) < 200
        (event,) = await events(platform, tenant, "automation_resumed")
        assert event["actor"] == "user:7"
        (view,) = (await platform.caller.ask(tenant, ListAccounts())).accounts
        assert view.blocked


async def test_the_database_counts_an_account_s_window_as_the_rule_does(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant):
        sales = await account(platform, tenant)
    chance = Random(7)
    async with database.begin(tenant) as uow:
        now = uow.now
    for resumed_at in (None, now - timedelta(days=9)):
        sends, halts = await _made_up(platform, tenant, sales.account_id, now, chance)
        async with database.begin(tenant) as uow:
            counted = await store_health.window(uow, tenant, {"account_id": sales.account_id, "resumed_at": resumed_at})
        assert counted == window(sends, halts, resumed_at, now)


async def _made_up(
    platform: Platform, tenant: str, account_id: UUID, now: datetime, chance: Random
) -> tuple[list[Send], list[Heard]]:
    """So many sends that the oldest lie outside of the window, with troubles of every kind, in the database."""
    sends, halts = [], []
    async with platform.sql() as sql:
        await sql.execute("delete from outreach.trouble where tenant_id = $1", tenant)
        await sql.execute("delete from outreach.send_queue where tenant_id = $1", tenant)

        async def trouble(message: UUID, kind: Trouble, at: datetime) -> None:
            await sql.execute(
                "insert into outreach.trouble values ($1, $2, $3, $4, $5, $6)",
                tenant,
                account_id,
                uuid7(),
                message,
                kind,
                at,
            )

        for number in range(1100):
            message, at = uuid4(), now - timedelta(minutes=31 * number + 1)
            await sql.execute(
                """insert into outreach.send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id,
                       state, queued_at, due_at, spent_at, ended_at)
                   values ($1, $2, $3, $3, $3, 1, 'email', $4, 'sent', $5, $5, $5, $5)""",
                tenant, message, uuid4(), account_id, at,
            )  # fmt: skip
            told = []
            while chance.random() < 0.1:
                kind = chance.choice([kind for kind in Trouble if kind not in (Trouble.CAPTCHA, Trouble.THROTTLING)])
                heard = at + timedelta(days=chance.random() * 10)
                told.append(Heard(kind, heard))
                await trouble(message, kind, heard)
            sends.append(Send(at, tuple(told)))
        for day in range(40):
            kind, at = chance.choice([Trouble.CAPTCHA, Trouble.THROTTLING]), now - timedelta(days=day, minutes=5)
            halts.append(Heard(kind, at))
            await trouble(uuid4(), kind, at)
    return sends, halts


async def _still(platform: Platform, tenant: str) -> bool:
    found = await messages(platform, tenant)
    return not [m for m in found if m["state"] in ("claimed", "sending")]


async def _throttled(platform: Platform, tenant: str, number: int) -> bool:
    return len(await unhealthy(platform, tenant)) == number


async def unhealthy(platform: Platform, tenant: str) -> list[dict[str, Any]]:
    """What was told of the account's health; the bounce guard may tell of its domain too, when a minute is over."""
    return [
        each for each in await events(platform, tenant, "automation_throttled") if each["reason"] == "health_too_low"
    ]
