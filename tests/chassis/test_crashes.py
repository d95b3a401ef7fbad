"""Processes die in the middle of their work: nothing is lost, nothing done twice, and the order is kept."""

from collections.abc import Callable

import pytest

from contracts.catalogue import COMMANDS, EVENTS
from contracts.message import Command, Event
from tests.chassis import ledger
from tests.chassis.ledger import Ledger, Mishap, change, submission
from tests.chassis.process import Process
from tests.chassis.scene import Scene


async def test_a_message_that_kills_the_process_is_put_away_and_its_batch_is_handled(scene: Scene) -> None:
    await scene.redeliver_after(0.2)
    await scene.give(*[submission(n, Mishap.EXITS if n == 3 else "") for n in range(6)])
    async with Process.running(scene.platform):
        (letter,) = await scene.buried(1, seconds=40)
        assert await scene.written(5) == [0, 1, 2, 4, 5]
        await scene.drained(COMMANDS)
    assert letter["reason"] == "took the process down 3 times"
    assert await scene.select("select from attempt") == []


@pytest.mark.parametrize("message", [submission, change])
async def test_what_a_replica_held_when_it_was_killed_is_handled_before_anything_newer(
    scene: Scene, message: Callable[..., Command | Event]
) -> None:
    await scene.redeliver_after(1)
    heir = Ledger(scene.platform.settings(ledger.NAME), "heir", immune=True)
    async with Process.running(scene.platform) as process:
        await scene.give(*[message(n) for n in range(5)], message(5, Mishap.HANGS))
        await process.says(Mishap.HANGS)
        async with scene.service(ledger=heir).running():
            await scene.give(*[message(n) for n in range(6, 12)])
            await process.kill()
            lines = await scene.written(12)
    assert lines == list(range(12))


async def test_a_late_acknowledgement_does_not_stand_for_what_another_replica_lost(scene: Scene) -> None:
    """On a stream that keeps its messages, to acknowledge one is to acknowledge all before it."""
    await scene.redeliver_after(1.5)
    await scene.give(*[change(n) for n in range(6)])
    async with scene.platform.connect(ledger.NAME) as client:
        pull = await client.jetstream().pull_subscribe_bind(consumer=ledger.NAME, stream=EVENTS.name)
        of_one_that_pauses = await pull.fetch(3)
        of_one_that_died = await pull.fetch(3)
        assert (len(of_one_that_pauses), len(of_one_that_died)) == (3, 3)
        for message in of_one_that_pauses:
            await client.publish(message.reply, b"-NAK")
        async with scene.service().running():
            await scene.delivered(EVENTS, 9)
            await scene.give(change(6))
            await scene.delivered(EVENTS, 10)
            await client.publish(of_one_that_pauses[-1].reply, b"+ACK")
            assert await scene.written(7) == list(range(7))
