"""Win rates count distinct leads over the whole window, and can be recomputed from the events at any time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from aggregator.events import store as events
from aggregator.win_rates import store as win_rates
from chassis.unit_of_work import Database
from contracts.aggregator.events import ListEvents
from contracts.aggregator.replay import Replay
from contracts.aggregator.win_rates import Dimension, WeeklyWinRates, WinRates
from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import Intent, OutcomeType
from tests.aggregator.recorded import recorded
from tests.platform import Platform
from tests.waiting import until

WON, LOST, MET = OutcomeType.CLOSED_WON, OutcomeType.CLOSED_LOST, OutcomeType.APPOINTMENT_SET


@pytest.fixture(autouse=True)
async def running(platform: Platform) -> AsyncIterator[None]:
    async with platform.running("aggregator"):
        yield


async def store(platform: Platform, tenant: str, events: Sequence[OutcomeRecorded]) -> None:
    """Publish outcomes and wait until all are stored."""
    for event in events:
        await platform.publish("outcomes", tenant, event)

    async def all_there() -> bool:
        return len((await platform.caller.ask(tenant, ListEvents(limit=200))).events) >= len(events)

    await until(all_there, what="every event stored")


async def rows(platform: Platform, tenant: str, **terms: object) -> list[tuple[object, ...]]:
    table = await platform.caller.ask(tenant, WinRates.model_validate(terms))
    return [(r.key, r.intent, r.leads_entered, r.appointments, r.won, r.lost, r.win_rate) for r in table.rows]


async def test_a_lead_counts_once_however_many_weeks_its_outcomes_span(platform: Platform, tenant: str) -> None:
    lead, now = uuid4(), datetime.now(UTC)
    await store(
        platform,
        tenant,
        [
            recorded(MET, lead_id=lead, occurred_at=now - timedelta(weeks=5), source_key="web"),
            recorded(MET, lead_id=lead, occurred_at=now - timedelta(weeks=3), source_key="web"),
            recorded(WON, lead_id=lead, occurred_at=now - timedelta(weeks=1), source_key="web"),
            recorded(LOST, occurred_at=now, source_key="web"),
        ],
    )
    assert await rows(platform, tenant) == [("web", "unknown", 2, 1, 1, 1, 0.5)]


async def test_a_lead_won_and_lost_by_override_is_one_decided_lead(platform: Platform, tenant: str) -> None:
    lead = uuid4()
    await store(platform, tenant, [recorded(LOST, lead_id=lead), recorded(WON, lead_id=lead)])
    assert await rows(platform, tenant) == [("unknown", "unknown", 1, 0, 1, 1, 1.0)]


async def test_groups_follow_the_frozen_attribution_sorted_by_key_then_intent(platform: Platform, tenant: str) -> None:
    lead = uuid4()
    await store(
        platform,
        tenant,
        [
            recorded(WON, source_key="web", geo_key="dublin_oh", intent="seller"),
            recorded(LOST, source_key="web", geo_key="dublin_oh", intent="buyer"),
            recorded(MET, lead_id=lead, source_key="ads", geo_key="dublin_oh"),
            recorded(WON, lead_id=lead, source_key="Zoo", geo_key="dublin_oh"),
        ],
    )
    assert [(key, intent) for key, intent, *_ in await rows(platform, tenant)] == [
        ("Zoo", "unknown"),
        ("ads", "unknown"),
        ("web", "buyer"),
        ("web", "seller"),
    ]
    assert [row[1] for row in await rows(platform, tenant, by=Dimension.GEO)] == ["buyer", "seller", "unknown"]
    assert await rows(platform, tenant, intent=Intent.SELLER) == [("web", "seller", 1, 0, 1, 0, 1.0)]
    assert [key for key, *_ in await rows(platform, tenant, minimum=1)] == ["Zoo", "web", "web"]


async def test_weeks_bound_the_window_and_the_running_one_is_partial(platform: Platform, tenant: str) -> None:
    now = datetime.now(UTC)
    monday = (now - timedelta(days=now.isoweekday() - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    await store(
        platform,
        tenant,
        [
            recorded(WON, occurred_at=monday, source_key="first_instant_of_this_week"),
            recorded(WON, occurred_at=monday - timedelta(microseconds=1), source_key="last_instant_of_the_week_before"),
        ],
    )
    assert [key for key, *_ in await rows(platform, tenant, weeks=1)] == ["first_instant_of_this_week"]
    assert len(await rows(platform, tenant, weeks=2)) == 2
    table = await platform.caller.ask(tenant, WinRates(weeks=2))
    assert table.partial
    assert table.first_week != table.last_week


async def test_without_outcomes_there_are_no_rows_and_no_window(platform: Platform, tenant: str) -> None:
    table = await platform.caller.ask(tenant, WinRates())
    assert (table.rows, table.first_week, table.last_week, table.partial) == ([], None, None, False)


async def test_the_weekly_table_counts_late_outcomes_in_the_week_they_occurred(platform: Platform, tenant: str) -> None:
    now = datetime.now(UTC)
    await store(platform, tenant, [recorded(WON, occurred_at=now - timedelta(weeks=2), source_key="web")])
    first = await platform.caller.ask(tenant, WeeklyWinRates())
    await platform.publish("outcomes", tenant, recorded(LOST, occurred_at=now - timedelta(weeks=2), source_key="web"))

    async def counted() -> bool:
        table = await platform.caller.ask(tenant, WeeklyWinRates())
        return [(r.week, r.won, r.lost) for r in table.rows] == [(first.rows[0].week, 1, 1)]

    await until(counted, what="the late outcome in its own week")


async def test_a_replay_is_identical_and_finds_what_was_tampered_with(platform: Platform, tenant: str) -> None:
    await store(platform, tenant, [recorded(WON, source_key="web"), recorded(LOST, source_key="ads", intent="buyer")])
    before = await rows(platform, tenant)
    report = await platform.caller.ask(tenant, Replay(), seconds=30)
    assert (report.events, report.rows, report.differences) == (2, 4, [])
    async with platform.sql() as sql:
        await sql.execute("update aggregator.weekly_win_rate set won = 99 where tenant_id = $1 and key = 'web'", tenant)
        await sql.execute("delete from aggregator.outcome where tenant_id = $1 and source_key = 'ads'", tenant)
    report = await platform.caller.ask(tenant, Replay(), seconds=30)
    assert {difference.split(":")[0] for difference in report.differences} == {
        "missing from outcome",
        "missing from weekly_win_rate",
        "only in weekly_win_rate",
    }
    assert await rows(platform, tenant) == before
    assert (await platform.caller.ask(tenant, Replay(), seconds=30)).differences == []


async def test_an_outcome_that_comes_during_a_replay_is_counted(platform: Platform, tenant: str) -> None:
    await store(platform, tenant, [recorded(WON, source_key="web")])
    async with platform.sql() as replaying:
        transaction = replaying.transaction()
        await transaction.start()
        # Where a replay stands between its fold and its swap.
        await replaying.execute("select pg_advisory_xact_lock(hashtextextended('projection/' || $1, 0))", tenant)
        await platform.publish("outcomes", tenant, recorded(LOST, source_key="web"))

        async def batch_waits() -> bool:
            waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
            async with platform.sql() as sql:
                return bool(await sql.fetchval(waiting))

        await until(batch_waits, what="the batch waiting for the replay")
        await transaction.rollback()

    async def counted() -> bool:
        return await rows(platform, tenant) == [("web", "unknown", 2, 0, 1, 1, 0.5)]

    await until(counted, what="the late outcome counted")


async def test_a_week_recounted_while_an_outcome_of_it_is_being_stored_is_not_left_stale(
    platform: Platform, tenant: str
) -> None:
    await store(platform, tenant, [recorded(WON)])
    outcome = recorded(LOST)
    stored = events.Row(
        tenant, uuid4(), outcome.recorded_at, outcome.topic.type, outcome.occurred_at, outcome.lead_id, None, None,
        outcome.model_dump_json(),
    )  # fmt: skip
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    try:
        async with database.begin(tenant) as uow:
            await events.store_events(uow, [stored])
            await win_rates.project_outcomes(uow, [tenant], [stored.event_id])
            recounting = asyncio.create_task(platform.caller.ask(tenant, WeeklyWinRates(by="source", weeks=1)))
            await until(partial(waits_or_is_done, platform, recounting), what="a recount")
        await recounting
    finally:
        await database.close()
    (row,) = (await platform.caller.ask(tenant, WeeklyWinRates(by="source", weeks=1))).rows
    assert (row.won, row.lost) == (1, 1)


async def waits_or_is_done(platform: Platform, task: asyncio.Task[object]) -> bool:
    async with platform.sql() as sql:
        waiting = (
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%stale_week%')"
        )
        return task.done() or bool(await sql.fetchval(waiting))
