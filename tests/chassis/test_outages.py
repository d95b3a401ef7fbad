"""Database, broker or key service away: work waits, no message is given up, and the service says that it is not ready."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest

import chassis.service
from chassis.keys import FileKeyService
from chassis.received import Received
from chassis.service import Service
from chassis.unit_of_work import UnitOfWork
from contracts.catalogue import COMMANDS, EVENTS
from contracts.intake.leads import SubmitLead
from contracts.message import ProblemCode, ProblemError
from contracts.operations import GetStatus, RedriveDeadLetters
from tests.chassis import ledger
from tests.chassis.ledger import Ledger, Mishap, change, submission
from tests.chassis.scene import Scene
from tests.waiting import until


class Gate:
    """A handler that stops before its first commit until it is opened."""

    def __init__(self, scene: Scene) -> None:
        self._ledger = Ledger(scene.platform.settings(ledger.NAME))
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def take(self, uow: UnitOfWork, received: Sequence[Received[Any]]) -> None:
        await self._ledger.take_submissions(uow, received)
        self.reached.set()
        await self.opened.wait()


@asynccontextmanager
async def without_broker(scene: Scene) -> AsyncIterator[None]:
    await scene.platform.broker.kill()
    try:
        yield
    finally:
        await scene.platform.broker.start()


@asynccontextmanager
async def without_database(scene: Scene) -> AsyncIterator[None]:
    await scene.platform.postgres.kill()
    try:
        yield
    finally:
        await scene.platform.postgres.start()


@asynccontextmanager
async def without_keys(scene: Scene) -> AsyncIterator[None]:
    elsewhere = scene.platform.key_file.with_suffix(".away")
    scene.platform.key_file.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(scene.platform.key_file)


async def ready(service: Service) -> str:
    """What /readyz answers: nothing when it is ready."""
    app = dict(service.health_routes())["/readyz"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.get("/readyz")
    return "" if answer.status_code == 200 else answer.text


async def is_ready(service: Service) -> bool:
    return not await ready(service)


async def nothing_given_up(scene: Scene) -> None:
    assert await scene.letters() == []
    assert await scene.select("select from attempt") == []


async def test_a_batch_survives_the_database(scene: Scene) -> None:
    gate = Gate(scene)
    async with scene.service(consumes={SubmitLead: gate.take}).running():
        await scene.give(*[submission(n) for n in range(10)])
        await asyncio.wait_for(gate.reached.wait(), 10)
        async with without_database(scene):
            await scene.give(*[submission(n) for n in range(10, 20)])
            await scene.give(*[change(n) for n in range(100, 110)])
            gate.opened.set()
        lines = await scene.written(30, seconds=25)
        await scene.drained(COMMANDS)
        await scene.drained(EVENTS)
    assert [n for n in lines if n < 100] == list(range(20))
    assert [n for n in lines if n >= 100] == list(range(100, 110))
    await nothing_given_up(scene)


async def test_a_batch_survives_the_broker(scene: Scene) -> None:
    """It commits while the broker is away; what could not be acknowledged is not handled again."""
    await scene.redeliver_after(1)
    gate = Gate(scene)
    async with scene.service(consumes={SubmitLead: gate.take}).running():
        await scene.give(*[submission(n) for n in range(10)])
        await asyncio.wait_for(gate.reached.wait(), 10)
        async with without_broker(scene):
            gate.opened.set()
            await scene.written(1)
        await scene.give(*[submission(n) for n in range(10, 20)])
        lines = await scene.written(20, seconds=25)
        await scene.drained(COMMANDS)
    assert lines == list(range(20))
    await nothing_given_up(scene)


@pytest.mark.parametrize("crashed_before", [False, True])
@pytest.mark.usefixtures("no_patience")
async def test_however_often_the_keys_are_away_no_message_is_given_up(scene: Scene, crashed_before: bool) -> None:
    ids = await scene.give(submission(1, Mishap.NEEDS_A_KEY), submission(2))
    if crashed_before:  # then they are handled one by one
        await scene.select("insert into attempt select unnest($1::uuid[]), 1", ids)
    async with scene.platform.connect(ledger.NAME) as client:
        # Delivered so often, they are suspected of taking the process down.
        pull = await client.jetstream().pull_subscribe_bind(consumer=ledger.NAME, stream=COMMANDS.name)
        for _ in range(5):
            for message in await pull.fetch(2):
                await message.nak()
        deliveries = await scene.deliveries(COMMANDS)
        async with without_keys(scene), scene.service().running():
            await scene.delivered(COMMANDS, deliveries + 2 * 5)
    async with scene.service().running():
        assert await scene.written(2) == [1, 2]
    await nothing_given_up(scene)


@pytest.mark.usefixtures("no_patience")
async def test_poison_waits_until_it_can_be_sealed(scene: Scene) -> None:
    await scene.give_raw(b"poison")
    await scene.give(submission(1))
    deliveries = await scene.deliveries(COMMANDS)
    async with scene.service().running():
        async with without_keys(scene):
            await scene.delivered(COMMANDS, deliveries + 2 * 2)
            assert await scene.letters() == []
        assert await scene.written(1) == [1]
        assert len(await scene.buried(1)) == 1


async def test_a_tenants_spoilt_key_stops_nobody_else_and_its_messages_come_back_when_it_is_mended(
    scene: Scene,
) -> None:
    unlucky = Scene(scene.platform, f"{scene.tenant}-unlucky")
    await unlucky.know()
    async with scene.service().running():
        for each in (scene, unlucky):
            await each.give(submission(1, Mishap.NEEDS_A_KEY))
            await each.written(1)
    wrapped = await scene.select("select purpose, wrapped from tenant_key where tenant_id = $1", unlucky.tenant)
    await scene.select("update tenant_key set wrapped = 'x' where tenant_id = $1", unlucky.tenant)
    for number in range(2, 6):
        for each in (unlucky, scene):
            await each.give(submission(number, Mishap.NEEDS_A_KEY))
    book = Ledger(scene.platform.settings(ledger.NAME))
    async with scene.service(ledger=book).running():
        await scene.drained(COMMANDS)
        assert await scene.lines() == [1, 2, 3, 4, 5]
        assert await unlucky.lines() == [1]
        assert book.batches == [8, 4], "all that is good is handled at once, not one by one"
        letters = await unlucky.letters()
        assert ["cannot open the tenant's key" in letter["reason"] for letter in letters] == [True] * 4
        for row in wrapped:
            await scene.select(
                "update tenant_key set wrapped = $3 where tenant_id = $1 and purpose = $2", unlucky.tenant, *row
            )
        await unlucky.ask(
            RedriveDeadLetters(dead_letter_ids=[row["dead_letter_id"] for row in letters]), of=ledger.NAME
        )
        assert await unlucky.lines() == [1, 2, 3, 4, 5]
    assert await scene.letters() == []


@pytest.mark.usefixtures("no_patience")
async def test_while_the_key_service_has_another_key_work_waits(scene: Scene) -> None:
    async with scene.service().running():
        await scene.give(submission(1, Mishap.NEEDS_A_KEY))
        await scene.written(1)
    await scene.give(submission(2, Mishap.NEEDS_A_KEY))
    deliveries = await scene.deliveries(COMMANDS)
    async with scene.service().running():
        async with without_keys(scene):
            FileKeyService.create(scene.platform.key_file)
            await scene.delivered(COMMANDS, deliveries + 3)
            assert await scene.lines() == [1]
        assert await scene.written(2) == [1, 2]
    await nothing_given_up(scene)


async def test_a_service_whose_broker_is_gone_is_not_ready(scene: Scene) -> None:
    service = scene.service()
    assert "starting" in await ready(service)
    async with service.running():
        await until(partial(is_ready, service), what="ready")
        async with without_broker(scene):

            async def says_so() -> bool:
                return "broker" in await ready(service)

            await until(says_so, seconds=5, what="not ready without the broker")
        await until(partial(is_ready, service), what="ready with the broker back")


async def test_a_service_whose_broker_stands_still_is_not_ready(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is there and takes itself for alive, but no answer ever comes."""
    monkeypatch.setattr(chassis.service, "_FETCH_SILENCE_SECONDS", 2.2)
    service = scene.service()
    async with service.running():
        os.kill(scene.platform.broker.pid, signal.SIGSTOP)
        try:

            async def says_so() -> bool:
                return "nothing heard from the broker" in await ready(service)

            await until(says_so, what="not ready")
        finally:
            os.kill(scene.platform.broker.pid, signal.SIGCONT)
        await until(partial(is_ready, service), what="ready again")


async def test_a_service_whose_database_is_gone_is_not_ready(scene: Scene) -> None:
    service = scene.service()
    async with service.running():
        await until(partial(is_ready, service), what="ready")
        async with without_database(scene):
            assert "the database does not answer" in await ready(service)
        await until(partial(is_ready, service), what="ready with the database back")


async def test_a_replica_that_waits_for_its_turn_is_ready(scene: Scene) -> None:
    """The other one's batch may take long."""
    gate = Gate(scene)
    busy, waiting = scene.service(consumes={SubmitLead: gate.take}), scene.service()
    async with busy.running():
        await scene.give(submission(1))
        await asyncio.wait_for(gate.reached.wait(), 10)
        async with waiting.running():
            await until(partial(is_ready, waiting), seconds=5, what="ready")
            gate.opened.set()


async def test_a_request_is_refused_while_the_database_is_away_and_answered_when_it_is_back(scene: Scene) -> None:
    async def answered() -> bool:
        try:
            return bool(await scene.ask(GetStatus(), of=ledger.NAME))
        except ProblemError as error:
            assert error.problem.code is ProblemCode.UNAVAILABLE
            return False

    async with scene.service().running():
        assert await answered()
        async with without_database(scene):
            assert not await answered()
        await until(answered, what="an answer")
