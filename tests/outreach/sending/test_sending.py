"""What is queued is sent once, whatever dies; what nobody can know is not sent again."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

import pytest

from chassis.unit_of_work import Database, UnitOfWork
from contracts.outreach.accounts import PauseAccount
from contracts.outreach.campaigns import PauseCampaign, ResumeCampaign
from contracts.outreach.sending import MessageHistory, SendState
from outreach.providers.protocol import CaptchaError, LaterError, Outgoing, Receipt
from outreach.providers.sandbox import Sandbox, refusal
from outreach.sending import recording, sender
from outreach.sending.claiming import Claimed, claim
from outreach.sending.leaving import begin
from outreach.sending.recording import Result, record
from outreach.sending.sender import CLAIMED_AT_ONCE, OF_ONE_ACCOUNT, Worker
from outreach.upkeep import Upkeep
from tests.outreach.scene import (
    Gate,
    account,
    arrive,
    campaign,
    changes,
    count,
    events,
    expire_leases,
    lead,
    messages,
    outreach,
    settled,
)
from tests.platform import Platform
from tests.waiting import until

MANY = 2 * OF_ONE_ACCOUNT + 10


class GatedSandbox(Gate):
    """The sandbox, once the gate is open."""

    def __init__(self, tenant: str, database: Database) -> None:
        super().__init__(tenant)
        self._sandbox = Sandbox(database)

    async def send(self, message: Outgoing) -> Receipt:
        await super().send(message)
        return await self._sandbox.send(message)


async def test_each_message_is_delivered_once_or_fails_with_its_reason(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant):
        await account(platform, tenant, refuses=0.2)
        await arrive(platform, tenant, [lead() for _ in range(40)])
        await campaign(platform, tenant)
        done = await until(lambda: settled(platform, tenant))

    found = await messages(platform, tenant)
    refused = {message["message_id"] for message in found if refusal(message["message_id"], 0.2)}
    assert (done.sent, done.failed) == (40 - len(refused), len(refused))
    assert all(message["deliveries"] == (message["message_id"] not in refused) for message in found)
    sent, failed = [await events(platform, tenant, f"message_{end}") for end in ("sent", "failed")]
    assert sorted(UUID(event["message_id"]) for event in failed) == sorted(refused)
    assert {(event["reason"], event["fault"]) for event in failed} <= {("mailbox_unknown", "recipient")}
    assert sorted(UUID(event["message_id"]) for event in [*sent, *failed]) == sorted(m["message_id"] for m in found)
    one = next(message["message_id"] for message in found if message["deliveries"])
    assert await changes(platform, one) == ["queued", "claimed", "sending", "sent"]


async def test_two_workers_share_a_queue_and_send_nothing_twice(
    platform: Platform, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "IN_HAND", 300)  # whoever is first claims half of them, and not all
    one, other = GatedSandbox(tenant, database), GatedSandbox(tenant, database)

    async def both_are_sending() -> bool:
        return bool(one.handed and other.handed)

    async with outreach(platform, tenant, one, other):
        for _ in range(4):
            await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(600)])
        await campaign(platform, tenant)
        await until(both_are_sending)
        one.open()
        other.open()
        await until(lambda: settled(platform, tenant), seconds=30)

    found = await messages(platform, tenant)
    assert sorted([*one.handed, *other.handed]) == sorted(message["message_id"] for message in found)
    assert len(found) == 600
    assert max(message["deliveries"] for message in found) == 1


async def test_what_is_claimed_leaves_though_the_claim_after_it_fails(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[int] = []

    async def failing_once(*about: Any) -> Claimed:
        if claims and claims[-1] == CLAIMED_AT_ONCE and 0 not in claims:
            claims.append(0)
            raise ConnectionResetError
        claimed = await claim(*about)
        if claimed.messages:
            claims.append(len(claimed.messages))
        return claimed

    monkeypatch.setattr(sender, "claim", failing_once)
    async with outreach(platform, tenant):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(2 * CLAIMED_AT_ONCE)])
        await campaign(platform, tenant)
        await until(lambda: settled(platform, tenant), seconds=30)
    assert 0 in claims
    assert sum(claims) == 2 * CLAIMED_AT_ONCE, "nothing had to be claimed a second time"


async def test_nothing_is_handed_over_once_a_campaign_is_paused(platform: Platform, tenant: str) -> None:
    gate = Gate(tenant)

    async def wire_is_full() -> bool:
        return len(gate.handed) == OF_ONE_ACCOUNT

    async def at_rest() -> bool:
        return {message["state"] for message in await messages(platform, tenant)} == {"queued", "sent"}

    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(MANY)])
        made = await campaign(platform, tenant)
        await until(wire_is_full)
        paused = await platform.caller.ask(tenant, PauseCampaign(campaign_id=made.campaign_id))
        assert paused.in_flight == OF_ONE_ACCOUNT
        gate.open()
        await until(at_rest, what="what was claimed is back in the queue")
        assert len(gate.handed) == await count(platform, tenant, "sent") == OF_ONE_ACCOUNT

        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made.campaign_id))
        await until(lambda: settled(platform, tenant))
        assert len(gate.handed) == len(set(gate.handed)) == await count(platform, tenant, "sent") == MANY


async def a_worker_dies(platform: Platform, database: Database, tenant: str) -> tuple[UUID, UUID, UUID]:
    """The message it had begun to send, the one it had only claimed, and its token."""
    idle = Gate(tenant)
    async with outreach(platform, tenant, idle):
        sales = await account(platform, tenant)
        await platform.caller.ask(tenant, _paused(sales.account_id))
        await arrive(platform, tenant, [lead(), lead()])
        await campaign(platform, tenant)
        await until(lambda: _queued(platform, tenant, 2))
    async with platform.sql() as sql:
        await sql.execute("update outreach.account set state = 'active' where tenant_id = $1", tenant)
        await sql.execute("update outreach.lane set ready_at = now() where tenant_id = $1", tenant)
    claimed = await _claim(database, tenant)
    began, reserved = [row["message_id"] for row in claimed.messages]
    async with database.begin(tenant) as uow:
        assert set(await begin(uow, {began: (tenant, claimed.token)})) == {began}
    return began, reserved, claimed.token


async def test_what_a_dead_worker_was_sending_becomes_unknown_and_what_it_had_claimed_is_sent(
    platform: Platform, database: Database, tenant: str
) -> None:
    began, reserved, _ = await a_worker_dies(platform, database, tenant)
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await expire_leases(platform, tenant)
        await until(lambda: count(platform, tenant, "unknown"))
        await until(lambda: count(platform, tenant, "sent"))

    states = {message["message_id"]: message["state"] for message in await messages(platform, tenant)}
    assert states == {began: "unknown", reserved: "sent"}
    assert gate.handed == [reserved]
    assert [event["message_id"] for event in await events(platform, tenant, "message_unknown")] == [str(began)]


async def test_what_a_living_worker_has_claimed_or_is_sending_is_left_to_it(
    platform: Platform, database: Database, tenant: str
) -> None:
    await a_worker_dies(platform, database, tenant)  # its leases hold, so nobody can tell yet
    before = await messages(platform, tenant)
    await Upkeep(database).give_up_expired()
    assert not (await _claim(database, tenant)).messages
    assert await messages(platform, tenant) == before


async def test_what_another_worker_took_over_is_not_sent_by_the_first(
    platform: Platform, database: Database, tenant: str
) -> None:
    _, reserved, old_token = await a_worker_dies(platform, database, tenant)
    await expire_leases(platform, tenant)
    await Upkeep(database).give_up_expired()
    assert [row["message_id"] for row in (await _claim(database, tenant)).messages] == [reserved]
    async with database.begin(tenant) as uow:
        assert await begin(uow, {reserved: (tenant, old_token)}) == {}


async def test_a_result_under_an_older_token_is_not_recorded(platform: Platform, tenant: str) -> None:
    gate = Gate(tenant)
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "sending"))
        async with platform.sql() as sql:
            await sql.execute("update outreach.send_queue set token = gen_random_uuid() where tenant_id = $1", tenant)
        gate.open()
    assert [message["state"] for message in await messages(platform, tenant)] == ["sending"]
    assert await events(platform, tenant, "message_sent") == []


async def test_a_result_that_comes_late_settles_an_unknown_message(platform: Platform, tenant: str) -> None:
    slow, idle = Gate(tenant), Gate(tenant)
    async with outreach(platform, tenant, slow):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "sending"))
        await expire_leases(platform, tenant)
        async with outreach(platform, tenant, idle):
            await until(lambda: count(platform, tenant, "unknown"))
        slow.open()
        await until(lambda: count(platform, tenant, "sent"))
        assert len(slow.handed) == len(await events(platform, tenant, "message_sent")) == 1
        assert idle.handed == []


async def test_a_message_whose_provider_breaks_down_is_not_sent_again(platform: Platform, tenant: str) -> None:
    class Broken(Gate):
        async def send(self, message: Outgoing) -> Receipt:
            receipt = await super().send(message)
            if message.tenant == tenant:
                raise ConnectionResetError
            return receipt

    broken = Broken(tenant)
    broken.open()
    async with outreach(platform, tenant, broken):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "unknown"))
        assert len(broken.handed) == 1
    assert await events(platform, tenant, "message_failed") == []


async def test_what_was_surely_not_sent_is_tried_again_when_the_provider_says(platform: Platform, tenant: str) -> None:
    class Busy(Gate):
        async def send(self, message: Outgoing) -> Receipt:
            receipt = await super().send(message)
            if message.tenant == tenant and len(self.handed) == 1:
                raise LaterError("busy", 3600)
            return receipt

    busy = Busy(tenant)
    busy.open()
    async with outreach(platform, tenant, busy):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: _tried(platform, tenant))
        (message,) = await messages(platform, tenant)
        assert message["state"] == "queued"
        assert 3500 < (message["due_at"] - message["queued_at"]).total_seconds() < 3700
        async with platform.sql() as sql:
            await sql.execute("update outreach.send_queue set due_at = now() where tenant_id = $1", tenant)
            await sql.execute("update outreach.lane set ready_at = now() where tenant_id = $1", tenant)
        await until(lambda: count(platform, tenant, "sent"))
        assert len(busy.handed) == 2


async def test_an_account_whose_provider_wants_a_person_sends_nothing_more(platform: Platform, tenant: str) -> None:
    class Suspicious(Gate):
        async def send(self, message: Outgoing) -> Receipt:
            receipt = await super().send(message)
            if message.tenant == tenant:
                raise CaptchaError
            return receipt

    suspicious = Suspicious(tenant)
    async with outreach(platform, tenant, suspicious):
        await account(platform, tenant, least_gap_minutes=1, most_gap_minutes=1)
        await arrive(platform, tenant, [lead() for _ in range(3)])
        await campaign(platform, tenant)
        suspicious.open()
        await until(lambda: events(platform, tenant, "captcha_detected"))
        await until(lambda: events(platform, tenant, "automation_throttled"))
    assert len(suspicious.handed) == 1
    assert await count(platform, tenant, "queued") == 3


async def test_a_service_that_stops_ends_what_is_on_the_wire(platform: Platform, tenant: str) -> None:
    gate = Gate(tenant)
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(MANY)])
        await campaign(platform, tenant)
        await until(lambda: _handed(gate, OF_ONE_ACCOUNT))
        asyncio.get_running_loop().call_later(0.3, gate.open)
    assert await count(platform, tenant, "sending") == await count(platform, tenant, "claimed") == 0
    assert await count(platform, tenant, "sent") == len(gate.handed) == OF_ONE_ACCOUNT


async def test_what_a_service_that_stops_has_just_claimed_waits_for_others_at_once(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_and_commit, claimed, stopping = Worker._claim, asyncio.Event(), asyncio.Event()

    async def committed_and_not_told(worker: Worker) -> Claimed:
        batch = await claim_and_commit(worker)
        if any(row["tenant_id"] == tenant for row in batch.messages):
            claimed.set()
            await stopping.wait()
        return batch

    monkeypatch.setattr(Worker, "_claim", committed_and_not_told)
    gate = Gate(tenant)
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(10)])
        await campaign(platform, tenant)
        await claimed.wait()
        asyncio.get_running_loop().call_later(0.3, stopping.set)
    assert (await count(platform, tenant, "claimed"), len(gate.handed)) == (0, 0)
    assert [m["state"] for m in await messages(platform, tenant)] == ["queued"] * 10


async def test_of_what_failed_nothing_is_recorded_twice(platform: Platform, database: Database, tenant: str) -> None:
    began, _, token = await a_worker_dies(platform, database, tenant)
    for _ in range(2):
        async with database.begin(tenant) as uow:
            await record(uow, [Result(tenant, began, token, SendState.SENT)])
    assert len(await events(platform, tenant, "message_sent")) == 1
    assert (await changes(platform, began)).count("sent") == 1


def _paused(account_id: UUID) -> PauseAccount:

    return PauseAccount(account_id=account_id)


async def _claim(database: Database, tenant: str) -> Claimed:
    async with database.begin(tenant) as uow:
        return await claim(uow, [tenant], 100, Random(1))


async def _queued(platform: Platform, tenant: str, wanted: int) -> bool:
    return await count(platform, tenant, "queued") == wanted


async def _handed(gate: Gate, wanted: int) -> bool:
    return len(gate.handed) == wanted


async def _tried(platform: Platform, tenant: str) -> bool:
    return any(message["tries"] for message in await messages(platform, tenant))


async def test_what_cannot_be_recorded_leaves_nobody_in_doubt_about_the_others(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(tenant)
    real = recording.record

    async def all_but_one(uow: UnitOfWork, results: Sequence[Result]) -> None:
        if gate.handed[0] in {result.message_id for result in results}:
            raise ValueError("it cannot be recorded")
        await real(uow, results)

    monkeypatch.setattr("outreach.sending.recording.record", all_but_one)

    async def handed() -> bool:
        return len(gate.handed) == 5

    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(5)])
        await campaign(platform, tenant)
        await until(handed)
        gate.open()
        await until(lambda: counted(platform, tenant, "sent", 4))
        states = {message["message_id"]: message["state"] for message in await messages(platform, tenant)}
        assert states[gate.handed[0]] == "sending"
        await expire_leases(platform, tenant)
        await until(lambda: counted(platform, tenant, "unknown", 1))


async def counted(platform: Platform, tenant: str, state: str, number: int) -> bool:
    return await count(platform, tenant, state) == number


async def test_every_change_is_kept_and_what_comes_into_the_queue_and_what_it_became_is_an_event(
    platform: Platform, tenant: str
) -> None:
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: counted(platform, tenant, "sent", 1))
        (message,) = await messages(platform, tenant)
        history = await platform.caller.ask(tenant, MessageHistory(message_id=message["message_id"]))
    assert [change.state for change in history.changes] == ["queued", "claimed", "sending", "sent"]
    async with platform.sql() as sql:
        rows = await sql.fetch(
            """select split_part(type, '.', 3) as name, (convert_from(body, 'utf8')::jsonb ->> 'occurred_at')::timestamptz as at
               from outreach.outbox where tenant = $1 and convert_from(body, 'utf8') like '%' || $2 || '%' order by seq""",
            tenant, str(message["message_id"]),
        )  # fmt: skip
    told = {f"message_{change.state}": change.at for change in history.changes if change.state in ("queued", "sent")}
    assert {row["name"]: row["at"] for row in rows} == told
