"""Drift, however it came about, is found and named; a replay puts it right, and the check tells of it until then."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.replay.handlers import DRIFT, measure_drift
from aggregator.replay.store import PROJECTIONS, compare
from chassis.unit_of_work import Database
from contracts.aggregator.kpis import DashboardStats, Kpi
from contracts.aggregator.replay import Replay, Validate
from contracts.aggregator.win_rates import WeeklyWinRates
from tests.aggregator.history import OPENING, checking, recorded_outcome, store_told
from tests.aggregator.kpis.test_kpis import told
from tests.platform import Platform
from tests.test_tenants_apart import tenant_tables

NOW = datetime.now(UTC)


@pytest.fixture(scope="module", autouse=True)
async def running(platform: Platform) -> AsyncIterator[None]:
    async with platform.running("aggregator"):
        yield


@pytest.fixture
async def busy(platform: Platform, database: Database, tenant: str) -> str:
    """A tenant of which there is a number of every kind."""
    happened = [(name, NOW - timedelta(minutes=1 + n), n) for name in OPENING for n in range(8)]
    outcomes = [(recorded_outcome(NOW - timedelta(hours=1), n), NOW - timedelta(hours=1)) for n in range(14)]
    async with database.begin(tenant) as uow:
        await store_told(uow, told(tenant, *happened, *outcomes))
    await platform.caller.ask(tenant, WeeklyWinRates())
    return tenant


async def test_whatever_is_made_of_events_is_replayed(platform: Platform) -> None:
    """The tables are the database's own list: a new one is replayed, or said here to be what it is."""
    facts = {"event", "event_archive", "archived_personal", "archived_end", "erased_lead", "stale_week", "number_check"}
    async with platform.sql() as sql:
        assert {*await tenant_tables(sql, "aggregator")} == facts | PROJECTIONS.keys()


async def test_numbers_that_are_what_the_events_say_have_no_drift(platform: Platform, busy: str) -> None:
    found = await platform.caller.ask(busy, Validate(), seconds=30)
    assert (found.drift, found.differences) == (0, [])
    assert found.compared > 20
    before = await platform.caller.ask(busy, Validate(as_of=NOW - timedelta(days=1)), seconds=30)
    assert before.drift == 0


async def test_where_there_is_nothing_nothing_was_compared(platform: Platform, tenant: str) -> None:
    found = await platform.caller.ask(tenant, Validate(), seconds=30)
    assert (found.drift, found.compared, found.events) == (0, 0, 0)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("delete from aggregator.open_item where tenant_id = $1 and kind = 'reply'", {Kpi.REPLIES_REQUIRING_ACTION}),
        (
            "update aggregator.open_item set closed_at = opened_at where tenant_id = $1 and kind = 'enrollment'",
            {Kpi.QUEUE_REMAINING},
        ),
        (
            "update aggregator.standing set amount = amount + 1 where tenant_id = $1 and subject = 'limit'",
            {Kpi.DAILY_LIMIT},
        ),
        (
            "update aggregator.open_item set value = value + 1 where tenant_id = $1 and kind = 'outcome'",
            {Kpi.CONVERSIONS},
        ),
        ("delete from aggregator.open_item where tenant_id = $1 and kind = 'outcome' and stage = 'lost'", {Kpi.FUNNEL}),
        ("delete from aggregator.weekly_win_rate where tenant_id = $1 and dimension = 'geo'", {"win_rate by geo"}),
        (
            "update aggregator.weekly_win_rate set won = won + 1 where tenant_id = $1 and key = 'web'",
            {"win_rate by source"},
        ),
    ],
)
async def test_drift_is_found_named_and_put_right_by_a_replay(
    platform: Platform, busy: str, harm: str, named: set[str]
) -> None:
    before = await platform.caller.ask(busy, DashboardStats(as_of=NOW))
    async with platform.sql() as sql:
        assert not (await sql.execute(harm, busy)).endswith(" 0")
    found = await platform.caller.ask(busy, Validate(), seconds=30)
    assert {difference.number for difference in found.differences} >= named
    assert found.drift == len(found.differences) > 0
    replayed = await platform.caller.ask(busy, Replay(), seconds=30)
    assert replayed.differences
    assert set(replayed.projected) == set(PROJECTIONS)
    assert (await platform.caller.ask(busy, Validate(), seconds=30)).drift == 0
    assert (await platform.caller.ask(busy, DashboardStats(as_of=NOW))).model_dump() == before.model_dump()
    assert (await platform.caller.ask(busy, Replay(), seconds=30)).differences == []


async def test_a_replay_of_numbers_that_are_right_keeps_nobody_waiting_and_waits_for_nobody(
    platform: Platform, busy: str
) -> None:
    async with platform.sql() as storing:
        transaction = storing.transaction()
        await transaction.start()
        # As whoever stores events of the tenant holds it until they commit.
        await storing.execute("select pg_advisory_xact_lock_shared(hashtextextended('projection/' || $1, 0))", busy)
        replayed = await platform.caller.ask(busy, Replay(), seconds=10)
        await transaction.rollback()
    assert replayed.differences == []
    assert set(replayed.projected) == set(PROJECTIONS)


async def test_a_week_that_is_to_be_recounted_is_no_difference(database: Database, busy: str) -> None:
    async with database.begin(busy, snapshot=True) as uow:
        await uow.execute("delete from weekly_win_rate where tenant_id = :tenant", tenant=busy)
        assert (await compare(uow, busy)).differences
    async with database.begin(busy, snapshot=True) as uow:
        await uow.execute(
            "insert into stale_week select distinct tenant_id, week from weekly_win_rate where tenant_id = :tenant union all "
            "select distinct tenant_id, week from outcome where tenant_id = :tenant on conflict do nothing",
            tenant=busy,
        )
        assert (await compare(uow, busy)).differences == []


async def test_the_continuous_check_tells_its_drift_as_a_metric_and_on_the_dashboard(
    platform: Platform, database: Database, busy: str
) -> None:
    await checking(database).check(busy)
    checked = (await platform.caller.ask(busy, DashboardStats())).checked
    assert checked
    assert checked.drift == 0
    assert checked.compared > 20
    async with platform.sql() as sql:
        await sql.execute("delete from aggregator.open_item where tenant_id = $1 and kind = 'reply'", busy)
    counts = await checking(database).check(busy)
    checked = (await platform.caller.ask(busy, DashboardStats())).checked
    assert checked
    assert counts["drift"] == checked.drift > 0
    async with platform.sql() as sql:
        kept = await sql.fetchval(
            "select differences from aggregator.number_check where tenant_id = $1 order by checked_at desc limit 1",
            busy,
        )
    assert Kpi.REPLIES_REQUIRING_ACTION in kept

    await measure_drift(database)
    assert DRIFT.collect()[0].samples[0].value >= checked.drift
    await platform.caller.ask(busy, Replay(), seconds=30)
    await checking(database).check(busy)


async def test_a_tenant_whose_events_are_older_than_their_projections_is_replayed_by_the_first_check(
    platform: Platform, database: Database, busy: str
) -> None:
    before = (await platform.caller.ask(busy, DashboardStats(as_of=NOW))).kpis
    async with platform.sql() as sql:
        for table in ("open_item", "standing"):
            await sql.execute(f"delete from aggregator.{table} where tenant_id = $1", busy)
    assert (await platform.caller.ask(busy, DashboardStats(as_of=NOW))).kpis != before
    await checking(database).check(busy)
    assert (await platform.caller.ask(busy, DashboardStats(as_of=NOW))).kpis == before
