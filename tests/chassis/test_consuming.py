"""A durable's messages are handled once, in the stream's order, and as soon as they are there."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import uuid4

import pytest

from chassis.consumer import BATCH, _PendingAcks, batch_after, most_held
from chassis.failures import LostRaceError
from chassis.received import Received, encode
from chassis.unit_of_work import UnitOfWork
from contracts.catalogue import COMMANDS, EVENTS
from contracts.gateway import TenantChanged
from contracts.intake.leads import LeadDuplicated, SubmitLead
from tests.chassis import ledger
from tests.chassis.ledger import change, submission
from tests.chassis.scene import Scene


async def test_messages_are_handled_in_the_order_they_were_published(scene: Scene) -> None:
    await scene.give(*[submission(n) for n in range(50)])
    await scene.give(*[change(n) for n in range(50, 100)])
    async with scene.service().running():
        lines = await scene.written(100)
        await scene.drained(COMMANDS)
        await scene.drained(EVENTS)
    assert [n for n in lines if n < 50] == list(range(50))
    assert [n for n in lines if n >= 50] == list(range(50, 100))


async def test_two_replicas_take_turns_and_keep_the_order(scene: Scene) -> None:
    async with AsyncExitStack() as replicas:
        for name in ("one", "other"):
            await replicas.enter_async_context(scene.service(replica=name).running())
        for start in range(0, 200, 25):
            await asyncio.gather(
                scene.give(*[submission(n) for n in range(start, start + 25)]),
                scene.give(*[change(n) for n in range(1000 + start, 1000 + start + 25)]),
            )
            await scene.written(2 * (start + 25))  # a turn lasts as long as there is something to do
        lines = await scene.written(400)
    assert [n for n in lines if n < 1000] == list(range(200))
    assert [n for n in lines if n >= 1000] == list(range(1000, 1200))
    took_part = await scene.select("select distinct replica from ledger where tenant_id = $1", scene.tenant)
    assert len(took_part) == 2


async def test_one_tenants_burst_holds_up_nobody_who_comes_behind_it(scene: Scene) -> None:
    """Commands are taken in turns by tenant; each tenant's own stay in order."""
    other = Scene(scene.platform, f"{scene.tenant}-other")
    await other.know()
    burst = 4 * BATCH
    await scene.give(*[submission(n) for n in range(burst)])
    await other.give(submission(1), submission(2))
    async with scene.service().running():
        assert await other.written(2) == [1, 2]
        assert await scene.written(burst, seconds=60) == list(range(burst))
        await scene.drained(COMMANDS)
    (row,) = await scene.select(
        """select count(*) as before from ledger where tenant_id = $1
           and seq < (select max(seq) from ledger where tenant_id = $2)""",
        scene.tenant, other.tenant,
    )  # fmt: skip
    assert row["before"] < 2 * BATCH


async def test_more_is_taken_in_while_a_batch_is_handled(scene: Scene) -> None:
    """Or the broker would wait for us, and we for it, in turns."""
    ledger_ = ledger.Ledger(scene.platform.settings(ledger.NAME))
    more_came = []

    async def wait_for_more(uow: UnitOfWork, received: Sequence[Received[Any]]) -> None:
        in_hand = sum(ledger_.batches) + len(received)
        if not any(more_came) and in_hand < count:
            with suppress(AssertionError):  # the broker is not waited for, and may have been slow just then
                await scene.delivered(EVENTS, before + in_hand + 1, seconds=2)
                more_came.append(True)
        await ledger_.take_changes(uow, received)

    count, before = 4 * most_held(EVENTS), await scene.deliveries(EVENTS)
    await scene.give(*[change(n) for n in range(count)])
    async with scene.service(consumes={TenantChanged: wait_for_more}).running():
        assert await scene.written(count, seconds=60) == list(range(count))
    assert any(more_came)


async def test_a_takeover_with_much_to_do_delivers_nothing_again_and_again(scene: Scene) -> None:
    """An acknowledgement that stands for all before it counts only if it is of a later delivery than the last one's."""
    await scene.redeliver_after(1.0)
    count, left = 4 * most_held(EVENTS), 2 * BATCH
    await scene.give(*[change(n) for n in range(count)])
    async with scene.platform.connect(ledger.NAME) as dead:
        pull = await dead.jetstream().pull_subscribe_bind(consumer=ledger.NAME, stream=EVENTS.name)
        assert len(await pull.fetch(left)) == left
    async with scene.service().running():
        assert await scene.written(count, seconds=60) == list(range(count))
        await scene.drained(EVENTS)
    assert await scene.deliveries(EVENTS) < count + 4 * left


async def test_a_batch_that_lost_a_race_is_tried_again_without_being_delivered_again(scene: Scene) -> None:
    ledger_ = ledger.Ledger(scene.platform.settings(ledger.NAME))
    lost = []

    async def lose_three_times(uow: UnitOfWork, received: Sequence[Received[SubmitLead]]) -> None:
        if len(lost) < 3:
            lost.append(len(received))
            raise LostRaceError("another one was faster")
        await ledger_.take_submissions(uow, received)

    before = await scene.deliveries(COMMANDS)
    await scene.give(*[submission(n) for n in range(3 * BATCH)])
    async with scene.service(consumes={SubmitLead: lose_three_times}).running():
        assert await scene.written(3 * BATCH, seconds=60) == list(range(3 * BATCH))
        await scene.drained(COMMANDS)
    assert lost == [BATCH] * 3
    assert await scene.deliveries(COMMANDS) == before + 3 * BATCH


async def test_a_replica_that_awaits_its_turn_stops_at_once_and_is_ready_meanwhile(scene: Scene) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(_: UnitOfWork, __: Sequence[Received[SubmitLead]]) -> None:
        begun.set()
        await go_on.wait()

    async with scene.service(consumes={SubmitLead: slowly}).running():
        await scene.give(submission(1))
        await asyncio.wait_for(begun.wait(), 10)
        async with AsyncExitStack() as standby:
            service = scene.service(replica="standby")
            await standby.enter_async_context(service.running())
            assert await service._broker_heard() == ""
            started = asyncio.get_running_loop().time()
            await standby.aclose()
            assert asyncio.get_running_loop().time() - started < 3
        go_on.set()


async def test_no_batch_overtakes_what_a_dead_replica_left(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while acknowledgements are under way, which could be all that the broker still waits for."""
    monkeypatch.setattr(_PendingAcks, "unconfirmed", 10)
    await scene.redeliver_after(1.0)
    await scene.give(submission(1))
    async with scene.platform.connect(ledger.NAME) as dead:
        await (await dead.jetstream().pull_subscribe_bind(consumer=ledger.NAME, stream=COMMANDS.name)).fetch(1)
        await scene.give(submission(2))
        async with scene.service().running():
            assert await scene.written(2) == [1, 2]


async def test_a_message_published_twice_is_handled_once(scene: Scene) -> None:
    (id_,) = await scene.give(submission(1))
    # Without the broker's own header nothing is de-duplicated before it gets here.
    await scene.give_raw(encode(submission(1)), {"ce-id": str(id_)})
    await scene.give(submission(2))
    async with scene.service().running():
        await scene.written(2)
        await scene.give_raw(encode(submission(1)), {"ce-id": str(id_)})
        await scene.give(submission(3))
        assert await scene.written(3) == [1, 2, 3]
        await scene.drained(COMMANDS)
    assert await scene.lines() == [1, 2, 3]
    assert await scene.letters() == []


async def test_a_message_delivered_again_is_handled_once(scene: Scene) -> None:
    await scene.give(*[change(n) for n in range(20)])
    async with scene.service().running():
        await scene.written(20)
    # A durable that was deleted and declared again begins at the stream's beginning.
    await scene.platform.operator.jetstream().delete_consumer(EVENTS.name, ledger.NAME)
    await scene.declare()
    await scene.give(change(20))
    async with scene.service().running():
        await scene.written(21)
        await scene.drained(EVENTS)
    assert await scene.lines() == list(range(21))


async def test_a_message_without_headers_is_handled_once(scene: Scene) -> None:
    async with scene.service().running():
        for _ in range(2):
            await scene.give_raw(encode(submission(1)))
        await scene.give(submission(2))
        assert await scene.written(2) == [1, 2]
        await scene.drained(COMMANDS)
    assert await scene.lines() == [1, 2]


async def test_an_id_used_again_with_another_body_is_dead_lettered(scene: Scene) -> None:
    (id_,) = await scene.give(submission(1))
    await scene.give_raw(encode(submission(2)), {"ce-id": str(id_)})
    async with scene.service().running():
        await scene.buried(1)
        await scene.give_raw(encode(submission(3)), {"ce-id": str(id_)})
        letters = await scene.buried(2)
        await scene.drained(COMMANDS)
    assert await scene.lines() == [1]
    assert [(letter["message_id"], letter["reason"]) for letter in letters] == [
        (id_, "the id was used before by a message with another body")
    ] * 2


async def test_a_tenant_cannot_use_up_the_ids_of_another(scene: Scene) -> None:
    other = Scene(scene.platform, f"{scene.tenant}-other")
    await other.know()
    headers = {"ce-id": str(uuid4()), "Nats-Msg-Id": str(uuid4())}
    await scene.give_raw(encode(submission(1)), headers)
    await scene.give_raw(encode(submission(1)), headers | {"Nats-Msg-Id": str(uuid4())})
    await other.give_raw(encode(submission(2)), headers | {"Nats-Msg-Id": str(uuid4())})
    async with scene.service().running():
        assert await scene.written(1) == [1]
        assert await other.written(1) == [2]
        await scene.drained(COMMANDS)
    assert await scene.letters() == await other.letters() == []


async def test_a_lone_message_is_handled_at_once(scene: Scene) -> None:
    handled: asyncio.Queue[float] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def note(_: UnitOfWork, received: Sequence[Received[SubmitLead]]) -> None:
        for _message in received:
            handled.put_nowait(clock())

    waits = []
    async with scene.service(consumes={SubmitLead: note}).running(), scene.platform.connect("operator") as client:
        for n in range(21):
            published = clock()
            await client.publish(submission(n).topic.subject(scene.tenant), encode(submission(n)))
            waits.append(await asyncio.wait_for(handled.get(), 10) - published)
    # 20 ms on an idle machine. A wait for more messages to come would show in each of them.
    assert median(waits) < 0.2, waits


async def test_a_unit_of_work_is_not_older_than_what_it_handles(scene: Scene) -> None:
    """Its clock dates events: an effect must not come before its cause, though the replica had waited for it."""
    clocks: asyncio.Queue[datetime] = asyncio.Queue()

    async def note(uow: UnitOfWork, _: Sequence[Received[SubmitLead]]) -> None:
        clocks.put_nowait(uow.now)

    async with scene.service(consumes={SubmitLead: note}).running():
        for n in range(2):
            await scene.waited_for(COMMANDS)
            published = datetime.now(UTC)
            await scene.give(submission(n))
            assert await asyncio.wait_for(clocks.get(), 10) >= published


async def test_what_a_handler_does_commits_together(scene: Scene) -> None:
    """State, outbox and inbox: here all of them, in the next test none."""
    (id_,) = await scene.give(submission(1))
    async with scene.service().running():
        await scene.written(1)
    outbox = await scene.select("select type, causation_id from outbox where tenant = $1", scene.tenant)
    assert [tuple(row) for row in outbox] == [(LeadDuplicated.topic.type, id_)]
    assert len(await scene.select("select from inbox where message_id = $1", id_)) == 1


async def test_what_a_handler_did_before_it_failed_is_undone(scene: Scene) -> None:
    await scene.give(submission(1, ledger.Mishap.FAILS_AFTER_WRITING))
    async with scene.service().running():
        await scene.buried(1)
    outbox = await scene.select("select type from outbox where tenant = $1", scene.tenant)
    assert await scene.lines() == []
    assert [row["type"] for row in outbox] == ["intake.event.message_dead_lettered.v1"]


async def test_a_session_lost_before_the_commit_leaves_nothing_and_the_batch_is_done_again(scene: Scene) -> None:
    ledger_ = ledger.Ledger(scene.platform.settings(ledger.NAME), "only")
    lost = []

    async def write_and_lose_the_session(uow: UnitOfWork, received: Sequence[Received[Any]]) -> None:
        await ledger_.take_submissions(uow, received)
        await uow.write_outbox()
        if not lost:
            lost.append(await uow.execute("select pg_backend_pid()"))
            await scene.select("select pg_terminate_backend($1)", lost[0].scalar_one())

    (id_,) = await scene.give(submission(1))
    async with scene.service(consumes={SubmitLead: write_and_lose_the_session}).running():
        await scene.written(1)
        await scene.drained(COMMANDS)
    assert lost
    assert await scene.lines() == [1]
    outbox = await scene.select("select causation_id from outbox where tenant = $1", scene.tenant)
    assert [row["causation_id"] for row in outbox] == [id_]


async def test_stopping_a_replica_lets_its_batch_end(scene: Scene) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ledger_ = ledger.Ledger(scene.platform.settings(ledger.NAME), "stopped")

    async def slowly(uow: UnitOfWork, received: Sequence[Received[SubmitLead]]) -> None:
        begun.set()
        await go_on.wait()
        await ledger_.take_submissions(uow, received)

    await scene.give(*[submission(n) for n in range(10)])
    async with AsyncExitStack() as replica:
        await replica.enter_async_context(scene.service(consumes={SubmitLead: slowly}).running())
        await asyncio.wait_for(begun.wait(), 10)
        asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert await scene.lines() == list(range(10))
    await scene.drained(COMMANDS, seconds=5)


@pytest.mark.parametrize(
    ("count", "seconds", "then"), [(500, 0.1, 500), (500, 0.5, 100), (100, 1.0, 50), (1, 0.01, 50), (50, 0.03, 166)]
)
def test_a_batch_of_commands_is_as_large_as_a_tenth_of_a_second_allows(count: int, seconds: float, then: int) -> None:
    """Or whoever comes behind a neighbour's thousand waits as long as a slow machine takes for five hundred of them, twice."""
    assert batch_after(count, seconds) == then
