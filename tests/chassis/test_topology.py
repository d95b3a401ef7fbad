"""Streams and durables are as the catalogue says: declared by one step, which finds and mends what differs."""

import pytest
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType
from nats.js.errors import APIError, NotFoundError

from chassis import topology
from chassis.consumer import most_unacknowledged
from chassis.received import encode
from contracts.catalogue import COMMANDS, EVENTS
from tests.chassis import ledger
from tests.chassis.ledger import submission
from tests.chassis.scene import Scene


async def test_declaring_again_changes_nothing(scene: Scene) -> None:
    assert await topology.declare(scene.platform.operator) == []


async def test_what_is_missing_is_made_and_reported(scene: Scene) -> None:
    js = scene.platform.operator.jetstream()
    await js.delete_consumer(COMMANDS.name, ledger.NAME)
    assert await topology.declare(scene.platform.operator) == ["created durable COMMANDS/intake"]
    await js.delete_stream(COMMANDS.name)
    done = await topology.declare(scene.platform.operator)
    assert done[0] == "created stream COMMANDS"
    assert "created durable COMMANDS/intake" in done
    assert await topology.declare(scene.platform.operator) == []


async def test_a_durable_that_differs_is_corrected_and_the_difference_named(scene: Scene) -> None:
    js = scene.platform.operator.jetstream()
    found = (await js.consumer_info(COMMANDS.name, ledger.NAME)).config
    found.max_ack_pending, found.filter_subjects, found.filter_subject = 7, None, "intake.command.nothing.v1.*"
    await js.add_consumer(COMMANDS.name, found)
    (line,) = await topology.declare(scene.platform.operator)
    assert line.startswith("corrected durable COMMANDS/intake: ")
    assert f"max_ack_pending is 7, not {most_unacknowledged(COMMANDS)}" in line
    assert "filter_subjects is ['intake.command.nothing.v1.*'], not ['intake.command.submit_lead.v1.*', " in line
    assert await topology.declare(scene.platform.operator) == []
    async with scene.service().running():
        await scene.give(submission(1))
        assert await scene.written(1) == [1]


async def test_a_stream_that_differs_is_corrected_and_the_difference_named(scene: Scene) -> None:
    js = scene.platform.operator.jetstream()
    found = (await js.stream_info(EVENTS.name)).config
    found.max_bytes, found.discard = 1_000_000, DiscardPolicy.OLD
    await js.update_stream(found)
    (line,) = await topology.declare(scene.platform.operator)
    assert line.startswith("corrected stream EVENTS: ")
    assert "max_bytes is 1000000, not" in line
    assert "discard is old, not new" in line
    assert await topology.declare(scene.platform.operator) == []


async def test_a_full_stream_refuses_and_drops_nothing(scene: Scene) -> None:
    js = scene.platform.operator.jetstream()
    config = topology.stream_config(COMMANDS)
    config.max_bytes = 20_000
    await js.update_stream(config)
    with pytest.raises(APIError, match="maximum bytes exceeded"):
        for n in range(100):
            await scene.give_raw(encode(submission(n)))
    kept = (await js.stream_info(COMMANDS.name)).state.messages
    assert kept > 10
    async with scene.service().running():
        assert await scene.written(kept) == list(range(kept))


async def test_streams_are_kept_on_disk_and_a_command_only_until_it_is_acknowledged(scene: Scene) -> None:
    js = scene.platform.operator.jetstream()
    for stream, retention in ((EVENTS, RetentionPolicy.LIMITS), (COMMANDS, RetentionPolicy.WORK_QUEUE)):
        config = (await js.stream_info(stream.name)).config
        assert (config.storage, config.retention, config.discard) == (StorageType.FILE, retention, DiscardPolicy.NEW)
    await scene.give(submission(1))
    async with scene.service().running():
        await scene.written(1)
        await scene.drained(COMMANDS)
    with pytest.raises(NotFoundError):
        await js.get_msg(COMMANDS.name, subject=submission(1).topic.subject(scene.tenant))
