"""A transaction sees and writes the rows of the tenants it acts for, and of no other; whoever is connected."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from chassis.received import Received
from chassis.schema import role_of
from chassis.unit_of_work import Database, UnitOfWork
from contracts.catalogue import COMMANDS
from contracts.gateway import TenantChanged
from contracts.intake.leads import SubmitLead
from tests.chassis import ledger
from tests.chassis.ledger import submission
from tests.chassis.scene import Scene
from tests.platform import Platform

INSERT = "insert into ledger (tenant_id, message_id, number, replica) values (:tenant, gen_random_uuid(), 1, 'x')"
REFUSED = "42501"
"""insufficient_privilege, also of a row that a policy refuses."""


@pytest.fixture
async def database(scene: Scene) -> AsyncIterator[Database]:
    database = Database(ledger.NAME, scene.platform.settings(ledger.NAME).database_url)
    for tenant in (scene.tenant, other(scene)):
        async with database.begin(tenant) as uow:
            await uow.execute(INSERT, tenant=tenant)
    yield database
    await database.close()


def other(scene: Scene) -> str:
    return f"{scene.tenant}-other"


async def seen(uow: UnitOfWork) -> list[str]:
    rows = await uow.execute("select tenant_id from ledger order by tenant_id")
    return [row.tenant_id for row in rows]


@asynccontextmanager
async def refused(sqlstate: str = REFUSED) -> AsyncIterator[None]:
    with pytest.raises(DBAPIError) as raised:
        yield
    assert raised.value.orig.sqlstate == sqlstate


async def test_a_unit_of_work_without_tenants_sees_no_row(database: Database) -> None:
    async with database.begin() as uow:
        assert await seen(uow) == []


async def test_a_session_that_acted_for_a_tenant_before_sees_no_row(scene: Scene, database: Database) -> None:
    """Pooled sessions go from one to the next; a transaction's setting must not."""
    async with database.engine.connect() as connection:
        async with connection.begin():
            uow = UnitOfWork(ledger.NAME, connection)
            await uow.act_for([scene.tenant])
            assert await seen(uow) == [scene.tenant]
        async with connection.begin():
            assert await seen(UnitOfWork(ledger.NAME, connection)) == []


async def test_a_unit_of_work_sees_the_rows_of_its_tenants(scene: Scene, database: Database) -> None:
    async with database.begin(scene.tenant) as uow:
        assert await seen(uow) == [scene.tenant]
    async with database.begin(scene.tenant, other(scene)) as uow:
        assert await seen(uow) == [scene.tenant, other(scene)]


async def test_a_unit_of_work_writes_no_row_of_another_tenant(scene: Scene, database: Database) -> None:
    async with refused(), database.begin(scene.tenant) as uow:
        await uow.execute(INSERT, tenant=other(scene))
    async with refused(), database.begin(scene.tenant) as uow:
        await uow.execute("update ledger set tenant_id = :tenant", tenant=other(scene))
    for statement in (
        "update ledger set number = 2 where tenant_id = :tenant",
        "delete from ledger where tenant_id = :tenant",
    ):
        async with database.begin(scene.tenant) as uow:
            assert (await uow.execute(statement, tenant=other(scene))).rowcount == 0


async def test_a_batch_acts_for_the_tenants_of_its_messages_and_no_other(scene: Scene) -> None:
    acting: list[list[str]] = []

    async def note(uow: UnitOfWork, _: Sequence[Received[Any]]) -> None:
        setting = (await uow.execute("select cast(current_setting('app.tenants') as text[])")).scalar_one()
        acting.append(setting)

    neighbour = Scene(scene.platform, other(scene))
    await neighbour.know()
    await scene.give(submission(1))
    await neighbour.give(submission(2))
    async with scene.service(consumes={SubmitLead: note, TenantChanged: note}).running():
        await scene.drained(COMMANDS)
    assert acting == [[scene.tenant, neighbour.tenant]]


async def test_the_owner_of_the_tables_is_held_to_the_policy_too(
    scene: Scene, platform: Platform, database: Database
) -> None:
    async with platform.sql() as session:
        await session.execute(f"set search_path to {ledger.NAME}")
        await session.execute(f"set role {ledger.OWNER}")
        assert await session.fetch("select from ledger") == []
        await session.execute("select set_config('app.tenants', $1, false)", f"{{{scene.tenant}}}")
        rows = await session.fetch("select tenant_id from ledger")
        assert [row["tenant_id"] for row in rows] == [scene.tenant]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute(INSERT.replace(":tenant", "$1"), other(scene))


@pytest.mark.parametrize(
    "statement",
    [
        "alter table ledger disable row level security",
        "drop policy tenants on ledger",
        "set role leadloop_intake_owner",
        "create table mine ()",
        "drop table ledger",
        "select from outreach.outbox",
        "create role me",
        "truncate ledger",
    ],
)
async def test_a_services_role_cannot_change_its_tables_or_see_another_services(
    platform: Platform, statement: str
) -> None:
    async with platform.sql(role_of(ledger.NAME)) as session:
        await session.execute(f"set search_path to {ledger.NAME}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.execute(statement)


@pytest.mark.parametrize("statement", ["update archive set line = 'y'", "delete from archive", "truncate archive"])
@pytest.mark.parametrize("role", [role_of(ledger.NAME), ledger.OWNER, "postgres"])
async def test_rows_of_an_append_only_table_stay_whoever_asks(scene: Scene, role: str, statement: str) -> None:
    async with scene.platform.sql() as session:
        await session.execute(f"set search_path to {ledger.NAME}")
        await session.execute(f"set role {role}")
        await session.execute("insert into archive values ($1, 'x')", f"{scene.tenant}-{role}-{statement}")
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await session.execute(statement)
        assert await session.fetchval("select count(*) from archive where line <> 'x'") == 0
