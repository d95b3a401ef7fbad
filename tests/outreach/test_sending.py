"""What is queued is sent once, whatever dies; what nobody can know is not sent again."""

import asyncio
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from chassis.unit_of_work import Database
from contracts.outreach import CampaignView, CreateCampaign, ListCampaigns, PauseCampaign, ResumeCampaign
from outreach import store
from outreach.provider import Outgoing
from outreach.sandbox import Sandbox, refusal
from outreach.sender import LEASE
from tests.outreach.scene import Gate, arrive, count, events, expire_leases, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until

AT_ONCE = 4
"""How many messages a worker has on the wire."""


class GatedSandbox(Gate):
    """The sandbox, once the gate is open."""

    def __init__(self, tenant: str, database: Database) -> None:
        super().__init__(tenant)
        self._sandbox = Sandbox(database)

    async def send(self, message: Outgoing) -> None:
        await super().send(message)
        await self._sandbox.send(message)


async def settled(platform: Platform, tenant: str) -> CampaignView | None:
    """The tenant's only campaign, once it has nothing left to send."""
    (campaign,) = (await platform.caller.ask(tenant, ListCampaigns())).campaigns
    return None if campaign.queued else campaign


async def test_each_message_is_delivered_once_or_fails_with_its_reason(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [lead() for _ in range(40)])
        await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
        campaign = await until(lambda: settled(platform, tenant))

    found = await messages(platform, tenant)
    refused = {message["message_id"] for message in found if refusal(message["message_id"])}
    assert (campaign.sent, campaign.failed) == (40 - len(refused), len(refused))
    assert all(message["deliveries"] == (message["message_id"] not in refused) for message in found)
    sent, failed = [await events(platform, tenant, f"message_{end}") for end in ("sent", "failed")]
    assert sorted(UUID(event["message_id"]) for event in failed) == sorted(refused)
    assert {event["reason"] for event in failed} <= {"recipient_refused"}
    assert sorted(UUID(event["message_id"]) for event in [*sent, *failed]) == sorted(m["message_id"] for m in found)


async def test_two_workers_share_a_queue_and_send_nothing_twice(
    platform: Platform, database: Database, tenant: str
) -> None:
    one, other = GatedSandbox(tenant, database), GatedSandbox(tenant, database)

    async def both_are_sending() -> bool:
        return bool(one.handed and other.handed)

    async with outreach(platform, tenant, one, other):
        await arrive(platform, tenant, [lead() for _ in range(60)])
        await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
        await until(both_are_sending)
        one.open()
        other.open()
        await until(lambda: settled(platform, tenant))

    found = await messages(platform, tenant)
    assert sorted([*one.handed, *other.handed]) == sorted(message["message_id"] for message in found)
    assert max(message["deliveries"] for message in found) == 1


async def test_nothing_is_handed_over_once_a_campaign_is_paused(platform: Platform, tenant: str) -> None:
    gate = Gate(tenant)

    async def wire_is_full() -> bool:
        return len(gate.handed) == AT_ONCE

    async def at_rest() -> bool:
        return all(
            message["token"] is None or message["state"] == "sent" for message in await messages(platform, tenant)
        )

    async with outreach(platform, tenant, gate):
        await arrive(platform, tenant, [lead() for _ in range(30)])
        campaign = await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
        await until(wire_is_full)
        await platform.caller.ask(tenant, PauseCampaign(campaign_id=campaign.campaign_id))
        gate.open()
        await until(at_rest, what="what was reserved is back in the queue")
        assert len(gate.handed) == await count(platform, tenant, "sent") == AT_ONCE

        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=campaign.campaign_id))
        await until(lambda: settled(platform, tenant))
        assert len(gate.handed) == len(set(gate.handed)) == await count(platform, tenant, "sent") == 30


async def a_worker_dies(platform: Platform, database: Database, tenant: str) -> tuple[Outgoing, Outgoing, UUID]:
    """The message it had begun to send, the one it had only reserved, and its token."""
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [lead(), lead()])
    campaign_id, token = uuid4(), uuid7()
    async with database.begin(tenant) as uow:
        await store.create_campaign(uow, tenant, campaign_id, CreateCampaign(title="Hello"))
        await store.enrol_known_leads(uow, tenant, campaign_id)
        began, reserved = await store.reserve(uow, tenant, campaign_id, token, LEASE, 20)
        assert await store.begin_sending(uow, began, token, LEASE)
    return began, reserved, token


async def test_what_a_dead_worker_was_sending_becomes_unknown_and_what_it_had_reserved_is_sent(
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
    assert states == {began.message_id: "unknown", reserved.message_id: "sent"}
    assert gate.handed == [reserved.message_id]


async def test_what_a_living_worker_has_reserved_or_is_sending_is_left_to_it(
    platform: Platform, database: Database, tenant: str
) -> None:
    began, _, _ = await a_worker_dies(platform, database, tenant)  # its leases hold, so nobody can tell yet
    async with database.begin(tenant) as uow:
        assert await store.give_up_expired(uow, [tenant]) == 0
        assert await store.due_campaigns(uow, [tenant]) == []
        assert await store.reserve(uow, tenant, began.campaign_id, uuid7(), LEASE, 20) == []


async def test_what_another_worker_took_over_is_not_sent_by_the_first(
    platform: Platform, database: Database, tenant: str
) -> None:
    _, reserved, old_token = await a_worker_dies(platform, database, tenant)
    await expire_leases(platform, tenant)
    async with database.begin(tenant) as uow:
        assert await store.reserve(uow, tenant, reserved.campaign_id, uuid7(), LEASE, 20) == [reserved]
        assert not await store.begin_sending(uow, reserved, old_token, LEASE)


async def test_a_result_under_an_older_token_is_not_recorded(platform: Platform, tenant: str) -> None:
    gate = Gate(tenant)
    async with outreach(platform, tenant, gate):
        await arrive(platform, tenant, [lead()])
        await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
        await until(lambda: count(platform, tenant, "sending"))
        async with platform.sql() as sql:
            await sql.execute("update outreach.message set token = gen_random_uuid() where tenant_id = $1", tenant)
        gate.open()
    assert [message["state"] for message in await messages(platform, tenant)] == ["sending"]
    assert await events(platform, tenant, "message_sent") == []


async def test_a_result_that_comes_late_settles_an_unknown_message(platform: Platform, tenant: str) -> None:
    slow, idle = Gate(tenant), Gate(tenant)
    async with outreach(platform, tenant, slow):
        await arrive(platform, tenant, [lead()])
        await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
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
        async def send(self, message: Outgoing) -> None:
            await super().send(message)
            if message.tenant == tenant:
                raise ConnectionResetError

    broken = Broken(tenant)
    broken.open()
    async with outreach(platform, tenant, broken):
        await arrive(platform, tenant, [lead()])
        await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
        await until(lambda: count(platform, tenant, "sending"))
        await expire_leases(platform, tenant)
        await until(lambda: count(platform, tenant, "unknown"))
        assert len(broken.handed) == 1
    assert await events(platform, tenant, "message_failed") == []


async def test_a_service_that_stops_ends_what_is_on_the_wire(platform: Platform, tenant: str) -> None:
    gate = Gate(tenant)
    async with outreach(platform, tenant, gate):
        await arrive(platform, tenant, [lead() for _ in range(30)])
        await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
        await until(lambda: count(platform, tenant, "sending"))
        asyncio.get_running_loop().call_later(0.3, gate.open)
    assert await count(platform, tenant, "sending") == 0
    assert await count(platform, tenant, "sent") == len(gate.handed) == AT_ONCE
