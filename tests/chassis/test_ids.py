"""A message without an id has the same one whoever handles it and however often, and nobody outside can compute it."""

import json
from uuid import UUID

from chassis.received import encode
from contracts.catalogue import COMMANDS
from contracts.intake.leads import LeadDuplicated, SubmitLead
from contracts.message import id_from_content, keyed_id
from contracts.operations import RotateKeys
from tests.chassis import ledger
from tests.chassis.ledger import PHONE, Mishap, submission
from tests.chassis.scene import Scene


async def handled(scene: Scene, *numbers: int, times: int = 1) -> None:
    """Give these submissions without any header, and return when nothing is left of them."""
    for number in numbers * times:
        await scene.give_raw(encode(submission(number, Mishap.NEEDS_A_KEY)))
    await scene.drained(COMMANDS)


async def test_the_same_message_is_handled_once_by_two_replicas(scene: Scene) -> None:
    async with scene.service(replica="one").running(), scene.service(replica="two").running():
        await handled(scene, *range(20), times=3)
        assert sorted(await scene.lines()) == list(range(20))


async def test_the_same_message_is_handled_once_before_and_after_a_restart_and_a_rotation(scene: Scene) -> None:
    async with scene.service().running():
        await handled(scene, 1)
        for tokens in (False, True):
            rotated = await scene.ask(RotateKeys(tokens=tokens), of=ledger.NAME)
            assert rotated.sealing_keys == 2
    async with scene.service().running():
        await handled(scene, 1, 2)
        assert await scene.lines() == [1, 2]


async def test_an_id_in_an_event_does_not_tell_which_of_a_hundred_numbers_was_in_the_message(scene: Scene) -> None:
    """All is known but two digits, and every way to make an id that needs no secret."""
    async with scene.service().running():
        await handled(scene, 1)
    (event,) = await scene.select(
        "select convert_from(body, 'UTF8') as body, correlation_id from outbox where tenant = $1 and type = $2",
        scene.tenant, LeadDuplicated.topic.type,
    )  # fmt: skip
    told = {UUID(json.loads(event["body"])["submission_id"]), event["correlation_id"]}
    assert len(told) == 1

    subject, body = SubmitLead.topic.subject(scene.tenant), encode(submission(1, Mishap.NEEDS_A_KEY)).decode()
    bodies = [body.replace(PHONE, f"{PHONE[:-2]}{ending:02}").encode() for ending in range(100)]
    assert body.encode() in bodies
    public = (b"", subject.encode(), scene.tenant.encode(), ledger.NAME.encode(), bytes(32))
    guesses = {id_from_content(subject, guess) for guess in bodies}
    guesses |= {keyed_id(key, subject, guess) for key in public for guess in bodies}
    assert not told & guesses
