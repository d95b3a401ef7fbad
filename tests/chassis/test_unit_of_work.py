"""What is to happen once a unit of work has committed happens then, and only then; what it writes without asking goes together."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from chassis.failures import LostRaceError
from chassis.unit_of_work import Database, Expected, UnitOfWork
from contracts.gateway import TenantChanged, TenantSettings
from tests.chassis import ledger
from tests.chassis.scene import Scene

_NOTE = "insert into ledger (tenant_id, message_id, number, replica) select :tenant, :id, cast(:number as int), 'one' "
_NOTE_NEW = f"{_NOTE} where not exists (select from ledger where tenant_id = :tenant and number = :number)"
_NUMBERS = "select number from ledger where tenant_id = :tenant order by seq"


@pytest.fixture
async def database(scene: Scene) -> AsyncIterator[Database]:
    database = Database(ledger.NAME, scene.platform.settings(ledger.NAME).database_url)
    yield database
    await database.close()


@pytest.fixture
def said(database: Database) -> list[str]:
    """The statements that are executed."""
    statements: list[str] = []

    def say(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", say)
    return statements


def note(uow: UnitOfWork, tenant: str, number: int, statement: str = _NOTE, expected: Expected | None = None) -> None:
    uow.write(statement, expected, tenant=tenant, id=uuid4(), number=number)


async def numbers(uow: UnitOfWork, tenant: str) -> list[int]:
    return list((await uow.execute(_NUMBERS, tenant=tenant)).scalars())


async def test_what_waits_for_the_commit_is_done_after_it_and_not_at_all_without_one(database: Database) -> None:
    done: list[str] = []
    async with database.begin() as uow:
        uow.after_commit.append(lambda: done.append("committed"))
        assert done == []
    with pytest.raises(RuntimeError):
        async with database.begin() as uow:
            uow.after_commit.append(lambda: done.append("rolled back"))
            raise RuntimeError
    assert done == ["committed"]


async def test_what_is_written_and_published_by_the_end_of_a_unit_is_one_statement(
    scene: Scene, database: Database, said: list[str]
) -> None:
    async with database.begin(scene.tenant) as uow:
        said.clear()
        note(uow, scene.tenant, 1)
        note(uow, scene.tenant, 2)
        uow.publish(scene.tenant, TenantChanged(version=1, settings=TenantSettings(), created_at=uow.now))
    assert len(said) == 1
    async with database.begin(scene.tenant) as uow:
        assert await numbers(uow, scene.tenant) == [1, 2]
    assert await scene.select("select type from outbox where tenant = $1", scene.tenant)


async def test_whatever_is_executed_sees_what_was_written_before(scene: Scene, database: Database) -> None:
    async with database.begin(scene.tenant) as uow:
        note(uow, scene.tenant, 1)
        assert await numbers(uow, scene.tenant) == [1]
        note(uow, scene.tenant, 2)
        with pytest.raises(RuntimeError):
            async with uow.savepoint():
                note(uow, scene.tenant, 3)
                raise RuntimeError
        assert await numbers(uow, scene.tenant) == [1, 2], "a savepoint undoes what is written in it, and nothing else"


async def test_who_writes_less_than_expected_lost_a_race(scene: Scene, database: Database) -> None:
    with pytest.raises(LostRaceError, match="it was there"):
        async with database.begin(scene.tenant) as uow:
            note(uow, scene.tenant, 1)
            await numbers(uow, scene.tenant)
            note(uow, scene.tenant, 2)
            note(uow, scene.tenant, 1, _NOTE_NEW, Expected(1, "it was there"))
    async with database.begin(scene.tenant) as uow:
        assert await numbers(uow, scene.tenant) == []
