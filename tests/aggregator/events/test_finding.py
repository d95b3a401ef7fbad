"""Events are found by what they are about, by type and by time, page by page, and as quickly among many."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from aggregator.events import store
from aggregator.events.domain_wanted import FEW, Wanted
from chassis.received import encode
from chassis.unit_of_work import Database
from contracts.aggregator.events import ListEvents, StoredEvent
from contracts.catalogue import by_type
from contracts.message import Envelope, Event, ProblemError
from contracts.outreach.sending import MessageFailed, MessageSent
from tests.platform import Platform
from tests.waiting import until

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SEED_002 = (
    "message_queued", "message_sent", "message_failed", "reply_received", "reply_classified", "followup_scheduled",
    "followup_sent", "campaign_paused", "campaign_resumed", "automation_throttled", "automation_resumed",
    "captcha_detected", "manual_action_required",
)  # fmt: skip
"""The outreach event types that the dashboard's document names."""
ADDED = (
    "message_skipped", "message_unknown", "campaign_created", "campaign_completed", "enrollment_started",
    "enrollment_ended", "sending_limit_set", "delivery_reported", "complaint_received", "unsubscribed", "template_saved",
    "template_previewed",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
async def running(platform: Platform) -> AsyncIterator[None]:
    async with platform.running("aggregator"):
        yield


def made(type_: type[Event], **fields: Any) -> Event:
    """An event of outreach: those of its fields that it has."""
    ids = ("campaign_id", "message_id", "lead_id", "enrollment_id", "account_id", "reply_id", "template_id")
    given = {
        **{name: uuid4() for name in ids},
        "channel": "email", "step": 1, "kind": "email", "reason": "replied", "occurred_at": NOON,
        "due_at": NOON, "received_at": NOON, "reply_class": "interested", "daily_limits": {"email": 20},
        "delivered": True, "version": 1, "template": "welcome", "send_kind": "email", "saved_by": "session:1",
        "actor": "session:1", "role": "admin", "until": NOON, "outline": {"audience": {}, "steps": []},
    }  # fmt: skip
    return type_.model_validate(given | fields)


async def tell(
    platform: Platform, tenant: str, *events: Event, at: datetime = NOON, cause: UUID | None = None
) -> list[UUID]:
    """Publish events as outreach would at that moment, following from that cause; returns their ids when they are stored."""
    ids = [uuid7() for _ in events]
    async with platform.connect("outreach") as client:
        for id_, event in zip(ids, events, strict=True):
            envelope = Envelope(id_, event.topic.type, tenant, at, cause or id_)
            await client.jetstream().publish(envelope.subject, encode(event), headers=envelope.headers)

    async def stored() -> bool:
        return {*ids} <= {event.event_id for event in await listed(platform, tenant)}

    await until(stored, what="the events stored")
    return ids


async def listed(platform: Platform, tenant: str, *, page: int = 200, **ask: Any) -> list[StoredEvent]:
    """All the pages."""
    found: list[StoredEvent] = []
    cursor = None
    while True:
        answer = await platform.caller.ask(tenant, ListEvents(limit=page, cursor=cursor, **ask))
        found += answer.events
        if (cursor := answer.next_cursor) is None:
            return found


async def test_every_event_of_outreach_is_stored_and_found_by_its_name(platform: Platform, tenant: str) -> None:
    outreach = {e.topic.name: e.message for e in by_type().values() if e.topic.type.startswith("outreach.event.")}
    assert {*SEED_002, *ADDED} <= outreach.keys()
    names = [name for name in outreach if outreach[name].topic.owner == "outreach"]
    ids = await tell(platform, tenant, *(made(outreach[name]) for name in names))
    for name, id_ in zip(names, ids, strict=True):
        (found,) = await listed(platform, tenant, types=[name])
        assert (found.event_id, found.type, found.told_at) == (id_, f"outreach.event.{name}.v1", NOON)


async def test_events_are_found_by_each_filter_and_by_all_together(platform: Platform, tenant: str) -> None:
    campaign, account, lead = uuid4(), uuid4(), uuid4()
    events = [
        made(MessageSent, campaign_id=campaign, account_id=account, lead_id=lead),
        made(MessageSent, campaign_id=campaign, lead_id=lead, occurred_at=NOON - timedelta(hours=1)),
        made(MessageFailed, campaign_id=campaign, account_id=account, occurred_at=NOON - timedelta(hours=2)),
        made(MessageFailed, occurred_at=NOON - timedelta(days=400)),
    ]
    first, second, third, fourth = await tell(platform, tenant, *events)

    async def found(**ask: Any) -> list[UUID]:
        return [event.event_id for event in await listed(platform, tenant, page=1, **ask)]

    assert await found() == [fourth, third, second, first]
    assert await found(lead_id=lead) == [second, first]
    assert await found(campaign_id=campaign) == [first, second, third]
    assert await found(account_id=account) == [first, third]
    assert await found(types=["message_failed"]) == [third, fourth]
    assert await found(types=["message_sent", "message_failed"]) == [first, second, third, fourth]
    assert await found(since=NOON - timedelta(hours=2)) == [first, second, third]
    assert await found(until=NOON - timedelta(hours=1)) == [third, fourth]
    assert await found(lead_id=lead, since=NOON) == [first]
    everything = {"campaign_id": campaign, "account_id": account, "types": ["message_sent"], "lead_id": lead}
    assert await found(**everything, since=NOON, until=NOON + timedelta(seconds=1)) == [first]
    assert await found(**everything, until=NOON) == []


async def test_events_are_found_by_when_they_were_told_and_by_what_they_follow_from(
    platform: Platform, tenant: str
) -> None:
    cause, hour = uuid4(), timedelta(hours=1)
    (late,) = await tell(platform, tenant, made(MessageSent, occurred_at=NOON - 400 * hour), at=NOON + hour)
    early = await tell(platform, tenant, made(MessageSent), made(MessageFailed), at=NOON - hour, cause=cause)
    (old,) = await tell(platform, tenant, made(MessageFailed), at=NOON - 800 * hour, cause=cause)

    async def found(**ask: Any) -> list[UUID]:
        return [event.event_id for event in await listed(platform, tenant, page=1, **ask)]

    assert await found(told_since=NOON - hour) == [late, *early[::-1]]
    assert await found(told_until=NOON + hour) == [*early[::-1], old]
    assert await found(told_since=NOON, told_until=NOON + hour) == []
    assert await found(told_since=NOON, until=NOON) == [late]
    assert await found() == [late, *early[::-1], old]
    assert await found(types=["message_failed"], told_until=NOON) == [old, early[1]], "by when they occurred, then made"
    assert await found(correlation_id=cause) == [*early[::-1], old]
    assert await found(correlation_id=cause, told_since=NOON - hour, types=["message_sent"]) == [early[0]]
    assert await found(correlation_id=uuid4()) == []
    (event,) = await listed(platform, tenant, types=["message_failed"], told_since=NOON - hour)
    assert (event.correlation_id, event.told_at) == (cause, NOON - hour)


async def test_pages_of_one_moment_have_neither_gap_nor_overlap(platform: Platform, tenant: str) -> None:
    ids = await tell(platform, tenant, *(made(MessageSent) for _ in range(7)))
    found = await listed(platform, tenant, page=3, types=["message_sent"])
    assert [event.event_id for event in found] == ids[::-1]


async def test_a_name_that_no_event_has_and_a_cursor_of_another_order_are_refused(
    platform: Platform, tenant: str
) -> None:
    for field, ask in (
        ("types", ListEvents(types=["message_snet"])), ("cursor", ListEvents(since=NOON, cursor="7")),
        ("cursor", ListEvents(cursor=f"{NOON.isoformat()}~{UUID(int=7)}")),
    ):  # fmt: skip
        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(tenant, ask)
        assert refused.value.problem.field == field


async def test_a_page_ends_before_it_is_larger_than_a_message(platform: Platform, tenant: str) -> None:
    large = json.dumps({"x": "y" * 400_000})
    rows = [row(tenant, MessageSent, NOON, body=large) for _ in range(5)]
    rows.append(row(tenant, MessageSent, NOON, body=json.dumps({"x": "y" * 1_000_000})))
    await put(platform, tenant, rows)
    page = await platform.caller.ask(tenant, ListEvents())
    assert [(event.event_id, event.body, event.body_omitted) for event in page.events] == [(rows[5].event_id, {}, True)]
    found = await listed(platform, tenant)
    assert [event.event_id for event in found] == [row.event_id for row in rows[::-1]]
    assert not any(event.body_omitted for event in found[1:])


@pytest.mark.parametrize(
    "ask",
    [
        Wanted({}),
        Wanted({"lead_id": UUID(int=7)}),
        Wanted({"campaign_id": UUID(int=1)}),
        Wanted({"account_id": UUID(int=1)}),
        Wanted({"campaign_id": UUID(int=1)}, ("outreach.event.message_failed.v1",)),
        Wanted({}, ("outreach.event.message_sent.v1", "outreach.event.message_failed.v1")),
        Wanted({}, ("outreach.event.message_sent.v1",), until=NOON - timedelta(days=30)),
        Wanted({}, since=NOON - timedelta(days=60), until=NOON - timedelta(days=45)),
        Wanted({}, told_until=NOON - timedelta(days=40)),
        Wanted({"correlation_id": UUID(int=7)}),
    ],
    ids=str,
)
async def test_a_page_reads_no_more_events_than_it_needs(platform: Platform, ask: Wanted, many: str) -> None:
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    try:
        async with database.begin(many) as uow:
            (first,) = await store.events(uow, many, ask, None, 1)
            middle = ask.position_of(first)
            if not ask.ids.keys() & FEW:
                middle = ask.position_of((await store.events(uow, many, ask, None, 2_000))[-1])
            for before in (None, middle):
                statement, parameters = store.page(ask, before)
                plan = await uow.execute(
                    f"explain (analyze, timing off, format json) {statement}", tenant=many, limit=51, **parameters
                )
                assert _read(plan.scalar_one()[0]["Plan"]) < 1_000
    finally:
        await database.close()


def _read(plan: dict[str, Any]) -> float:
    """How many rows of the table were touched."""
    rows = 0.0
    if "Scan" in plan["Node Type"] and str(plan.get("Relation Name", "")).startswith("event_"):
        removed = plan.get("Rows Removed by Filter", 0)
        rows = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return rows + sum(_read(below) for below in plan.get("Plans", []))


@pytest.fixture(scope="module")
async def many(platform: Platform) -> str:
    """A tenant with 20,000 events of one campaign and account in three months, one in a thousand of them a failure."""
    tenant = f"many-{uuid4().hex[:8]}"
    rows = [
        row(
            tenant,
            MessageFailed if number % 1000 == 0 else MessageSent,
            NOON - timedelta(minutes=5 * number),
            lead_id=UUID(int=number % 2000),
            campaign_id=UUID(int=1),
            account_id=UUID(int=1),
            correlation_id=UUID(int=number % 2000),
        )
        for number in range(20_000)
    ]
    await put(platform, tenant, rows)
    async with platform.sql() as sql:
        await sql.execute("analyze aggregator.event")
    return tenant


def row(tenant: str, type_: type[Event], at: datetime, *, body: str = "{}", **ids: UUID) -> store.Row:
    about = {
        "lead_id": None,
        "campaign_id": None,
        "account_id": None,
    } | ids  # and what it follows from, if that is given
    return store.Row(tenant, uuid7(), at, type_.topic.type, at, body=body, **about)


async def put(platform: Platform, tenant: str, rows: Sequence[store.Row]) -> None:
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    try:
        async with database.begin(tenant) as uow:
            await store.make_months(uow, {each.told_at.date() for each in rows})
            await store.store_events(uow, rows)
    finally:
        await database.close()
