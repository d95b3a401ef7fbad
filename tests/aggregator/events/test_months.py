"""Events are kept by the month in which they were told: each month is a table of its own, made before or when it is needed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from uuid_utils.compat import uuid7

from aggregator.events.handlers import make_months
from chassis import schema
from chassis.received import encode
from chassis.unit_of_work import Database
from contracts.aggregator.events import ListEvents
from contracts.message import Envelope
from contracts.taxonomy import OutcomeType
from tests.aggregator.recorded import recorded
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture(scope="module", autouse=True)
async def running(platform: Platform) -> AsyncIterator[None]:
    async with platform.running("aggregator"):
        yield


@pytest.fixture
async def database(platform: Platform) -> AsyncIterator[Database]:
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    yield database
    await database.close()


async def stored_in(platform: Platform, tenant: str) -> list[str]:
    async with platform.sql() as sql:
        rows = await sql.fetch(
            "select cast(tableoid as regclass) as month from aggregator.event where tenant_id = $1 order by told_at",
            tenant,
        )
    return [row["month"] for row in rows]


@pytest.mark.parametrize(
    ("told", "month"),
    [
        (datetime(1, 1, 1, 12, tzinfo=UTC), "aggregator.event_0001_01"),
        (datetime(2019, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "aggregator.event_2019_12"),
        (datetime(2020, 1, 1, tzinfo=UTC), "aggregator.event_2020_01"),
        (datetime(9999, 12, 31, 23, tzinfo=UTC), "aggregator.event_9999_12"),
    ],
)
async def test_an_event_of_any_month_is_stored_once_however_often_it_comes(
    platform: Platform, tenant: str, told: datetime, month: str
) -> None:
    event, id_ = recorded(OutcomeType.CONTACTED), uuid7()
    envelope = Envelope(id_, event.topic.type, tenant, told, id_)
    async with platform.connect("outcomes") as client:
        for name in ("", "again"):  # the broker would drop the second; the inbox would, too, for some time
            headers = envelope.headers | {"Nats-Msg-Id": f"{id_}{name}"}
            await client.jetstream().publish(envelope.subject, encode(event), headers=headers)
            await until(lambda: stored_in(platform, tenant), what="the event stored")
            async with platform.sql() as sql:
                await sql.execute("delete from aggregator.inbox where tenant = $1", tenant)
    last = await platform.publish("outcomes", tenant, recorded(OutcomeType.CONTACTED))

    async def found() -> list[UUID]:
        return [event.event_id for event in (await platform.caller.ask(tenant, ListEvents())).events]

    async def is_there() -> bool:
        return last in await found()

    await until(is_there, what="the event behind it")
    assert sorted(await found()) == sorted([last, id_])
    assert month in await stored_in(platform, tenant)


async def test_the_job_makes_this_month_and_the_next_three(platform: Platform, database: Database) -> None:
    slot = datetime(2061, 11, 30, 0, 23, tzinfo=UTC)
    assert await make_months(database, slot) == {"months": 4}
    assert await make_months(database, slot) == {"months": 0}
    async with platform.sql() as sql:
        assert await sql.fetchval("select to_regclass('aggregator.event_2062_02')")


async def test_a_tenant_is_not_seen_by_another_in_a_months_own_table_either(
    platform: Platform, tenant: str, database: Database
) -> None:
    await platform.publish("outcomes", tenant, recorded(OutcomeType.CONTACTED))
    (month,) = await until(lambda: stored_in(platform, tenant), what="the event stored")
    for role in ("leadloop_aggregator", "leadloop_aggregator_owner"):
        async with platform.sql() as sql:
            await sql.execute(f"set role {role}")
            for acting, seen in (("", 0), ("somebody-else", 0), (tenant, 1)):
                await sql.execute("select set_config('app.tenants', $1, false)", f"{{{acting}}}" if acting else "")
                assert len(await sql.fetch(f"select from {month}")) == seen
            if role == "leadloop_aggregator":
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await sql.execute(f"drop table {month}")


async def test_the_events_that_were_there_before_are_there_after_the_migration(platform: Platform) -> None:
    """In a database of its own, at the release before."""
    name = f"before_{uuid4().hex[:8]}"
    event, lead, campaign = uuid4(), uuid4(), uuid4()
    async with platform.sql() as sql:
        await sql.execute(f"create database {name}")
    url = platform.database_url("postgres").replace("/postgres?", f"/{name}?").replace("/leadloop?", f"/{name}?")
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            for statement in (
                "create schema aggregator authorization leadloop_aggregator_owner",
                "grant usage on schema aggregator to leadloop_aggregator",
                "set local role leadloop_aggregator_owner",
                "set local search_path to aggregator",
            ):
                await connection.execute(text(statement))
            await connection.run_sync(lambda sync: command.upgrade(schema._alembic("aggregator", sync), "0002"))
            await connection.execute(text("set local app.tenants = '{acme}'"))
            await connection.execute(
                text("""insert into event (tenant_id, event_id, type, occurred_at, stored_at, lead_id, body)
                        select 'acme', case when n = 2 then cast(:event as uuid) else gen_random_uuid() end, 'x',
                               '2020-01-01', '2024-02-29T23:59Z', :lead,
                               jsonb_build_object('campaign_id', cast(:campaign as text), 'account_id', 'none')
                        from generate_series(1, 3) as n"""),
                {"event": event, "lead": lead, "campaign": str(campaign)},
            )
        await schema.prepare(url, "aggregator")
        async with engine.begin() as connection:
            rows = await connection.execute(
                text("""select event_id, seq, told_at, lead_id, campaign_id, account_id from aggregator.event_2024_02
                        order by seq""")
            )
            found = rows.all()
            assert [row.seq for row in found] == [1, 2, 3]
            told = datetime(2024, 2, 29, 23, 59, tzinfo=UTC)
            assert tuple(found[1]) == (event, 2, told, lead, campaign, None)
            following = await connection.execute(
                text("""insert into aggregator.event (tenant_id, event_id, told_at, type, occurred_at, body)
                        values ('acme', gen_random_uuid(), '2024-02-01Z', 'x', now(), '{}') returning seq""")
            )
            assert following.scalar_one() == 4
    finally:
        await engine.dispose()
        async with platform.sql() as sql:
            await sql.execute(f"drop database {name} with (force)")
