"""Win rates count distinct leads over the whole window, and can be recomputed from the events at any time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from aggregator.win_rates import store_projections as projections
from aggregator.win_rates.domain_week import week_before, week_name, week_of
from aggregator.win_rates.handlers import refresh_weekly
from chassis.unit_of_work import Database
from contracts.aggregator.events import ListEvents, StoredEvent
from contracts.aggregator.replay import Replay
from contracts.aggregator.win_rates import (
    Count,
    Dimension,
    ListWinRateEvents,
    Order,
    TrendOfWinRates,
    View,
    WeeklyWinRates,
    WinRates,
)
from contracts.intake.leads import LeadUpdated
from contracts.message import Event, ProblemError
from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import Intent, OutcomeType
from tests.aggregator.recorded import accepted, changed, recorded, voided, withdrawn
from tests.platform import Platform
from tests.waiting import until

WON, LOST, MET = OutcomeType.CLOSED_WON, OutcomeType.CLOSED_LOST, OutcomeType.APPOINTMENT_SET


@pytest.fixture(scope="module", autouse=True)
async def running(platform: Platform) -> AsyncIterator[None]:
    async with platform.running("aggregator"):
        yield


async def store(platform: Platform, tenant: str, events: Sequence[Event]) -> None:
    """Publish events and wait until all are stored, besides those that are."""

    async def stored() -> int:
        return len((await platform.caller.ask(tenant, ListEvents(limit=200))).events)

    there = await stored()
    for event in events:
        await platform.publish(event.topic.owner, tenant, event)

    async def all_there() -> bool:
        return await stored() >= there + len(events)

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
    mistake = recorded(WON, source_key="ads")
    await store(
        platform,
        tenant,
        [
            voided(mistake),
            recorded(WON, source_key="web"),
            recorded(LOST, source_key="ads", intent="buyer"),
            mistake,
            accepted(source_key="web"),
        ],
    )
    before = await rows(platform, tenant)
    report = await platform.caller.ask(tenant, Replay(), seconds=30)
    assert (report.events, report.rows, report.differences) == (5, 4, [])
    async with platform.sql() as sql:
        await sql.execute("update aggregator.weekly_win_rate set won = 99 where tenant_id = $1 and key = 'web'", tenant)
        await sql.execute("delete from aggregator.outcome where tenant_id = $1 and source_key = 'ads'", tenant)
        await sql.execute("update aggregator.arrival set week = week - 7 where tenant_id = $1", tenant)
    report = await platform.caller.ask(tenant, Replay(), seconds=30)
    assert {difference.split(":")[0] for difference in report.differences} == {
        "missing from arrival",
        "only in arrival",
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
    told = (tenant, outcome.topic.type, outcome.model_dump_json())
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    try:
        async with database.begin(tenant) as uow:
            await projections.project(uow, [told])
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


async def test_a_voided_outcome_counts_nowhere_and_what_corrects_it_counts_in_its_own_week(
    platform: Platform, tenant: str
) -> None:
    now = datetime.now(UTC)
    wrong = recorded(WON, occurred_at=now - timedelta(weeks=2), source_key="web")
    right = recorded(LOST, lead_id=wrong.lead_id, occurred_at=now, source_key="web", corrects=wrong.outcome_id)
    await store(platform, tenant, [wrong])
    assert [row.won for row in (await platform.caller.ask(tenant, WeeklyWinRates())).rows] == [1]
    await store(platform, tenant, [voided(wrong), right])

    async def corrected() -> bool:
        weekly = await platform.caller.ask(tenant, WeeklyWinRates())
        return [(row.week, row.won, row.lost) for row in weekly.rows] == [(week_name(monday(now)), 0, 1)]

    await until(corrected, what="the correction in the weekly table")
    assert await rows(platform, tenant) == [("web", "unknown", 1, 0, 0, 1, 0.0)]


async def test_a_cohort_is_the_leads_that_came_and_matures_as_they_are_decided(platform: Platform, tenant: str) -> None:
    now = datetime.now(UTC)
    came = [
        accepted(created_at=now - timedelta(weeks=weeks), source_key="web", intent="buyer") for weeks in (3, 3, 3, 1)
    ]
    await store(
        platform,
        tenant,
        [
            recorded(MET, lead_id=came[1].lead_id, occurred_at=now - timedelta(weeks=2), source_key="ads"),
            recorded(WON, lead_id=came[0].lead_id, occurred_at=now, source_key="ads"),
            *came,
        ],
    )
    assert await rows(platform, tenant, view=View.COHORT) == [("web", "buyer", 4, 1, 1, 0, 1.0)]
    weekly = await platform.caller.ask(tenant, WeeklyWinRates(view=View.COHORT))
    weeks = [week_name(monday(now - timedelta(weeks=weeks))) for weeks in (3, 1)]
    assert [(row.week, row.leads_entered, row.maturity) for row in weekly.rows] == [
        (weeks[0], 3, 1 / 3),
        (weeks[1], 1, 0.0),
    ]
    trend = await platform.caller.ask(tenant, TrendOfWinRates(view=View.COHORT, weeks=4))
    assert [(point.week, point.age, point.decided) for point in trend.points] == [(weeks[0], 3, 1), (weeks[1], 1, 0)]
    closed = await platform.caller.ask(tenant, TrendOfWinRates(weeks=4))
    assert [point.leads_entered for point in closed.points] == [1, 1]
    assert closed.first_week == trend.first_week == weeks[0]


async def test_a_lead_that_was_withdrawn_is_in_no_cohort_until_it_comes_again(platform: Platform, tenant: str) -> None:
    wrong, gone, stays = (accepted(source_key="wrong") for _ in range(3))
    await store(platform, tenant, [wrong, gone, stays, changed(stays, 2, source_key="right")])
    assert await rows(platform, tenant, view=View.COHORT) == [("wrong", "unknown", 3, 0, 0, 0, None)]
    await store(platform, tenant, [withdrawn(wrong), withdrawn(gone)])
    assert await rows(platform, tenant, view=View.COHORT) == [("wrong", "unknown", 1, 0, 0, 0, None)]
    await store(
        platform,
        tenant,
        [changed(wrong, 3, source_key="right"), changed(wrong, 4), recorded(WON, lead_id=wrong.lead_id)],
    )
    both = [("right", "unknown", 1, 0, 1, 0, 1.0), ("wrong", "unknown", 1, 0, 0, 0, None)]
    assert await rows(platform, tenant, view=View.COHORT) == both
    assert (await platform.caller.ask(tenant, Replay(), seconds=30)).differences == []
    async with platform.sql() as sql:  # as if it had gone into the archive
        await sql.execute("delete from aggregator.event where tenant_id = $1 and lead_id = $2", tenant, gone.lead_id)
    await store(platform, tenant, [changed(gone, 3, source_key="late")])
    assert await rows(platform, tenant, view=View.COHORT) == [("late", "unknown", 1, 0, 0, 0, None), *both]


async def opened(platform: Platform, tenant: str, **terms: object) -> list[StoredEvent]:
    """All pages of the events behind a count."""
    ask = ListWinRateEvents.model_validate({"limit": 2, **terms})
    events: list[StoredEvent] = []
    while True:
        page = await platform.caller.ask(tenant, ask)
        events += page.events
        if page.next_cursor is None:
            return events
        ask = ask.model_copy(update={"cursor": page.next_cursor})


@pytest.mark.parametrize("view", View)
@pytest.mark.parametrize("by", Dimension)
async def test_every_count_of_a_row_opens_one_event_of_each_lead_it_counts(
    platform: Platform, tenant: str, by: Dimension, view: View
) -> None:
    now = datetime.now(UTC)
    came = [
        accepted(source_key=("web", "ads", None)[n % 3], geo_key="bonn", created_at=now - timedelta(weeks=n % 4))
        for n in range(10)
    ]
    types = (MET, WON, LOST, OutcomeType.CONTACTED)
    became = [
        recorded(
            types[(n + k) % 4], lead_id=lead.lead_id, occurred_at=now - timedelta(weeks=(n + 2 * k) % 4),
            source_key=("web", "ads")[(n + k) % 2], geo_key="bonn",
        )
        for n, lead in enumerate(came) for k in range(n % 4)
    ]  # fmt: skip
    mistake = recorded(WON, lead_id=came[0].lead_id, source_key="web", geo_key="bonn")
    again = changed(came[3], 3, source_key="ads", geo_key="bonn")
    await store(platform, tenant, [*came, *became, mistake, voided(mistake), withdrawn(came[3]), again])
    for weeks in (None, 2):
        window = {"by": by, "view": view, "weeks": weeks}
        table = await platform.caller.ask(tenant, WinRates.model_validate(window))
        weekly = await platform.caller.ask(tenant, WeeklyWinRates.model_validate(window))
        assert table.rows
        terms = [(row, window) for row in table.rows]
        terms += [(row, window | {"weeks": 1, "until": row.week}) for row in weekly.rows]
        for row, of in terms:
            for count in Count:
                found = await opened(platform, tenant, count=count, key=row.key, intent=row.intent, **of)
                assert len({event.lead_id for event in found}) == len(found) == getattr(row, count), (row, count)
                arrivals = view is View.COHORT and count is Count.LEADS_ENTERED
                told = {
                    event.body.get("type") for event in found if event.type == OutcomeRecorded.topic.type
                }  # fmt: skip
                assert all((event.type == OutcomeRecorded.topic.type) != arrivals for event in found)
                if count in (Count.WON, Count.LOST, Count.APPOINTMENTS):
                    assert told <= {{Count.WON: WON, Count.LOST: LOST, Count.APPOINTMENTS: MET}[count]}
    if view is View.COHORT and by is Dimension.SOURCE:
        leads = await opened(platform, tenant, by=by, view=view, count="leads_entered", key="ads", intent="unknown")
        (anew,) = [event for event in leads if event.lead_id == again.lead_id]
        assert (anew.type, anew.body["version"]) == (LeadUpdated.topic.type, 3), "it came when it came again"


async def test_a_count_of_archived_events_is_not_opened_as_if_it_were_less(platform: Platform, tenant: str) -> None:
    outcomes = [recorded(WON, source_key="web") for _ in range(3)]
    await store(platform, tenant, outcomes)
    async with platform.sql() as sql:
        await sql.execute(
            "delete from aggregator.event where tenant_id = $1 and lead_id = $2", tenant, outcomes[0].lead_id
        )
        await sql.execute(
            """insert into aggregator.event_archive (tenant_id, month, part, path, events, bytes, digest, archived_at)
               values ($1, '2026-07-01', 1, 'nowhere', 1, 1, '', now())""",
            tenant,
        )
    with pytest.raises(ProblemError, match="events of 2026-07 are archived"):
        await opened(platform, tenant, count="won", key="web", intent="unknown", limit=50)


async def test_a_table_is_filtered_sorted_and_had_in_pages(platform: Platform, tenant: str) -> None:
    sources = ["ads", "new_york_1", "new_york_2", "new_york_3"]
    won = [recorded(WON, source_key=key) for n, key in enumerate(sources) for _ in range(n + 1)]
    await store(platform, tenant, won)
    terms = {"key": "New York", "sort": Order.WON, "descending": True, "limit": 2}
    pages = [await platform.caller.ask(tenant, WinRates.model_validate({**terms, "page": page})) for page in (1, 2, 3)]
    assert [[row.key for row in page.rows] for page in pages] == [["new_york_3", "new_york_2"], ["new_york_1"], []]
    assert {page.total for page in pages} == {3}
    before = await platform.caller.ask(tenant, WinRates(until="2020-W53", weeks=26))
    assert (before.rows, before.first_week, before.last_week, before.partial) == ([], "2020-W28", "2020-W53", False)


async def test_the_job_recounts_the_week_before_and_every_week_touched_since_and_no_other(
    platform: Platform, tenant: str
) -> None:
    sunday = datetime(2026, 11, 29, 2, tzinfo=UTC)
    before, touched, left = (week_before(sunday) - timedelta(weeks=weeks) for weeks in (0, 3, 4))
    edges = [datetime.combine(week, datetime.min.time(), UTC) for week in (before, touched, left)]
    await store(platform, tenant, [recorded(WON, occurred_at=edge, source_key="web") for edge in edges])
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))

    async def weekly() -> dict[str, int]:
        async with platform.sql() as sql:
            found = await sql.fetch(
                "select week, won from aggregator.weekly_win_rate where tenant_id = $1 and dimension = 'source'", tenant
            )
        return {week_name(row["week"]): row["won"] for row in found}

    try:
        await refresh_weekly(database, sunday)
        counted = await weekly()
        assert counted == {"2026-W47": 1, "2026-W44": 1, "2026-W43": 1}
        await refresh_weekly(database, sunday)
        assert await weekly() == counted
        late = recorded(LOST, occurred_at=edges[0] - timedelta(microseconds=1) - timedelta(weeks=2), source_key="web")
        async with platform.sql() as sql:
            await sql.execute("update aggregator.weekly_win_rate set won = 99 where tenant_id = $1", tenant)
        await store(platform, tenant, [late])
        await refresh_weekly(database, sunday)
        assert await weekly() == {"2026-W47": 1, "2026-W44": 1, "2026-W43": 99}
    finally:
        await database.close()


async def test_two_replicas_that_run_the_job_at_once_come_to_what_one_does(platform: Platform, tenant: str) -> None:
    sunday = datetime(2026, 11, 29, 2, tzinfo=UTC)
    edges = [
        datetime.combine(week_before(sunday) - timedelta(weeks=weeks), datetime.min.time(), UTC) for weeks in (0, 3)
    ]
    await store(platform, tenant, [recorded(WON, occurred_at=edge, source_key="web") for edge in edges])
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    try:
        for _ in range(3):
            await asyncio.gather(*(refresh_weekly(database, sunday) for _ in range(2)))
    finally:
        await database.close()
    weekly = await platform.caller.ask(tenant, WeeklyWinRates())
    assert [(row.week, row.won) for row in weekly.rows] == [("2026-W44", 1), ("2026-W47", 1)]
    assert (await platform.caller.ask(tenant, Replay(), seconds=30)).differences == []


def monday(moment: datetime) -> date:
    return week_of(moment.date())
