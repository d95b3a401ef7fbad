"""A large import stays linear: what is looked up is found by its whole key, whatever the planner knows of the tenant."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from chassis.unit_of_work import Database
from intake.people import store
from tests.platform import Platform


@pytest.fixture
async def newcomer(platform: Platform, tenant: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of the service's role that acts for a tenant whose rows came after the table was analysed."""
    await fill(platform, [f"{tenant}-{n}" for n in range(50)], 20)
    async with platform.sql() as connection:
        await connection.execute("analyze intake.person_token")
    await fill(platform, [tenant], 4_000)
    async with platform.sql("leadloop_intake") as session:
        await session.execute("set search_path to intake")
        await session.fetch("select set_config('app.tenants', $1, false)", f"{{{tenant}}}")
        yield session


async def test_a_lookup_goes_by_the_whole_key(platform: Platform, tenant: str, newcomer: asyncpg.Connection) -> None:
    database = Database("intake", platform.database_url("leadloop_intake"))
    tokens = [f"a-tenant-{n}" for n in range(500)]
    try:
        async with database.begin(tenant) as uow:
            rows = await uow.execute(f"explain {store._KNOWN_TOKENS}", tenant=tenant, tokens=tokens)
            plan = "\n".join(rows.scalars())
    finally:
        await database.close()
    assert any("Index Cond" in line and "token" in line.replace("person_token", "") for line in plan.splitlines()), plan


async def test_a_tenants_rows_are_not_looked_for_among_everybodys(tenant: str, newcomer: asyncpg.Connection) -> None:
    plan = await newcomer.fetch(f"explain select count(*) from person_token where tenant_id = '{tenant}'")
    assert "Seq Scan" not in str(plan)


async def test_no_plan_is_kept_from_when_a_table_was_smaller(newcomer: asyncpg.Connection) -> None:
    statement = await newcomer.prepare("select person_id from person_token where tenant_id = $1 and token = $2")
    for _ in range(8):
        await statement.fetch("a", "b")
    kept = await newcomer.fetchval(
        "select generic_plans from pg_prepared_statements where name = $1", statement.get_name()
    )
    assert kept == 0


async def fill(platform: Platform, tenants: list[str], count: int) -> None:
    async with platform.sql() as connection:
        await connection.execute(
            """insert into intake.person_token (tenant_id, token, person_id)
               select tenant, tenant || '-' || n, $3
               from unnest($1::text[]) as tenant, generate_series(1, $2::int) as n""",
            tenants, count, uuid4(),
        )  # fmt: skip
