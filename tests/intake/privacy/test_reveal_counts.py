"""What an hour's limit is compared with is counted by the database: it is what the audit says, whoever writes it and whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from chassis.unit_of_work import Database, UnitOfWork
from intake.privacy import store_audit
from tests.platform import Platform

_SHOW = """
    insert into reveal_audit (tenant_id, reveal_id, revealed_at, caller, service, purpose, fields, lead_id, person_id, correlation_id)
    select :tenant, uuidv7(), revealed_at, caller, 'outreach', 'send', '{email}', uuidv7(), uuidv7(), uuidv7()
    from unnest(cast(:callers as text[]), cast(:moments as timestamptz[])) as given (caller, revealed_at)
"""
_WHO = {"service": "outreach", "actor": None, "role": None, "purpose": "send", "caller": "outreach"}


@pytest.fixture
async def database(platform: Platform) -> AsyncIterator[Database]:
    opened = Database("intake", platform.settings("intake").database_url)
    yield opened
    await opened.close()


def now() -> datetime:
    """A moment that no minute ends at before the test does, and that is not in the future."""
    return datetime.now(UTC).replace(second=30, microsecond=0) - timedelta(minutes=1)


async def show(uow: UnitOfWork, tenant: str, *shown: tuple[str, datetime]) -> None:
    """Write into the audit that callers were shown somebody."""
    await uow.execute(_SHOW, tenant=tenant, callers=[caller for caller, _ in shown], moments=[at for _, at in shown])


async def counted(platform: Platform, tenant: str) -> dict[tuple[str, datetime], int]:
    async with platform.sql() as sql:
        rows = await sql.fetch("select caller, minute, shown from intake.reveal_count where tenant_id = $1", tenant)
    return {(row["caller"], row["minute"]): row["shown"] for row in rows}


async def in_audit(platform: Platform, tenant: str) -> dict[tuple[str, datetime], int]:
    """What there should be."""
    async with platform.sql() as sql:
        rows = await sql.fetch(
            """select caller, date_trunc('minute', revealed_at) as minute, count(*) as shown from intake.reveal_audit
               where tenant_id = $1 group by 1, 2""",
            tenant,
        )
    return {(row["caller"], row["minute"]): row["shown"] for row in rows}


async def test_whatever_is_written_is_counted_by_caller_and_minute(
    platform: Platform, database: Database, tenant: str
) -> None:
    at, before = now(), now() - timedelta(minutes=5)
    async with database.begin(tenant) as uow:
        await show(
            uow, tenant, ("user:7", at), ("user:7", at + timedelta(seconds=29)), ("user:8", at), ("user:7", before)
        )
        await show(uow, tenant, ("user:7", at), ("user:7", at + timedelta(seconds=31)))
        await show(uow, tenant)

    found = await counted(platform, tenant)
    minute = at.replace(second=0)
    assert found == await in_audit(platform, tenant)
    assert found == {
        ("user:7", minute): 3,
        ("user:7", minute + timedelta(minutes=1)): 1,
        ("user:7", minute - timedelta(minutes=5)): 1,
        ("user:8", minute): 1,
    }


async def test_what_is_audited_is_what_the_limit_is_compared_with(database: Database, tenant: str) -> None:
    other = f"{tenant}-2"
    async with database.begin(tenant) as uow:
        who: dict[str, Any] = {**_WHO, "correlation_id": uuid4()}
        await store_audit.audit(uow, tenant, who, [(uuid4(), uuid4(), ["email"]) for _ in range(100)])
        assert await store_audit.count_since(uow, tenant, "outreach", uow.now - timedelta(hours=1)) == 100
        assert await store_audit.count_since(uow, tenant, "user:7", uow.now - timedelta(hours=1)) == 0
    async with database.begin(other) as uow:
        assert await store_audit.count_since(uow, other, "outreach", uow.now - timedelta(hours=1)) == 0


async def test_the_count_of_an_hour_begins_with_a_whole_minute(database: Database, tenant: str) -> None:
    at = now()
    async with database.begin(tenant) as uow:
        await show(uow, tenant, ("user:7", at - timedelta(seconds=29)), ("user:7", at - timedelta(seconds=31)))
        assert await store_audit.count_since(uow, tenant, "user:7", at) == 1, "of no fewer times than there were"
        assert await store_audit.count_since(uow, tenant, "user:7", at - timedelta(minutes=1)) == 2


async def test_what_is_undone_was_not_counted(platform: Platform, database: Database, tenant: str) -> None:
    at = now()
    async with database.begin(tenant) as uow:
        await show(uow, tenant, ("user:7", at))
    with pytest.raises(RuntimeError, match="undone"):
        async with database.begin(tenant) as uow:
            await show(uow, tenant, ("user:7", at), ("user:8", at))
            raise RuntimeError("undone")
    assert await counted(platform, tenant) == await in_audit(platform, tenant) == {("user:7", at.replace(second=0)): 1}


@pytest.mark.parametrize(
    "change", ["update reveal_audit set caller = 'user:8'", "delete from reveal_audit", "truncate reveal_audit"]
)
async def test_what_was_counted_stays_in_the_audit(
    platform: Platform, database: Database, tenant: str, change: str
) -> None:
    """So that there is no other way to change a count than to add to it."""
    async with database.begin(tenant) as uow:
        await show(uow, tenant, ("user:7", now()))
    before = await counted(platform, tenant)
    with pytest.raises(DBAPIError):
        async with database.begin(tenant) as uow:
            await uow.execute(change)
    async with platform.sql() as sql:
        with pytest.raises(Exception, match="append-only"):
            await sql.execute(change.replace("reveal_audit", "intake.reveal_audit"))
    assert await counted(platform, tenant) == await in_audit(platform, tenant) == before


async def test_all_who_write_at_once_are_counted(platform: Platform, database: Database, tenant: str) -> None:
    at, together = now(), asyncio.Barrier(6)

    async def one(times: int) -> None:
        async with database.begin(tenant) as uow:
            await together.wait()
            await show(uow, tenant, *[("outreach", at)] * times, *[(f"user:{times}", at)])

    await asyncio.gather(*(one(times) for times in range(1, 7)))
    found = await counted(platform, tenant)
    assert found == await in_audit(platform, tenant)
    assert found["outreach", at.replace(second=0)] == 21


async def test_what_no_hour_reaches_back_to_is_dropped(platform: Platform, database: Database, tenant: str) -> None:
    at, long_ago = now(), now() - timedelta(hours=3)
    async with database.begin(tenant) as uow:
        await show(uow, tenant, ("user:8", long_ago + timedelta(hours=1, minutes=10)))
    async with platform.sql() as sql:
        await sql.execute(
            "insert into intake.reveal_count values ($1, 'user:7', $2, 5), ($1, 'user:8', $2, 5)", tenant, long_ago
        )
    async with database.begin(tenant) as uow:
        await show(uow, tenant, ("user:7", at))

    left = await counted(platform, tenant)
    assert ("user:7", at.replace(second=0)) in left
    assert ("user:7", long_ago) not in left
    assert ("user:8", long_ago) in left, "each caller's are dropped as it is shown somebody"
    assert len(left) == 3
