"""A message that can never be handled is put away sealed, and nothing around it is harmed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from chassis.dead_letters import DeadLetters
from chassis.ids import MessageIds
from chassis.keys import TenantKeys, key_service
from chassis.received import Received, Wire, encode
from chassis.unit_of_work import Database, UnitOfWork
from contracts import catalogue
from contracts.catalogue import COMMANDS
from contracts.gateway import TenantChanged
from contracts.intake.leads import SubmitLead
from contracts.message import PLATFORM, Envelope
from contracts.operations import MessageDeadLettered, RedriveDeadLetters, RunJob
from tests.chassis import ledger
from tests.chassis.ledger import PHONE, Mishap, change, submission
from tests.chassis.scene import Scene

GOOD = encode(submission(1))
DEAD_LETTERED = MessageDeadLettered.topic.owned_by(ledger.NAME).type


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        pytest.param(b'{"source_id": "' + PHONE.encode(), {}, "Invalid JSON", id="a body that is no JSON"),
        pytest.param(b"\xff\xfe", {}, "Invalid JSON", id="a body that is no text"),
        pytest.param(b"", {}, "Invalid JSON", id="no body"),
        pytest.param(
            json.dumps({**json.loads(GOOD), "fone": PHONE}).encode(),
            {},
            "?: Extra inputs are not permitted (an unknown field; did you mean phone?)",
            id="a typo",
        ),
        pytest.param(
            json.dumps({**json.loads(GOOD), PHONE: "x"}).encode(),
            {},
            "?: Extra inputs",
            id="a field named by its sender",
        ),
        pytest.param(
            json.dumps({**json.loads(GOOD), "jane_roe_6145550142": "x"}).encode(),
            {},
            "?: Extra inputs",
            id="a field named like one of ours by its sender",
        ),
        pytest.param(json.dumps({"phone": PHONE}).encode(), {}, "source_id: Field required", id="a missing field"),
        pytest.param(GOOD, {"ce-id": PHONE}, "a header is malformed", id="a malformed id"),
        pytest.param(GOOD, {"ce-time": PHONE}, "a header is malformed", id="a malformed time"),
        pytest.param(GOOD, {"ce-tenantid": "other"}, "ce-tenantid disagrees", id="another tenant in the header"),
        pytest.param(GOOD, {"ce-type": "intake.event.lead_accepted.v1"}, "ce-type disagrees", id="another type"),
    ],
)
async def test_a_message_that_breaks_its_contract_is_put_away_and_its_neighbours_are_handled(
    scene: Scene, body: bytes, headers: dict[str, str], reason: str
) -> None:
    await scene.give(submission(1))
    await scene.give_raw(body, headers)
    await scene.give(submission(2))
    async with scene.service().running():
        assert await scene.written(2) == [1, 2]
        (letter,) = await scene.buried(1)
        await scene.drained(COMMANDS)
    assert reason in letter["reason"]
    assert PHONE not in letter["reason"]
    assert "6145550142" not in letter["reason"]
    assert await scene.lines() == [1, 2]


async def test_a_type_that_this_version_does_not_know_is_put_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.give(submission(1))
    with monkeypatch.context() as before_an_upgrade:
        before_an_upgrade.delitem(catalogue.by_type(), SubmitLead.topic.type)
        async with scene.service().running():
            (letter,) = await scene.buried(1)
    assert letter["reason"] == "no message is called intake.command.submit_lead.v1"


async def test_a_message_that_fails_is_put_away_alone(scene: Scene) -> None:
    await scene.give(*[submission(n, Mishap.FAILS if n == 13 else "") for n in range(30)])
    book = ledger.Ledger(scene.platform.settings(ledger.NAME), "only")
    async with scene.service(ledger=book).running():
        assert await scene.written(29) == [n for n in range(30) if n != 13]
        (letter,) = await scene.buried(1)
        await scene.drained(COMMANDS)
    assert letter["reason"] == "failed 3 times: ValueError"
    assert book.batches == [30, *[1] * 13, *[1] * 3, *[1] * 16]


async def test_a_value_that_the_database_refuses_is_the_messages_fault(scene: Scene) -> None:
    """The driver refuses it before it is sent, with an error of the class that lost connections have as well."""
    await scene.give(submission(1), submission(2**40), submission(2))
    async with scene.service().running():
        assert await scene.written(2) == [1, 2]
        (letter,) = await scene.buried(1)
    assert letter["reason"].startswith("failed 3 times: ")


async def test_an_event_with_an_unknown_field_is_handled(scene: Scene) -> None:
    """Tolerant reader: the producer may be newer."""
    body = json.dumps({**json.loads(encode(change(7))), "added": "later"}).encode()
    async with scene.platform.connect("gateway") as client:
        await client.jetstream().publish(TenantChanged.topic.subject(scene.tenant), body)
    async with scene.service().running():
        assert await scene.written(1) == [7]


async def test_a_dead_letter_is_sealed_and_tells_only_what_it_is(scene: Scene) -> None:
    await scene.give_raw(json.dumps({"notes": PHONE}).encode(), {"x-note": PHONE})
    await scene.give(submission(1, Mishap.FAILS))
    async with scene.service().running():
        letters = await scene.buried(2)
        listing = await scene.listed()
        told = await scene.select("select type, tenant, body from outbox where tenant = $1 order by seq", scene.tenant)
    everything = [bytes(v) if isinstance(v, bytes) else str(v).encode() for letter in letters for v in letter.values()]
    everything += [listing.model_dump_json().encode(), *(bytes(row["body"]) for row in told)]
    for column in everything:
        assert PHONE.encode() not in column
        assert b"notes" not in column
    assert [row["type"] for row in told] == [DEAD_LETTERED] * 2
    assert set(json.loads(told[0]["body"])) == {"message_id", "message_type", "reason"}
    mine = [view for view in listing.dead_letters if view.tenant == scene.tenant]
    assert [view.reason for view in mine] == [letter["reason"] for letter in reversed(letters)]
    assert all(listing.counts[view.reason] >= 1 for view in mine)


async def test_a_dead_letter_ends_after_ninety_days(scene: Scene) -> None:
    """It may be about a person who was erased meanwhile, and nobody can be looked for in what is sealed."""
    await scene.give_raw(b"old poison", {"ce-id": str(uuid4())})
    await scene.give_raw(b"poison", {"ce-id": str(uuid4())})
    async with scene.service().running():
        old, young = await scene.buried(2)
        age = "update dead_letter set buried_at = now() - make_interval(days => $2) where dead_letter_id = $1"
        for letter, days in ((old, 91), (young, 89)):
            await scene.select(age, letter["dead_letter_id"], days)
        run = await scene.ask(RunJob(job="sweep"), of=ledger.NAME)
    assert (run.counts["dead_letters"], [one["dead_letter_id"] for one in await scene.letters()]) == (
        1, [young["dead_letter_id"]],
    )  # fmt: skip


async def test_a_message_delivered_again_is_put_away_once(scene: Scene) -> None:
    """What the chaos ledger counts: the dead letters are exactly the poison there was."""
    for headers in ({}, {"ce-id": str(uuid4())}, {"ce-id": PHONE}):
        for _ in range(2):
            await scene.give_raw(b"poison", headers)
    (id_,) = await scene.give(submission(1))
    for _ in range(2):
        await scene.give_raw(encode(submission(2)), {"ce-id": str(id_)})
    await scene.give(submission(3))
    async with scene.service().running():
        await scene.written(2)
        await scene.drained(COMMANDS)
    assert len(await scene.letters()) == 4


async def test_a_reader_of_dead_letters_that_fails_on_one_is_not_told_of_it(scene: Scene) -> None:
    """Or it would fail on that one as well, and so on without end."""
    poison = Wire(f"{DEAD_LETTERED}.{scene.tenant}", {}, b"{}", datetime.now(UTC))
    service = scene.service()
    async with service.database.begin() as uow:
        keys = key_service(service.settings.kms_uri)
        assert await DeadLetters(keys, MessageIds(TenantKeys(keys))).bury(uow, poison, "it failed")
    await service.database.close()
    assert len(await scene.letters()) == 1
    assert await scene.select("select from outbox where tenant = $1", scene.tenant) == []


async def test_a_tenant_that_is_none_is_told_to_the_platform_only(scene: Scene) -> None:
    """Its own event under that subject would be poison to its reader, and so on without end."""
    await scene.give_raw(GOOD, tenant=scene.tenant.upper())
    async with scene.service().running():
        await scene.give(submission(1))
        await scene.written(1)
    (letter,) = await scene.select("select message_id from dead_letter where tenant = $1", scene.tenant.upper())
    told = await scene.select(
        "select tenant from outbox where type = $1 and convert_from(body, 'UTF8')::json ->> 'message_id' = $2",
        DEAD_LETTERED, str(letter["message_id"]),
    )  # fmt: skip
    assert [row["tenant"] for row in told] == [PLATFORM]


async def test_a_redriven_message_is_handled_after_all(scene: Scene) -> None:
    (failing,) = await scene.give(submission(1, Mishap.FAILS))
    await scene.give_raw(b"poison")
    async with scene.service().running():
        await scene.buried(2)

    async def mended(uow: UnitOfWork, received: Sequence[Received[Any]]) -> None:
        book = ledger.Ledger(scene.platform.settings(ledger.NAME), "mended")
        await book.take_changes(uow, [_as_change(message) for message in received])

    async with scene.service(consumes={SubmitLead: mended}).running():
        letters = {letter["message_id"]: letter["dead_letter_id"] for letter in await scene.letters()}
        redriven = await scene.ask(RedriveDeadLetters(dead_letter_ids=list(letters.values())), of=ledger.NAME)
        assert redriven.redriven == 2
        assert await scene.lines() == [1]
        again = await scene.ask(RedriveDeadLetters(dead_letter_ids=[letters[failing]]), of=ledger.NAME)
        assert again.redriven == 0
        # It is an ordinary message now: delivered again, it is not handled again.
        await scene.give_raw(encode(submission(1, Mishap.FAILS)), {"ce-id": str(failing)})
        await scene.give(submission(2))
        assert await scene.written(2) == [1, 2]
    still_dead = [letter["reason"] for letter in await scene.letters() if letter["redriven_at"] is None]
    assert len(still_dead) == 1
    assert "Invalid JSON" in still_dead[0]


async def test_redriving_does_not_let_a_second_body_have_the_id(scene: Scene) -> None:
    (id_,) = await scene.give(submission(1))
    await scene.give_raw(encode(submission(2)), {"ce-id": str(id_)})
    async with scene.service().running():
        (letter,) = await scene.buried(1)
        await scene.ask(RedriveDeadLetters(dead_letter_ids=[letter["dead_letter_id"]]), of=ledger.NAME)
    assert await scene.lines() == [1]
    assert [letter["redriven_at"] is None for letter in await scene.letters()] == [False, True]


async def test_redriving_lets_no_other_tenants_message_be_handled_again(scene: Scene) -> None:
    """Its sender may have given it the same id and the same body."""
    neighbour = Scene(scene.platform, f"{scene.tenant}-2")
    await neighbour.know()
    book = ledger.Ledger(scene.platform.settings(ledger.NAME))
    mended = False

    async def fail_for_one(uow: UnitOfWork, received: Sequence[Received[SubmitLead]]) -> None:
        if not mended and any(message.tenant == scene.tenant for message in received):
            raise ValueError
        await book.take_submissions(uow, received)

    (id_,) = await scene.give(submission(1))
    await neighbour.give_raw(GOOD, {"ce-id": str(id_)})
    async with scene.service(consumes={SubmitLead: fail_for_one}).running():
        (letter,) = await scene.buried(1)
        assert await neighbour.written(1) == [1]
        mended = True
        await scene.ask(RedriveDeadLetters(dead_letter_ids=[letter["dead_letter_id"]]), of=ledger.NAME)
        assert await scene.lines() == [1]
        await neighbour.give_raw(GOOD, {"ce-id": str(id_)})
        await neighbour.give(submission(2))
        assert await neighbour.written(2) == [1, 2]


async def test_a_redriven_message_was_received_when_the_broker_first_had_it(scene: Scene) -> None:
    await scene.give_raw(GOOD)
    heard: list[datetime] = []

    async def fail_at_first(uow: UnitOfWork, received: Sequence[Received[SubmitLead]]) -> None:
        heard.extend(message.envelope.time for message in received)
        if len(heard) <= 4:  # once in its batch and three times alone
            raise ValueError

    async with scene.service(consumes={SubmitLead: fail_at_first}).running():
        (letter,) = await scene.buried(1)
        await scene.ask(RedriveDeadLetters(dead_letter_ids=[letter["dead_letter_id"]]), of=ledger.NAME)
    assert len(heard) == 5
    assert len(set(heard)) == 1
    assert letter["received_at"] == heard[0] < letter["buried_at"]


async def test_a_redriven_command_is_still_its_upstreams(scene: Scene) -> None:
    """Whoever has it handled again does not answer for what it says: what an upstream may not do, it may not do so either."""
    heard: list[str | None] = []

    async def fail_at_first(uow: UnitOfWork, received: Sequence[Received[SubmitLead]]) -> None:
        heard.extend(message.wire.sender for message in received)
        if len(heard) <= 4:  # once in its batch and three times alone
            raise ValueError

    async with scene.platform.upstream(scene.tenant) as upstream:
        await upstream.jetstream().publish(f"{SubmitLead.topic.type}.{scene.tenant}", GOOD)
    async with scene.service(consumes={SubmitLead: fail_at_first}).running():
        (letter,) = await scene.buried(1)
        await scene.ask(RedriveDeadLetters(dead_letter_ids=[letter["dead_letter_id"]]), of=ledger.NAME)
    assert len(heard) == 5
    assert len(set(heard)) == 1 and heard[0] is not None


async def test_an_event_the_database_does_not_take_fails_its_savepoint_and_not_the_unit(scene: Scene) -> None:
    settings = scene.platform.settings(ledger.NAME)
    database = Database(ledger.NAME, settings.database_url)
    id_ = uuid4()
    event = MessageDeadLettered(message_id=id_, message_type=SubmitLead.topic.type, reason="it failed")
    unstorable = Envelope(id_, SubmitLead.topic.type, scene.tenant, datetime.now(UTC), id_, traceparent="a\0b")
    try:
        async with database.begin(scene.tenant) as uow:
            with pytest.raises(DBAPIError):
                async with uow.savepoint():
                    uow.publish(scene.tenant, event, cause=unstorable)
            kept = uow.publish(scene.tenant, event)
    finally:
        await database.close()
    rows = await scene.select("select id from outbox where tenant = $1", scene.tenant)
    assert [row["id"] for row in rows] == [kept]


async def test_messages_of_two_tenants_under_one_id_are_noted_at_once(scene: Scene) -> None:
    service = scene.service()
    id_ = uuid4()
    try:
        assert await service._processor._attempts.begin([id_, id_]) == 1
        await service._processor._attempts.survived([id_])
    finally:
        await service.database.close()


def _as_change(message: Received[SubmitLead]) -> Received[TenantChanged]:
    return Received(message.envelope, change(int(message.body.source_id)), message.wire)
