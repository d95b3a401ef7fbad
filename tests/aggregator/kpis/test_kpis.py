"""The dashboard over messages: what is told is counted, as of any moment, and every number opens its events."""

import zoneinfo
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from aggregator.kpis import store
from chassis.unit_of_work import Database
from contracts.aggregator.events import ListEvents
from contracts.aggregator.kpis import Dashboard, DashboardStats, Kpi, ListKpiEvents
from contracts.message import Event
from contracts.outreach import campaigns, replies, sending
from contracts.taxonomy import Channel, OutcomeType, ReplyClass, Stage, SystemStatus
from tests.aggregator.history import MAKERS, OPENING, Told, numbered, recorded_outcome, store_told, voided
from tests.aggregator.recorded import recorded
from tests.platform import Platform
from tests.reading import rows_read
from tests.waiting import until

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
MOST_ROWS_FOR_HISTORY = 50
"""Of 3,600 old events."""


@pytest.fixture(scope="module", autouse=True)
async def running(platform: Platform) -> AsyncIterator[None]:
    async with platform.running("aggregator"):
        yield


def told(tenant: str, *what: tuple[str, datetime, int] | tuple[Event, datetime]) -> list[Told]:
    """Events by their name in `MAKERS`, with when they occurred and their number; or themselves."""
    events = [(MAKERS[each[0]](each[1], each[2]), each[1]) if len(each) == 3 else each for each in what]
    return [Told(tenant, uuid4(), event, at, at) for event, at in events]


async def has(database: Database, tenant: str, *what: tuple[str, datetime, int] | tuple[Event, datetime]) -> None:
    async with database.begin(tenant) as uow:
        await store_told(uow, told(tenant, *what))


async def shown(platform: Platform, tenant: str, as_of: datetime | None = None) -> Dashboard:
    return await platform.caller.ask(tenant, DashboardStats(as_of=as_of))


async def opened(platform: Platform, tenant: str, kpi: Kpi, part: str | None = None, **terms: object) -> list[UUID]:
    """The events that a number opens, page by page."""
    found: list[UUID] = []
    cursor = None
    while True:
        page = await platform.caller.ask(tenant, ListKpiEvents(kpi=kpi, part=part, cursor=cursor, limit=2, **terms))  # type: ignore[arg-type]
        found += [event.event_id for event in page.events]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_what_is_told_over_messages_is_on_the_dashboard(platform: Platform, tenant: str) -> None:
    now = datetime.now(UTC)
    events = [
        ("outreach", MAKERS["created"](now, 1)), ("outreach", MAKERS["enrolled"](now, 1)), ("outreach", MAKERS["sent"](now, 1)),
        ("outreach", MAKERS["limit"](now, 3)), ("outreach", MAKERS["reply"](now, 1)), ("outcomes", recorded(OutcomeType.CLOSED_WON)),
    ]  # fmt: skip
    for sender, event in events:
        await platform.publish(sender, tenant, event)

    async def all_there() -> bool:
        return len((await platform.caller.ask(tenant, ListEvents())).events) == len(events)

    await until(all_there, what="every event stored")
    found = await shown(platform, tenant)
    assert (found.kpis.today_sends, found.kpis.daily_limit, found.kpis.send_percentage) == (1, 3, 33)
    assert (found.kpis.replies_needing_action, found.kpis.reply_rate, found.conversions) == (1, 100, 1)
    assert found.kpis.system_status is SystemStatus.HEALTHY
    assert [(each.id, each.queue_remaining, each.today_sends) for each in found.campaign_snapshots] == [
        (numbered("campaign", 1), 1, 1)
    ]


async def test_an_old_classification_hides_no_new_reply(platform: Platform, database: Database, tenant: str) -> None:
    await has(
        database, tenant, ("reply", NOON, 0), ("classified", NOON, 0), ("reply", NOON + timedelta(hours=1), 4), ("manual", NOON, 4)
    )  # fmt: skip
    found = await shown(platform, tenant, NOON + timedelta(hours=1))
    assert found.kpis.replies_needing_action == 1  # of the same lead
    (event,) = (await platform.caller.ask(tenant, ListKpiEvents(kpi=Kpi.REPLIES_REQUIRING_ACTION))).events
    assert event.body["reply_id"] == str(numbered("reply", 4))
    about = MAKERS["reply"](NOON, 4).model_dump(exclude={"received_at"})
    person = replies.ReplyClassified(
        **about | {"occurred_at": NOON + timedelta(hours=2)}, reply_class=ReplyClass.INTERESTED, actor="user:7"
    )
    await has(database, tenant, (person, NOON + timedelta(hours=2)))
    assert (await shown(platform, tenant)).kpis.replies_needing_action == 0
    assert (await shown(platform, tenant, NOON + timedelta(hours=1))).kpis.replies_needing_action == 1
    await has(database, tenant, ("reply", NOON + timedelta(hours=3), 3), ("handled", NOON + timedelta(hours=4), 3))
    assert (await shown(platform, tenant, NOON + timedelta(hours=3))).kpis.replies_needing_action == 1
    assert (await shown(platform, tenant)).kpis.replies_needing_action == 0, "nothing is left to be done about it"


async def test_a_follow_up_that_is_put_off_is_due_on_another_day_from_then_on_and_no_day_before_is_counted_anew(
    platform: Platform, database: Database, tenant: str
) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    about = MAKERS["scheduled"](NOON, 1).model_dump() | {"due_at": NOON}
    scheduled = sending.FollowupScheduled(**about | {"occurred_at": NOON - day})
    put_off = sending.FollowupPostponed(**about | {"occurred_at": NOON - hour}, until=NOON + day)
    anew = about | {"followup_id": numbered("follow", 1)}
    again = sending.FollowupScheduled(**anew | {"occurred_at": NOON - hour, "due_at": NOON + day})
    sent = sending.FollowupSent(**anew | {"occurred_at": NOON + day + hour})
    for event in (sent, again, put_off, scheduled):  # told in any order
        await has(database, tenant, (event, event.occurred_at))
    counted = [
        await opened(platform, tenant, Kpi.FOLLOWUPS_DUE, as_of=moment)
        for moment in (NOON - 2 * hour, NOON, NOON + day, NOON + day + 2 * hour)
    ]
    assert [len(events) for events in counted] == [1, 0, 1, 0]
    assert counted[0] != counted[2], "each day opens the event that said so"


async def test_a_day_is_the_tenants_by_the_settings_of_its_time(
    platform: Platform, database: Database, tenant: str
) -> None:
    midnight = datetime(2026, 7, 14, 22, tzinfo=UTC)  # in Berlin
    second = timedelta(seconds=1)
    await has(
        database, tenant, ("settings", midnight - timedelta(days=30), 0), ("sent", midnight - second, 0), ("sent", midnight, 1),
        ("sent", NOON, 2),
    )  # fmt: skip
    assert (await shown(platform, tenant, midnight - second)).kpis.today_sends == 1
    assert (await shown(platform, tenant, midnight)).kpis.today_sends == 1
    assert (await shown(platform, tenant, NOON)).kpis.today_sends == 2
    await has(database, tenant, ("settings", NOON + timedelta(hours=1), 5))  # UTC from here on
    assert (await shown(platform, tenant, NOON)).kpis.today_sends == 2
    assert (
        await shown(platform, tenant, NOON + timedelta(hours=2))
    ).kpis.today_sends == 2  # as it was counted when it was sent
    assert (await shown(platform, tenant, NOON + timedelta(hours=12))).kpis.today_sends == 0


async def test_before_the_first_settings_that_are_known_those_count(
    platform: Platform, database: Database, tenant: str
) -> None:
    hour = timedelta(hours=1)
    await has(
        database, tenant, ("sent", NOON - hour, 0), ("settings", NOON, 2)
    )  # two o'clock of the next day in Kiritimati
    assert (await shown(platform, tenant, NOON + hour)).kpis.today_sends == 1
    assert (await shown(platform, tenant, NOON - hour)).kpis.today_sends == 1  # UTC, of which nothing else is known yet


async def test_a_time_zone_is_the_same_to_the_database_as_to_the_tenant_s_settings(database: Database) -> None:
    """Some are abbreviations too, of an offset without a summer."""
    zones = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
    async with database.begin() as uow:
        for moment in (datetime(2026, 1, 15, 12, tzinfo=UTC), NOON):
            found = await uow.execute(
                """select name, cast(:moment as timestamptz) at time zone zone as local
                   from (select name, known_zone(name) as zone from unnest(cast(:zones as text[])) as name) as known""",
                moment=moment, zones=zones,
            )  # fmt: skip
            there = {row.name: row.local for row in found}
            here = {name: moment.astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=None) for name in zones}
            assert {name: (there[name], here[name]) for name in zones if there[name] != here[name]} == {}


async def test_a_limit_counts_from_when_it_was_set(platform: Platform, database: Database, tenant: str) -> None:
    hour = timedelta(hours=1)
    await has(database, tenant, ("limit", NOON, 2), ("limit", NOON + hour, 1), ("limit", NOON + 2 * hour, 0))
    limits = [(await shown(platform, tenant, NOON + hours * hour)).kpis.daily_limit for hours in (-1, 0, 1, 2)]
    assert limits == [None, 2, 3, 1]  # the second account's beside the first's, which may then send nothing


async def test_only_replies_after_the_first_message_of_the_week_count(
    platform: Platform, database: Database, tenant: str
) -> None:
    day = timedelta(days=1)
    await has(
        database, tenant, ("reply", NOON - 2 * day, 0), ("sent", NOON - day, 0), ("sent", NOON - 8 * day, 1), ("reply", NOON - day, 1),
        ("sent", NOON - day, 2), ("reply", NOON - day, 2), ("reply", NOON, 2), ("sent", NOON - 7 * day, 3),
    )  # fmt: skip
    kpis = (await shown(platform, tenant, NOON)).kpis
    assert (kpis.leads_contacted, kpis.leads_replied, kpis.reply_rate) == (3, 1, 33)
    assert len(await opened(platform, tenant, Kpi.REPLY_RATE, as_of=NOON)) == 3
    assert len(await opened(platform, tenant, Kpi.REPLY_RATE, "replied", as_of=NOON)) == 1


async def test_a_status_begins_and_ends_with_its_events(platform: Platform, database: Database, tenant: str) -> None:
    hour = timedelta(hours=1)
    await has(
        database, tenant, ("created", NOON, 1), ("captcha", NOON + hour, 0), ("throttled", NOON + 2 * hour, 0),
        ("paused", NOON + 26 * hour, 1), ("resumed", NOON + 27 * hour, 0), ("campaign_resumed", NOON + 28 * hour, 1),
    )  # fmt: skip
    statuses = [
        (await shown(platform, tenant, NOON + hours * hour)).kpis.system_status for hours in (0, 1, 25, 26, 27, 28)
    ]
    assert statuses == [
        SystemStatus.HEALTHY, SystemStatus.ERROR, SystemStatus.ERROR, SystemStatus.THROTTLED, SystemStatus.PAUSED, SystemStatus.HEALTHY,
    ]  # fmt: skip
    health = (await shown(platform, tenant, NOON + 26 * hour)).system_health
    assert (health.hidden, health.cooldown_active, health.captcha_detected) == (False, True, False)
    removed = await shown(platform, tenant, NOON + 28 * hour)
    assert removed.system_health.hidden


async def test_an_account_that_may_send_nothing_is_not_throttled(
    platform: Platform, database: Database, tenant: str
) -> None:
    await has(database, tenant, ("throttled", NOON, 0), ("limit", NOON, 0))
    assert (await shown(platform, tenant, NOON)).kpis.system_status is SystemStatus.HEALTHY


async def test_a_draft_is_no_campaign_of_today(platform: Platform, database: Database, tenant: str) -> None:
    draft = campaigns.CampaignCreated(
        campaign_id=numbered("campaign", 1), occurred_at=NOON, channel=Channel.EMAIL, draft=True
    )
    await has(database, tenant, (draft, NOON), ("campaign_resumed", NOON + timedelta(hours=1), 1))
    assert (await shown(platform, tenant, NOON)).campaign_snapshots == []
    assert len((await shown(platform, tenant, NOON + timedelta(hours=1))).campaign_snapshots) == 1


async def test_a_voided_outcome_counts_no_more_whenever_it_is_heard_of(
    platform: Platform, database: Database, tenant: str
) -> None:
    won = next(
        outcome for n in range(20) if (outcome := recorded_outcome(NOON, n)).stage is Stage.WON and outcome.value
    )
    again = won.model_copy(update={"outcome_id": uuid4(), "value": won.value * 2, "corrects": won.outcome_id})  # type: ignore[operator]
    void = voided(won, NOON + timedelta(days=1))
    await has(database, tenant, (void, NOON))
    await has(database, tenant, (won, NOON), (again, NOON))
    found = await shown(platform, tenant, NOON)
    assert (found.conversions, [each.amount for each in found.revenue]) == (1, [again.value])
    assert len(await opened(platform, tenant, Kpi.FUNNEL, Stage.WON, as_of=NOON)) == 1


async def test_every_number_opens_exactly_its_events(platform: Platform, database: Database, tenant: str) -> None:
    await has(database, tenant, *((name, NOON - timedelta(minutes=n), n) for name in OPENING for n in range(12)))
    async with database.begin(tenant) as uow:
        numbers = await store.numbers(uow, tenant, NOON)
    assert len({part.kpi for part in numbers}) > 10
    for part, counted in numbers.items():
        found = await opened(platform, tenant, part.kpi, part.part, as_of=NOON)
        assert (len(found), len(set(found))) == (counted.count, counted.count), part
    assert await opened(platform, tenant, Kpi.TODAYS_SENDS, "nothing", as_of=NOON) == []


async def test_tenants_never_mix_also_in_raw_sql_as_the_services_role(
    platform: Platform, database: Database, tenant: str
) -> None:
    other = f"{tenant[:50]}-x"
    everything = [(name, NOON, n) for name in MAKERS for n in range(6)]
    await has(database, other, *everything, (recorded_outcome(NOON, 2), NOON))
    assert (await shown(platform, tenant, NOON)).kpis.today_sends == 0
    assert (await shown(platform, other, NOON)).kpis.today_sends == 6
    async with platform.sql("leadloop_aggregator") as sql, sql.transaction():
        await sql.execute("set local search_path = aggregator")
        await sql.execute("select set_config('app.tenants', $1, true)", "{" + tenant + "}")
        for kpi in Kpi:
            assert await sql.fetch(f"select * from kpi_{kpi}($1, $2)", other, NOON) == [], kpi
        for table in ("standing", "open_item", "number_check", "event"):
            assert await sql.fetchval(f"select count(*) from {table}") == 0, table
            assert await sql.execute(f"delete from {table} where tenant_id = $1", other) == "DELETE 0"
    assert (await shown(platform, other, NOON)).kpis.today_sends == 6


async def test_the_dashboard_reads_what_it_counts_and_not_the_history(
    platform: Platform, database: Database, tenant: str
) -> None:
    month = timedelta(days=31)
    old: Sequence[tuple[str, datetime, int]] = [
        (name, NOON - month - timedelta(minutes=n), n)
        for name in ("sent", "reply", "classified", "enrolled", "ended", "failed", "queued", "followup", "scheduled", "captcha", "throttled", "resumed")
        for n in range(300)
    ]  # fmt: skip
    reply = MAKERS["reply"](NOON, 0).model_copy(update={"reply_id": uuid4()})
    await has(database, tenant, ("sent", NOON, 0), (reply, NOON), ("created", NOON, 1), ("limit", NOON, 1))
    async with database.begin(tenant) as uow:
        before = await rows_read(uow)  # by earlier work on the connection, of which the database has not heard yet
        numbers = await store.numbers(uow, tenant, NOON)
        few = await rows_read(uow) - before
    await has(
        database,
        tenant,
        *old,
        ("resumed", NOON - timedelta(days=1, seconds=1), 0),
        ("resumed", NOON - timedelta(days=1, seconds=1), 1),
    )
    async with platform.sql() as sql:  # as autovacuum does; which index is best is chance of what nobody has counted
        await sql.execute("analyze aggregator.event, aggregator.standing, aggregator.open_item")
    async with database.begin(tenant) as uow:
        await uow.execute("discard plans")
        before = await rows_read(uow)
        with_history = await store.numbers(uow, tenant, NOON)
        many = await rows_read(uow) - before
    assert {part: each.count for part, each in with_history.items()} == {
        part: each.count for part, each in numbers.items()
    }
    assert many < few + MOST_ROWS_FOR_HISTORY


async def test_what_is_stored_is_projected_without_a_look_at_what_was_there(database: Database, tenant: str) -> None:
    march = datetime(2024, 3, 1, tzinfo=UTC)  # of which nobody has counted how many events there are
    await has(database, tenant, *(("reply", march + timedelta(minutes=n), n) for n in range(3_000)))
    async with database.begin(tenant) as uow:
        before = await rows_read(uow)
        await store_told(uow, told(tenant, *(("reply", march + timedelta(days=3, minutes=n), n) for n in range(20))))
        assert await rows_read(uow) - before < 500
