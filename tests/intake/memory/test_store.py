"""What is remembered stays, and goes when its time has come, whoever is reading, changing or clearing meanwhile."""

from datetime import timedelta
from typing import Any

import pytest

from chassis.unit_of_work import Database
from contracts.operations import RunJob
from intake.memory import jobs, store
from tests.platform import Platform

HOUR = timedelta(hours=1)


async def recalled(database: Database, tenant: str, key: str, after: timedelta = timedelta()) -> Any:
    async with database.begin(tenant) as uow:
        uow.now += after
        return await store.recall(uow, tenant, key)


async def test_what_was_remembered_is_there_after_a_restart(platform: Platform, tenant: str) -> None:
    value = {"companies": ["Acme"], "pages": 2}
    for first in (True, False):
        async with platform.running("intake"):
            await platform.introduce(tenant, "intake")
            database = Database("intake", platform.settings("intake").database_url)
            if first:
                async with database.begin(tenant) as uow:
                    await store.remember(uow, tenant, "evidence/x", value)
            else:
                assert await recalled(database, tenant, "evidence/x") == value
            await database.close()


async def test_a_value_replaces_the_one_before_and_can_be_forgotten(database: Database, tenant: str) -> None:
    async with database.begin(tenant) as uow:
        for value in ([1], {"a": None}):
            await store.remember(uow, tenant, "k", value)
            assert await store.recall(uow, tenant, "k") == value
        await store.forget(uow, tenant, ["k"])
        assert await store.recall(uow, tenant, "k") is None


async def test_a_value_is_gone_at_the_very_moment_its_time_has_come(database: Database, tenant: str) -> None:
    async with database.begin(tenant) as uow:
        await store.remember(uow, tenant, "k", "v", HOUR)
    assert await recalled(database, tenant, "k", HOUR - timedelta(minutes=1)) == "v"
    assert await recalled(database, tenant, "k", HOUR) is None, "though no job has cleared it away"


async def test_each_tenant_says_how_long_it_remembers_and_each_entry_may_say_otherwise(
    running: Platform, database: Database, tenant: str
) -> None:
    brief = f"brief-{tenant}"
    await running.introduce(brief, "intake", memory_ttl_hours=3)
    async with database.begin(brief) as uow:
        await store.remember(uow, brief, "by the settings", 1)
        await store.remember(uow, brief, "by itself", 2, 5 * HOUR)
    seen = [
        [await recalled(database, brief, key, timedelta(hours=hours)) for hours in (2, 4, 6)]
        for key in ("by the settings", "by itself")
    ]
    assert seen == [[1, None, None], [2, 2, None]]


async def test_a_tenant_remembers_for_thirty_days_unless_it_says_otherwise(database: Database, tenant: str) -> None:
    async with database.begin(tenant) as uow:
        await store.remember(uow, tenant, "k", 1)
    assert [await recalled(database, tenant, "k", timedelta(days=days)) for days in (29, 30)] == [1, None]


async def test_what_one_tenant_remembers_no_other_recalls(running: Platform, database: Database, tenant: str) -> None:
    other = f"other-{tenant}"
    await running.introduce(other, "intake")
    async with database.begin(tenant) as uow:
        await store.remember(uow, tenant, "k", 1)
    assert await recalled(database, other, "k") is None


async def test_every_hour_what_has_expired_is_cleared_in_batches_and_nothing_else(
    running: Platform, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_BATCH", 10)
    async with running.sql() as sql:
        await sql.execute(
            """insert into intake.memory (tenant_id, key, value, remembered_at, expires_at)
               select $1, n::text, '1', now(), now() + case when n <= 35 then interval '-1 s' else '1 hour' end
               from generate_series(1, 40) as n""",
            tenant,
        )
        assert (await running.caller.ask(tenant, RunJob(job="clear_expired"), of="intake")).counts["values"] >= 35
        assert await sql.fetchval("select count(*) from intake.memory where tenant_id = $1", tenant) == 5
    built = running.build("intake")
    assert built.jobs._jobs["clear_expired"].schedule == "0 * * * *"
    await built.database.close()


async def test_what_is_forgotten_together_is_gone_and_nothing_else(database: Database, tenant: str) -> None:
    async with database.begin(tenant) as uow:
        for key in ("a", "b", "c"):
            await store.remember(uow, tenant, key, key)
        await store.forget(uow, tenant, ["a", "c", "unknown"])
        await store.forget(uow, tenant, [])
        assert [await store.recall(uow, tenant, key) for key in ("a", "b", "c")] == [None, "b", None]


async def test_forgetting_that_is_undone_leaves_what_was_remembered(database: Database, tenant: str) -> None:
    async with database.begin(tenant) as uow:
        await store.remember(uow, tenant, "value", 1)
    with pytest.raises(RuntimeError):
        async with database.begin(tenant) as uow:
            await store.forget(uow, tenant, ["value"])
            raise RuntimeError
    assert await recalled(database, tenant, "value") == 1
