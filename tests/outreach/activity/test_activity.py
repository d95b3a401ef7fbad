"""The timeline shows what is scheduled and what was sent, in one order, page by page, however much there is."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.paging import Place
from chassis.unit_of_work import Database
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.activity import ActivityEntry, ListActivity
from contracts.outreach.campaigns import NewStep, PauseCampaign
from contracts.outreach.replies import ReportDelivery, TakeReply
from contracts.outreach.sending import Gate as GateName
from contracts.outreach.sending import SendState
from contracts.taxonomy import Channel, Fault
from outreach.activity import store
from outreach.app import build
from tests.outreach.scene import Outbox, account, arrive, campaign, count, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


async def shown(platform: Platform, tenant: str, **asked: Any) -> list[ActivityEntry]:
    """All that is asked for, gathered page by page."""
    entries: list[ActivityEntry] = []
    cursor = None
    while True:
        page = await platform.caller.ask(tenant, ListActivity(**{"limit": 2, **asked, "cursor": cursor}))
        assert len(page.entries) <= asked.get("limit", 2)
        entries += page.entries
        cursor = page.next_cursor
        if cursor is None:
            return entries


@pytest.fixture
async def outbox(platform: Platform, tenant: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(tenant)
    async with outreach(platform, tenant, outbox):
        yield outbox


async def test_what_is_sent_and_what_is_scheduled_stand_on_one_timeline(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    sales = await account(platform, tenant)
    leads = [lead() for _ in range(3)]
    await arrive(platform, tenant, leads)
    made = await campaign(platform, tenant, NewStep(), NewStep(delay_days=3))
    await until(lambda: _are(platform, tenant, sent=3, queued=3))

    entries = await shown(platform, tenant)

    assert [entry.state for entry in entries] == ["queued"] * 3 + ["sent"] * 3
    moments = [entry.at for entry in entries if entry.at]
    assert moments == sorted(moments, reverse=True)
    assert len({entry.entry_id for entry in entries}) == 6
    later, now = entries[0], entries[-1]
    assert (now.step, now.campaign_id, now.account_id) == (1, made.campaign_id, sales.account_id)
    assert (now.provider_reference, now.reference) == ("their-id", f"<{now.message_id}@leadloop>")
    assert (now.kept_by, now.may_leave_at, later.step) == (None, None, 2)
    assert (later.may_leave_at, later.kept_by) == (later.at, None)
    assert [entry.entry_id for entry in await shown(platform, tenant, order="soonest_first")] == [
        entry.entry_id for entry in reversed(entries)
    ]
    assert await shown(platform, tenant, followups=True) == entries[:3]


async def test_what_is_kept_names_its_gate_and_when_it_may_leave(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    await account(platform, tenant)
    await arrive(platform, tenant, [lead() for _ in range(2)])
    made = await campaign(platform, tenant, settings={"daily_cap": 1})
    await until(lambda: _are(platform, tenant, sent=1, queued=1))

    (waits,) = await shown(platform, tenant, states=["queued"])

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert (waits.kept_by, waits.may_leave_at) == (GateName.ACCOUNT_CAPACITY, midnight)
    await platform.caller.ask(tenant, PauseCampaign(campaign_id=made.campaign_id))
    (paused,) = await shown(platform, tenant, states=["queued"])
    assert (paused.kept_by, paused.may_leave_at) == (GateName.CAMPAIGN_RUNNING, None)


async def test_what_came_back_is_shown_with_what_was_sent(platform: Platform, tenant: str) -> None:
    async with (
        platform.running("intake"),
        build(platform.settings("outreach"), Outbox(tenant)).running(),
    ):
        await platform.introduce(tenant, "intake", "outreach")
        await account(platform, tenant)
        answers, bounces = lead(), lead()
        await arrive(platform, tenant, [answers, bounces])
        await campaign(platform, tenant)
        await until(lambda: _are(platform, tenant, sent=2))
        by_lead = {row["lead_id"]: row["message_id"] for row in await messages(platform, tenant)}
        order = TakeReply(message_id=by_lead[answers.lead_id], source_key="1", text="Yes, please call me.")
        reply = await platform.caller.ask(tenant, order)
        report = ReportDelivery(
            message_id=by_lead[bounces.lead_id], source_key="2", delivered=False, fault=Fault.RECIPIENT
        )
        await platform.caller.ask(tenant, report)

        (answered,) = await shown(platform, tenant, lead_id=answers.lead_id)
        (bounced,) = await shown(platform, tenant, message_ids=[by_lead[bounces.lead_id]])

    assert [(each.reply_id, each.reply_class) for each in answered.replies] == [(reply.reply_id, "interested")]
    assert [each.kind for each in bounced.troubles] == ["recipient_bounce"]
    assert (answered.troubles, bounced.replies) == ([], [])


async def test_the_timeline_is_narrowed_by_whatever_is_asked_for(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    mail, phone = await account(platform, tenant), await account(platform, tenant, Channel.SMS)
    both = lead(phone=True)
    await arrive(platform, tenant, [both, lead()])
    made = await campaign(platform, tenant)
    await until(lambda: _are(platform, tenant, sent=2))
    other = await campaign(platform, tenant, NewStep(kind="sms"))
    await until(lambda: _are(platform, tenant, sent=2, queued=1))
    history = await before(platform, tenant, both.lead_id, Channel.EMAIL, Channel.SMS)

    async def ids(**asked: Any) -> list[tuple[UUID | None, str]]:
        return [(entry.campaign_id, entry.state.value) for entry in await shown(platform, tenant, **asked)]

    sent, waits = (made.campaign_id, "sent"), (other.campaign_id, "queued")
    earlier: tuple[UUID | None, str] = (None, "sent")
    assert await ids() == [waits, sent, sent, earlier, earlier]
    assert await ids(campaign_id=made.campaign_id) == [sent, sent]
    assert await ids(campaign_id=made.campaign_id, states=["failed"]) == []
    assert await ids(account_id=phone.account_id) == [waits]
    assert await ids(account_id=mail.account_id) == [sent, sent]
    assert await ids(lead_id=both.lead_id) == [waits, sent, earlier, earlier]
    assert await ids(channel="sms") == [waits, earlier]
    assert await ids(states=["queued", "unknown"]) == [waits]
    assert await ids(until=history[0] + timedelta(seconds=1)) == [earlier, earlier]
    assert await ids(since=history[0] + timedelta(seconds=1)) == [waits, sent, sent]
    with pytest.raises(ProblemError) as refused:
        await platform.caller.ask(tenant, ListActivity(cursor="never~0"))
    assert refused.value.problem.code is ProblemCode.INVALID


async def before(platform: Platform, tenant: str, lead_id: UUID, *channels: Channel) -> list[datetime]:
    """Things that were sent to a lead a month ago, before LeadLoop sent anything; when each was."""
    at = [datetime.now(UTC) - timedelta(days=30, seconds=number) for number in range(len(channels))]
    async with platform.sql() as sql:
        await sql.executemany(
            """insert into outreach.outreach_history (tenant_id, history_id, lead_id, channel, sent_at)
               values ($1, $2, $3, $4, $5)""",
            [(tenant, uuid4(), lead_id, channel.value, moment) for channel, moment in zip(channels, at, strict=True)],
        )  # fmt: skip
    return at


async def test_a_tenant_sees_its_own_timeline_only(platform: Platform, tenant: str, outbox: Outbox) -> None:
    await account(platform, tenant)
    await arrive(platform, tenant, [lead()])
    await campaign(platform, tenant)
    await until(lambda: _are(platform, tenant, sent=1))
    other = f"{tenant}-2"
    await platform.introduce(other, "outreach")
    (entry,) = await shown(platform, tenant)
    assert entry.message_id
    assert await shown(platform, other) == []
    assert await shown(platform, other, message_ids=[entry.message_id]) == []


OF_MANY = UUID(hashlib.md5(b"2").hexdigest())
"""A campaign of which `many` are."""
OVER = [SendState.SENT, SendState.FAILED, SendState.SKIPPED, SendState.UNKNOWN]
ASKED: dict[str, ListActivity] = {
    "send_queue_timeline": ListActivity(),
    "send_queue_timeline_queued": ListActivity(),
    "send_queue_followups": ListActivity(followups=True, states=[SendState.QUEUED], order="soonest_first"),
    "send_queue_timeline_of_campaign": ListActivity(campaign_id=OF_MANY, states=[SendState.SENT]),
    "send_queue_timeline_of_account": ListActivity(account_id=uuid4(), order="soonest_first", states=OVER),
    "send_queue_lead": ListActivity(lead_id=uuid4()),
    "outreach_history_lead": ListActivity(lead_id=uuid4()),
    "send_queue_pkey": ListActivity(message_ids=[uuid4()]),
    "outreach_history_before": ListActivity(states=[SendState.SENT]),
    "outreach_history_before_of_campaign": ListActivity(states=[SendState.SENT], campaign_id=uuid4()),
}


@pytest.mark.parametrize("begins", [None, Place(datetime.now(UTC), uuid4())], ids=["first", "later"])
@pytest.mark.parametrize("index", ASKED)
async def test_a_page_is_read_in_its_order_out_of_an_index(
    platform: Platform, tenant: str, database: Database, index: str, begins: Place | None
) -> None:
    async with platform.sql() as sql:
        if not await sql.fetchval("select exists (select from outreach.send_queue where tenant_id = 'many')"):
            await many(sql)
    statement, given = store.timeline(ASKED[index], begins)
    async with database.begin("many") as uow:
        rows = await uow.execute(f"explain {statement}", tenant="many", limit=51, **given)
        plan = "\n".join(rows.scalars())
    lines = plan.splitlines()
    places = [number for number, line in enumerate(lines) if f"using {index} " in line]
    assert places, plan
    assert all("Index Cond" in lines[place + 1] for place in places), plan
    if begins and index not in ("send_queue_lead", "outreach_history_lead", "send_queue_pkey"):
        assert all("ROW(" in lines[place + 1] for place in places), f"the page's place is looked up: {plan}"
    if index.startswith("send_queue") and ASKED[index].states:
        assert plan.count("Sort") == 2 * ("Sort Key" in plan), f"nothing but the page itself is sorted: {plan}"


async def many(sql: Any) -> None:
    """A tenant with so many messages that the planner cares."""
    await sql.execute(
        """insert into outreach.send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id, state,
                                            queued_at, due_at, spent_at, ended_at)
           select 'many', gen_random_uuid(), gen_random_uuid(), md5((n % 20)::text)::uuid, gen_random_uuid(), case when n % 50 = 1 then 2 else 1 end, 'email',
                  md5((n % 50)::text)::uuid, case when n % 2 = 0 then 'sent' else 'queued' end, now(),
                  now() + n * interval '1 s', case when n % 2 = 0 then now() end, case when n % 2 = 0 then now() - n * interval '1 s' end
           from generate_series(1, 20000) as n"""
    )  # fmt: skip
    await sql.execute(
        """insert into outreach.outreach_history (tenant_id, history_id, lead_id, channel, campaign_id, sent_at)
           select 'many', gen_random_uuid(), gen_random_uuid(), 'email', md5((n % 20)::text)::uuid, now() - n * interval '1 s'
           from generate_series(1, 20000) as n"""
    )
    await sql.execute("analyze outreach.send_queue, outreach.outreach_history")


async def _are(platform: Platform, tenant: str, **states: int) -> bool:
    return all([await count(platform, tenant, state) == number for state, number in states.items()])
