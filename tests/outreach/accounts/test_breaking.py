"""A provider that is down is not tried by every message: they wait, one now and then is tried, and all go on when it comes through."""

from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.unit_of_work import Database
from contracts.outreach.accounts import (
    ListAccounts,
    NewHttpService,
    NewSmtpServer,
    PauseAccount,
    SetAccount,
    SmtpSecurity,
    Transport,
)
from contracts.outreach.campaigns import NewStep, NewVariant
from contracts.outreach.sending import ExplainMessage, SendState
from contracts.outreach.sending import Gate as GateName
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import Fault, SendKind
from outreach.accounts import store_circuit
from outreach.accounts.breaking import Tried
from outreach.accounts.domain_guard import TOLERANCE
from outreach.app import build
from outreach.sending.claiming import Claimed, claim
from outreach.sending.leaving import begin
from outreach.sending.recording import Result, record
from tests.outreach.providers.sink import Sink
from tests.outreach.scene import (
    Gate,
    account,
    arrive,
    campaign,
    count,
    events,
    keep_from_sending,
    lead,
    messages,
    new_lead,
    outreach,
)
from tests.platform import Platform
from tests.waiting import until

HOST = "127.0.0.1:9"


async def test_messages_wait_for_a_mail_server_that_is_down_and_go_on_when_one_came_through(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Sink()
    sink.answers["CONNECT"] = lambda: None  # it hangs up
    async with sink.listening(), platform.running("intake"):
        monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{sink.port}")
        async with build(platform.settings("outreach")).running():
            await platform.introduce(tenant, "intake", "outreach")
            text = SaveTemplate(name="hello", kind=SendKind.EMAIL, subject="A", body="B", actor="user:1")
            template = (await platform.caller.ask(tenant, text)).template_id
            sales = await account(platform, tenant)
            server = NewSmtpServer(host="127.0.0.1", port=sink.port, security=SmtpSecurity.NONE)
            await platform.caller.ask(
                tenant, SetAccount(account_id=sales.account_id, transport=Transport.SMTP, smtp=server)
            )
            for number in range(TOLERANCE.failures):
                await new_lead(platform, tenant, email=f"ada.{number}@example.com")
            await campaign(platform, tenant, NewStep(variants=(NewVariant(template_id=template),)))
            await until(lambda: events(platform, tenant, "automation_throttled"))
            (told,) = await events(platform, tenant, "automation_throttled")
            assert (told["account_id"], told["reason"]) == (str(sales.account_id), "provider_away")
            assert told["until"]

            tried = sink.connections
            await new_lead(platform, tenant, email="bob@example.com")
            await until(lambda: _queued(platform, tenant, TOLERANCE.failures + 1))
            waiting = max(await messages(platform, tenant), key=lambda message: message["queued_at"])
            await until(lambda: _rests(platform, tenant))
            kept = await platform.caller.ask(tenant, ExplainMessage(message_id=waiting["message_id"]))
            assert kept.binding is GateName.PROVIDER_ANSWERS
            assert kept.earliest
            assert kept.earliest.isoformat() == told["until"].replace("Z", "+00:00")
            assert sink.connections == tried
            (view,) = (await platform.caller.ask(tenant, ListAccounts())).accounts
            assert view.provider_away_until == kept.earliest

            del sink.answers["CONNECT"]
            await _pause_is_over(platform, tenant)
            await until(lambda: _sent(platform, tenant, TOLERANCE.failures + 1))
            (resumed,) = await events(platform, tenant, "automation_resumed")
            assert (resumed["account_id"], resumed["actor"]) == (str(sales.account_id), None)
            (view,) = (await platform.caller.ask(tenant, ListAccounts())).accounts
            assert view.provider_away_until is None


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker claims anything: the test does it."""

    async def nothing(*_: object) -> Claimed:
        return Claimed(uuid4())

    monkeypatch.setattr("outreach.sending.sender.claim", nothing)


async def take(database: Database, tenant: str) -> tuple[Claimed, list[Any]]:
    """Claim what there is, and begin it; returns what may be handed over."""
    async with database.begin(tenant) as uow:
        claimed = await claim(uow, [tenant], 100, Random(1))
    async with database.begin(tenant) as uow:
        given = {row["message_id"]: (tenant, claimed.token) for row in claimed.messages}
        begun = await begin(uow, given) if given else {}
    return claimed, list(begun.values())


async def came_of(
    database: Database, tenant: str, claimed: Claimed, row: Any, state: SendState, answered: bool
) -> None:
    result = Result(
        tenant, row["message_id"], claimed.token, state, "unreachable",
        tried=Tried(tenant, row["account_endpoint"], row["spent_at"], answered=answered),
        fault=Fault.RECIPIENT if state is SendState.FAILED else None,
    )  # fmt: skip
    async with database.begin(tenant) as uow:
        await record(uow, [result])


async def scene(platform: Platform, tenant: str, hosts: list[str], leads: int) -> list[UUID]:
    """Accounts at these hosts, and leads whose messages are queued for them."""
    accounts = []
    text = SaveTemplate(name="hello", kind=SendKind.EMAIL, subject="A", body="B", actor="user:1")
    template = (await platform.caller.ask(tenant, text)).template_id
    for host in hosts:
        made = await account(platform, tenant)
        accounts.append(made.account_id)
        order = SetAccount(
            account_id=made.account_id,
            transport=Transport.HTTP,
            http=NewHttpService(url=f"https://{host}/{len(accounts)}"),
        )
        await platform.caller.ask(tenant, order)
    await arrive(platform, tenant, [lead() for _ in range(leads)])
    await campaign(platform, tenant, NewStep(variants=(NewVariant(template_id=template),)))
    await until(lambda: _queued(platform, tenant, leads))
    return accounts


async def down(database: Database, tenant: str, host: str) -> None:
    """So much fails at a host that its circuit opens."""
    claimed, begun = await take(database, tenant)
    at_host = [row for row in begun if row["account_endpoint"] == f"https://{host}"]
    for row in at_host[: TOLERANCE.failures]:
        await came_of(database, tenant, claimed, row, SendState.QUEUED, answered=False)
    for row in [*at_host[TOLERANCE.failures :], *(each for each in begun if each not in at_host)]:
        await came_of(database, tenant, claimed, row, SendState.SENT, answered=True)


@pytest.mark.usefixtures("by_hand")
async def test_all_accounts_at_a_provider_that_is_down_wait_and_no_other(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        accounts = await scene(platform, tenant, [HOST, HOST, "127.0.0.1:10"], 30)
        await down(database, tenant, HOST)
        told = await events(platform, tenant, "automation_throttled")
        assert {(each["account_id"], each["reason"]) for each in told} == {
            (str(id_), "provider_away") for id_ in accounts[:2]
        }
        await arrive(platform, tenant, [lead() for _ in range(20)])
        _, begun = await take(database, tenant)
        assert {row["account_id"] for row in begun} == {accounts[2]}


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("comes_through", [True, False])
async def test_after_the_pause_a_single_message_is_tried(
    platform: Platform, database: Database, tenant: str, comes_through: bool
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        accounts = await scene(platform, tenant, [HOST, HOST], 12)
        await down(database, tenant, HOST)
        assert len(await events(platform, tenant, "automation_throttled")) == 2
        await arrive(platform, tenant, [lead() for _ in range(8)])
        assert (await take(database, tenant))[1] == []
        await _pause_is_over(platform, tenant)

        claimed, begun = await take(database, tenant)

        assert len(claimed.messages) == 1, "what is personal is revealed of one only"
        (probe,) = begun
        assert (await take(database, tenant))[1] == []
        waiting = next(m for m in await messages(platform, tenant) if m["state"] == "queued" and not m["tries"])
        kept = await platform.caller.ask(tenant, ExplainMessage(message_id=waiting["message_id"]))
        assert (kept.binding, kept.earliest) == (GateName.PROVIDER_ANSWERS, probe["spent_at"] + TOLERANCE.patience)
        # A refusal is an answer.
        state = SendState.FAILED if comes_through else SendState.QUEUED
        await came_of(database, tenant, claimed, probe, state, answered=comes_through)
        assert await _ready_lanes(platform, tenant) == set(accounts), "they rest until another moment now"
        _, after = await take(database, tenant)
        resumed = await events(platform, tenant, "automation_resumed")
        throttled = await events(platform, tenant, "automation_throttled")
        if comes_through:
            assert len(after) > 1
            assert {each["account_id"] for each in resumed} == {str(id_) for id_ in accounts}
        else:
            assert (after, resumed) == ([], [])
            (view, _) = (await platform.caller.ask(tenant, ListAccounts())).accounts
            assert view.provider_away_until
            assert view.provider_away_until > max(datetime.fromisoformat(each["until"]) for each in throttled)
        assert len(throttled) == 2, "that it is still away is no news"


@pytest.mark.usefixtures("by_hand")
async def test_of_the_accounts_at_a_provider_that_is_back_only_those_are_told_that_send_again(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        accounts = await scene(platform, tenant, [HOST] * 4, 24)
        await down(database, tenant, HOST)
        await arrive(platform, tenant, [lead() for _ in range(8)])
        assert (await take(database, tenant))[1] == []
        await platform.caller.ask(tenant, PauseAccount(account_id=accounts[0]))
        await keep_from_sending(platform, accounts[1], "blocked = true, health = 20")
        await keep_from_sending(platform, accounts[2], "throttled_until = 'infinity'")
        await _pause_is_over(platform, tenant)
        claimed, (probe,) = await take(database, tenant)
        assert probe["account_id"] == accounts[3]
        await came_of(database, tenant, claimed, probe, SendState.SENT, answered=True)
        (resumed,) = await events(platform, tenant, "automation_resumed")
        assert resumed["account_id"] == str(accounts[3])


@pytest.mark.usefixtures("by_hand")
async def test_an_account_that_is_given_another_provider_is_told_to_go_on(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        (stays, moves) = await scene(platform, tenant, [HOST] * 2, 24)
        await down(database, tenant, HOST)
        for account_id in (stays, moves):
            host = HOST if account_id == stays else "127.0.0.1:10"
            order = SetAccount(account_id=account_id, http=NewHttpService(url=f"https://{host}/"), actor="user:7")
            await platform.caller.ask(tenant, order)
        (resumed,) = await events(platform, tenant, "automation_resumed")
        assert (resumed["account_id"], resumed["actor"]) == (str(moves), "user:7")


@pytest.mark.usefixtures("by_hand")
async def test_of_two_replicas_that_would_try_at_the_same_moment_one_does(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        accounts = await scene(platform, tenant, [HOST, HOST], 20)
        await down(database, tenant, HOST)
        await arrive(platform, tenant, [lead() for _ in range(20)])
        await _pause_is_over(platform, tenant)
        async with platform.sql() as sql:
            await _ready(sql, accounts[1], "infinity")
            async with database.begin(tenant) as uow:
                first = await claim(uow, [tenant], 100, Random(1))
                assert {row["account_id"] for row in first.messages} == {accounts[0]}
                await _ready(sql, accounts[1], "-infinity")
                second, begun = await take(database, tenant)
                assert {row["account_id"] for row in second.messages} == {accounts[1]}
        async with database.begin(tenant) as uow:
            # One that looked before the first had committed comes too late.
            await store_circuit.probe(uow, [(tenant, f"https://{HOST}")], TOLERANCE.patience)
        async with database.begin(tenant) as uow:
            given = {row["message_id"]: (tenant, first.token) for row in first.messages}
            begun += (await begin(uow, given)).values()
        assert [row["account_id"] for row in begun] == [accounts[0]]


@pytest.mark.usefixtures("by_hand")
async def test_what_was_claimed_before_the_provider_went_down_is_not_handed_to_it(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        await scene(platform, tenant, [HOST], 10)
        async with database.begin(tenant) as uow:
            claimed = await claim(uow, [tenant], 100, Random(1))
        ids = [row["message_id"] for row in claimed.messages]
        assert len(ids) == 10
        async with database.begin(tenant) as uow:
            begun = await begin(uow, dict.fromkeys(ids[:5], (tenant, claimed.token)))
        for row in begun.values():
            await came_of(database, tenant, claimed, row, SendState.QUEUED, answered=False)
        await _pause_is_over(platform, tenant)  # not even then: it is no probe
        async with database.begin(tenant) as uow:
            assert await begin(uow, dict.fromkeys(ids[5:], (tenant, claimed.token))) == {}
        assert await count(platform, tenant, "queued") == 10


async def _pause_is_over(platform: Platform, tenant: str) -> None:
    async with platform.sql() as sql:
        await sql.execute("update outreach.circuit set until = now() where tenant_id = $1 and state = 'open'", tenant)
        await sql.execute(
            "update outreach.send_queue set due_at = now() where tenant_id = $1 and state = 'queued'", tenant
        )
        await sql.execute("update outreach.lane set ready_at = now() where tenant_id = $1", tenant)


async def _ready_lanes(platform: Platform, tenant: str) -> set[UUID]:
    """The accounts whose lanes are to be looked at now."""
    async with platform.sql() as sql:
        rows = await sql.fetch(
            "select account_id from outreach.lane where tenant_id = $1 and ready_at <= now()", tenant
        )
    return {row["account_id"] for row in rows}


async def _ready(sql: Any, account_id: UUID, at: str) -> None:
    await sql.execute(f"update outreach.lane set ready_at = '{at}' where account_id = $1", account_id)


async def _queued(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "queued") == number


async def _sent(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "sent") == number


async def _rests(platform: Platform, tenant: str) -> bool:
    """Whether no lane is to be looked at now."""
    async with platform.sql() as sql:
        return not await sql.fetchval(
            "select exists (select from outreach.lane where tenant_id = $1 and ready_at <= now() + interval '5 s')",
            tenant,
        )
