"""What a unit of work published reaches the broker: all of it, in order, under its own ids, whatever goes away."""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from chassis import outbox
from chassis.unit_of_work import Database, UnitOfWork
from contracts.catalogue import EVENTS
from contracts.intake.leads import LeadDuplicated
from contracts.operations import GetStatus, Republish
from tests.chassis import ledger
from tests.chassis.scene import Scene
from tests.waiting import until

_HOLDERS = """
    select count(*) as n from pg_locks where locktype = 'advisory' and granted
    and (classid::bigint << 32 | objid::bigint) = hashtextextended('intake/relay', 0)
"""


def event(number: int, source_id: str = "1") -> LeadDuplicated:
    nobody = UUID(int=0)
    return LeadDuplicated.model_construct(
        lead_id=nobody, version=number, submission_id=nobody, source_system="test", source_id=source_id
    )


async def write(scene: Scene, events: Sequence[LeadDuplicated], database: Database | None = None) -> list[UUID]:
    """Publish within one unit of work; returns the ids."""
    own = database or Database(ledger.NAME, scene.platform.settings(ledger.NAME).database_url)
    async with own.begin() as uow:
        ids = [uow.publish(scene.tenant, event) for event in events]
    if database is None:
        await own.close()
    return ids


async def stream(scene: Scene) -> list[tuple[UUID, int]]:
    """The tenant's events as the broker has them: their ids and numbers."""
    js = scene.platform.operator.jetstream()
    pull = await js.pull_subscribe(
        LeadDuplicated.topic.subject(scene.tenant), stream=EVENTS.name, config=ConsumerConfig(ack_policy=AckPolicy.NONE)
    )
    info = await pull.consumer_info()
    left, messages = info.num_pending or 0, []
    while left > len(messages):
        messages += await pull.fetch(left - len(messages))
    await js.delete_consumer(EVENTS.name, info.name)
    await pull.unsubscribe()
    return [(UUID(message.headers["ce-id"]), json.loads(message.data)["version"]) for message in messages]


async def published(scene: Scene, count: int, seconds: float = 15.0) -> list[tuple[UUID, int]]:
    """The tenant's events, once the broker has so many and the outbox none."""

    async def all_sent() -> bool:
        rows = await scene.select("select from outbox_unsent join outbox using (seq) where tenant = $1", scene.tenant)
        return not rows

    await until(all_sent, seconds=seconds, what="an empty outbox")
    events = await stream(scene)
    assert len(events) == count
    return events


async def test_events_are_published_in_the_order_they_were_committed(scene: Scene) -> None:
    service = scene.service()
    async with service.running():
        ids = []
        for start in range(0, 300, 30):
            ids += await write(scene, [event(n) for n in range(start, start + 30)], service.database)
        assert await published(scene, 300) == list(zip(ids, range(300), strict=True))


async def test_an_event_is_published_as_soon_as_it_is_committed(scene: Scene) -> None:
    """The relay is woken; it does not find the event when it next looks."""
    service = scene.service()
    clock = asyncio.get_running_loop().time
    async with service.running(), scene.platform.connect("aggregator") as client:
        pull = await client.jetstream().pull_subscribe_bind(consumer="aggregator", stream=EVENTS.name)
        waits = []
        for n in range(9):
            await write(scene, [event(n)], service.database)
            committed = clock()
            await pull.fetch(1)
            waits.append(clock() - committed)
    assert min(waits) < 0.05, waits


async def test_events_written_while_no_replica_ran_are_published_when_one_does(scene: Scene) -> None:
    ids = await write(scene, [event(n) for n in range(10)])
    async with scene.service().running():
        assert await published(scene, 10) == list(zip(ids, range(10), strict=True))


@pytest.mark.parametrize("seed", [1, 2])
async def test_order_survives_a_broker_that_dies_again_and_again(scene: Scene, seed: int) -> None:
    chance = random.Random(seed)
    service = scene.service()
    written: list[UUID] = []

    async def write_on() -> None:
        for start in range(0, 3000, 100):
            written.extend(await write(scene, [event(n) for n in range(start, start + 100)], service.database))
            await asyncio.sleep(0)

    async with service.running():
        writing = asyncio.create_task(write_on())
        for _ in range(3):
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            await scene.platform.broker.kill()
            await scene.platform.broker.start()
        await writing
        assert await published(scene, 3000, seconds=30) == list(zip(written, range(3000), strict=True))
    assert await scene.select("select from outbox where tenant = $1 and parked is not null", scene.tenant) == []


async def test_an_event_that_is_too_large_is_parked_and_the_rest_goes_on(scene: Scene) -> None:
    limit = scene.platform.operator.max_payload
    bare = len(event(0, "").model_dump_json())
    sizes = [0, 2 * limit, 0, limit - bare - 10, 0, 0, 0]
    ids = await write(scene, [event(n, "x" * size) for n, size in enumerate(sizes)])
    long = "x" * 65_400  # beyond what the broker takes of headers, which is less than it takes of bodies
    await scene.select("update outbox set traceparent = $1 where id = $2", long, ids[5])
    async with scene.service().running():
        assert await published(scene, 4) == [(ids[n], n) for n in (0, 2, 4, 6)]
        ids += await write(scene, [event(7)])
        assert (await published(scene, 5))[-1] == (ids[7], 7)
        status = await scene.ask(GetStatus(), of=ledger.NAME)
        assert status.outbox_unsent == 0
    parked = await scene.select(
        "select id, parked from outbox where tenant = $1 and parked is not null order by seq", scene.tenant
    )
    assert [tuple(row) for row in parked] == [(ids[n], "too large for the broker") for n in (1, 3, 5)]


async def test_one_replica_relays_at_a_time_and_another_takes_over(scene: Scene) -> None:
    async def holders() -> int:
        (row,) = await scene.select(_HOLDERS)
        return int(row["n"])

    async with AsyncExitStack() as first, scene.service().running():
        await first.enter_async_context(scene.service().running())
        await until(holders, what="a relay")
        assert await holders() == 1
        await first.aclose()
        ids = await write(scene, [event(1)])
        assert await published(scene, 1) == [(ids[0], 1)]
        assert await holders() == 1


async def test_a_relay_that_lost_its_session_lets_go_and_goes_on(scene: Scene) -> None:
    service = scene.service()
    async with service.running():
        await write(scene, [event(0)], service.database)
        await published(scene, 1)
        await scene.select("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
        await write(scene, [event(1)], service.database)
        assert [number for _, number in await published(scene, 2)] == [0, 1]


async def test_the_relays_session_does_not_get_back_into_the_pool(scene: Scene) -> None:
    """With its lock and its time-out, which would end another one's session."""
    service = scene.service()
    async with service.running():
        await scene.platform.broker.kill()
        await scene.platform.broker.start()
        await write(scene, [event(1)], service.database)
        await published(scene, 1)
        async with AsyncExitStack() as units:
            for _ in range(6):
                uow = await units.enter_async_context(service.database.begin())
                assert (await uow.execute("show idle_session_timeout")).scalar_one() == "0"


async def test_a_relay_holds_one_subscription_however_much_it_publishes(scene: Scene) -> None:
    service = scene.service()
    async with service.running():
        for n in range(8):
            await write(scene, [event(n)], service.database)
            await published(scene, n + 1)
        async with httpx.AsyncClient() as client:
            connections = (await client.get(f"{scene.platform.broker.monitor_url}/connz")).json()["connections"]
    of_the_relay = [c["subscriptions"] for c in connections if c.get("name") == "leadloop-intake-outbox"]
    assert of_the_relay == [1]


async def test_places_of_events_that_are_gone_hold_up_nothing_and_are_swept(scene: Scene) -> None:
    """As an event may be that was to be published again at the moment it was swept."""
    await scene.select("insert into outbox_unsent select -n from generate_series(1, 1500) as n")
    service = scene.service()
    async with service.running():
        ids = await write(scene, [event(1)], service.database)

        async def there() -> bool:
            return [id_ for id_, _ in await stream(scene)] == ids

        await until(there, what="the event that is there")
        status = await scene.ask(GetStatus(), of=ledger.NAME)
        assert status.outbox_first_unsent is None
        async with service.database.begin() as uow:
            await outbox.sweep(uow.connection, 14)
    assert await scene.select("select from outbox_unsent") == []
    assert len(await scene.select("select from outbox where tenant = $1", scene.tenant)) == 1


async def test_events_are_published_again_under_the_same_ids(scene: Scene) -> None:
    """For a broker that lost its disk."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    service = scene.service()
    async with service.running():
        ids = await write(scene, [event(n) for n in range(20)], service.database)
        await published(scene, 20)
        await scene.platform.operator.jetstream().delete_stream(EVENTS.name)
        await scene.declare()
        assert await stream(scene) == []
        republished = await scene.ask(Republish(since=before), of=ledger.NAME)
        assert republished.republished >= 20
        assert await published(scene, 20) == list(zip(ids, range(20), strict=True))


async def test_what_waits_is_found_without_reading_what_was_sent(scene: Scene) -> None:
    database = Database(ledger.NAME, scene.platform.settings(ledger.NAME).database_url)
    async with database.begin() as uow:
        for number in range(2_000):
            uow.publish(scene.tenant, event(number))
    async with database.begin() as uow:  # nobody has analysed the table, as in the minutes after a start
        await uow.execute(
            "delete from outbox_unsent where seq not in (select seq from outbox order by seq desc limit 10)"
        )
    async with database.begin() as uow:
        before = await _rows_read(uow)
        assert len(await outbox.unsent(uow.connection, 100)) == 10
        await outbox.waiting(uow.connection)
        await outbox.span(uow.connection)
        assert await _rows_read(uow) - before < 200
    await database.close()


async def _rows_read(uow: UnitOfWork) -> int:
    """How many rows this session has read of late, by whatever way."""
    read = await uow.execute(
        """select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables
           where schemaname = current_schema()"""
    )
    return int(read.scalar_one())
