"""Whoever's message comes before the news of its tenant: the service asks the gateway, and nothing is lost."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import event

from chassis import tenants
from chassis.received import Received
from chassis.tenants import NO_SUCH_TENANT
from chassis.unit_of_work import UnitOfWork
from contracts.catalogue import COMMANDS
from contracts.gateway import CreateTenant, NewTenantSettings, TenantChanged
from contracts.intake.leads import SubmitLead
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import GetTenant, MessageDeadLettered, RedriveDeadLetters
from tests.chassis import ledger
from tests.chassis.ledger import change, submission
from tests.chassis.scene import Scene

CREATE = CreateTenant(settings=NewTenantSettings(region="DE", time_zone="Europe/Berlin"))


@pytest.fixture
def newcomer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A tenant that the service does not know; no news of it comes through, so that the service must ask."""

    async def keep_none(_: UnitOfWork, __: Sequence[Received[TenantChanged]]) -> None: ...

    monkeypatch.setattr(tenants, "keep_copy", keep_none)
    return Scene(scene.platform, f"{scene.tenant}-new")


async def submissions(scene: Scene) -> list[int]:
    """The tenant's submissions in the ledger; the announcement of the tenant is a line as well."""
    rows = await scene.select(
        """select number from ledger where tenant_id = $1 and number > 1 order by seq""", scene.tenant
    )
    return [row["number"] for row in rows]


async def test_a_service_that_handles_the_news_of_a_tenant_itself_keeps_its_copy_as_well(scene: Scene) -> None:
    await scene.give(change(7))
    async with scene.service().running():
        assert await scene.written(1) == [7]
        assert (await scene.ask(GetTenant(), of=ledger.NAME)).version == 7


async def test_a_command_that_overtakes_the_news_of_its_tenant_is_handled(newcomer: Scene) -> None:
    async with newcomer.platform.running("gateway"):
        created = await newcomer.ask(CREATE)
        await newcomer.give(submission(2), submission(3))
        async with newcomer.service().running():
            await newcomer.drained(COMMANDS)
            kept = await newcomer.ask(GetTenant(), of=ledger.NAME)
    assert await submissions(newcomer) == [2, 3]
    assert kept == created
    assert await newcomer.letters() == []


@pytest.mark.usefixtures("no_patience")
async def test_while_the_gateway_is_away_what_was_sent_to_an_unknown_tenant_waits(newcomer: Scene) -> None:
    async with newcomer.platform.running("gateway"):
        await newcomer.ask(CREATE)
    await newcomer.give(submission(2))
    deliveries = await newcomer.deliveries(COMMANDS)
    async with newcomer.service().running():
        await newcomer.delivered(COMMANDS, deliveries + 3)
        assert await submissions(newcomer) == []
        async with newcomer.platform.running("gateway"):
            await newcomer.drained(COMMANDS)
    assert await submissions(newcomer) == [2]
    assert await newcomer.letters() == []


async def test_what_was_sent_to_no_tenant_is_put_away_alone_and_redriven_when_there_is_one(
    scene: Scene, newcomer: Scene
) -> None:
    async with scene.platform.running("gateway"):
        await scene.give(submission(2))
        await newcomer.give(submission(3), submission(4))
        await scene.give(submission(5))
        async with scene.service().running():
            letters = await newcomer.buried(2)
            await scene.drained(COMMANDS)
            assert await submissions(scene) == [2, 5]
            assert [letter["reason"] for letter in letters] == [NO_SUCH_TENANT] * 2
            await newcomer.ask(CREATE)
            await newcomer.ask(
                RedriveDeadLetters(dead_letter_ids=[letter["dead_letter_id"] for letter in letters]), of=ledger.NAME
            )
            assert await submissions(newcomer) == [3, 4]
    told = MessageDeadLettered.topic.owned_by(ledger.NAME).type
    tenants = await scene.select(
        "select tenant from outbox where type = $1 and body like $2",
        told, b"%" + str(letters[0]["message_id"]).encode() + b"%",
    )  # fmt: skip
    assert [row["tenant"] for row in tenants] == [PLATFORM], "no event is a tenant's that does not exist"


async def test_a_request_for_an_unknown_tenant_is_answered_by_what_the_gateway_says(newcomer: Scene) -> None:
    async def refused() -> ProblemCode:
        with pytest.raises(ProblemError) as refusal:
            await newcomer.ask(GetTenant(), of=ledger.NAME)
        return refusal.value.problem.code

    async with newcomer.service().running():
        assert await refused() is ProblemCode.UNAVAILABLE
        async with newcomer.platform.running("gateway"):
            assert await refused() is ProblemCode.NOT_FOUND
            created = await newcomer.ask(CREATE)
            assert await newcomer.ask(GetTenant(), of=ledger.NAME) == created
        assert await newcomer.ask(GetTenant(), of=ledger.NAME) == created


async def test_that_every_tenant_is_known_is_seen_without_a_statement_more(scene: Scene) -> None:
    handled: list[list[str]] = []
    statements: list[str] = []

    async def note(_: UnitOfWork, __: Sequence[Received[Any]]) -> None:
        handled.append(list(statements))

    service = scene.service(consumes={SubmitLead: note})

    @event.listens_for(service.database.engine.sync_engine, "before_cursor_execute")
    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(" ".join(statement.split()))

    await scene.give(submission(1), submission(2))
    async with service.running():
        await scene.drained(COMMANDS)
    (before,) = handled
    assert [s for s in before if "from tenant" in s] == [s for s in before if "set_config('app.tenants'" in s]
    assert len([s for s in before if "from tenant" in s]) == 1
