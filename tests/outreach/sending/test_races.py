"""What happens between two looks: whoever is stopped stays stopped, and what left is never forgotten."""

from collections import Counter
from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

import pytest

from chassis.unit_of_work import Database
from contracts.intake.leads import LeadUpdated
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.accounts import NewAccountSettings, RemoveAccount, SetAccount
from contracts.outreach.campaigns import ArchiveCampaign, NewStep
from contracts.outreach.people import GetContact, ListSuppressions, Suppress, Unsuppress
from contracts.outreach.sending import ExplainMessage, SendState, SettleMessage, SkipMessage
from outreach import locks
from outreach.accounts import handlers as accounts
from outreach.sending import store_queue
from outreach.sending.claiming import Claimed, claim
from outreach.sending.domain_gates import REST
from outreach.sending.facts import limits_of
from outreach.sending.leaving import begin
from outreach.sending.recording import Result, record
from outreach.upkeep import look_after_accounts
from tests.outreach.campaigns.test_merged import gone, stands
from tests.outreach.scene import Gate, Outbox, account, arrive, campaign, count, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker claims anything: the test does it."""

    async def nothing(*_: object) -> Claimed:
        return Claimed(uuid4())

    monkeypatch.setattr("outreach.sending.sender.claim", nothing)


async def taken(database: Database, tenant: str, *, leave: bool = True) -> tuple[Claimed, list[UUID]]:
    """What there is to send is claimed, and begun if it is to leave."""
    async with database.begin(tenant) as uow:
        claimed = await claim(uow, [tenant], 100, Random(1))
    ids = [row["message_id"] for row in claimed.messages]
    if leave and ids:
        async with database.begin(tenant) as uow:
            await begin(uow, dict.fromkeys(ids, (tenant, claimed.token)))
    return claimed, ids


async def queued(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "queued") == number


@pytest.mark.usefixtures("by_hand")
async def test_a_message_of_a_sequence_that_has_ended_is_not_sent_again_and_stops_nobody_else(
    platform: Platform, database: Database, tenant: str
) -> None:
    one, other = lead(), lead()
    async with outreach(platform, tenant, Gate(tenant)):
        await account(platform, tenant)
        await arrive(platform, tenant, [one])
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 1))
        claimed, (message,) = await taken(database, tenant)
        entry = await platform.caller.ask(tenant, Suppress(lead_id=one.lead_id))
        await platform.caller.ask(tenant, Unsuppress(suppression_id=entry.suppression_id))
        async with database.begin(tenant) as uow:
            await record(uow, [Result(tenant, message, claimed.token, SendState.UNKNOWN)])
        with pytest.raises(ProblemError, match="sequence has ended"):
            await platform.caller.ask(tenant, SettleMessage(message_id=message, outcome="send_again"))
        async with database.begin(tenant) as uow:
            await record(uow, [Result(tenant, message, claimed.token, SendState.QUEUED, "busy")])
        assert [m["state"] for m in await messages(platform, tenant)] == ["skipped"]
        await arrive(platform, tenant, [other])
        _, ids = await taken(database, tenant)
        assert len(ids) == 1, "another person's"


@pytest.mark.usefixtures("by_hand")
async def test_what_is_in_flight_when_its_campaign_is_archived_counts_as_sent(
    platform: Platform, database: Database, tenant: str
) -> None:
    known = lead()
    async with outreach(platform, tenant, Gate(tenant)):
        await account(platform, tenant)
        await arrive(platform, tenant, [known])
        made = await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 1))
        claimed, (message,) = await taken(database, tenant)
        await platform.caller.ask(tenant, ArchiveCampaign(campaign_id=made.campaign_id))

        async def ended() -> bool:
            async with platform.sql() as sql:
                return bool(await sql.fetchval("select ended_at from outreach.enrollment where tenant_id = $1", tenant))

        await until(ended)
        async with database.begin(tenant) as uow:
            await record(uow, [Result(tenant, message, claimed.token, SendState.SENT)])
        contact = await platform.caller.ask(tenant, GetContact(lead_id=known.lead_id))
        assert (contact.status, contact.eligible_for_outreach) == ("resting", False)


@pytest.mark.usefixtures("by_hand")
async def test_a_message_that_leaves_just_now_is_not_skipped(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 1))
        _, (message,) = await taken(database, tenant)
        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(tenant, SkipMessage(message_id=message))
        assert refused.value.problem.code is ProblemCode.CONFLICT


@pytest.mark.usefixtures("by_hand")
async def test_a_follow_up_does_not_leave_earlier_because_its_account_is_removed(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        sales = (await account(platform, tenant)).account_id
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant, NewStep(), NewStep(delay_days=3))
        await until(lambda: queued(platform, tenant, 1))
        claimed, (message,) = await taken(database, tenant)
        async with database.begin(tenant) as uow:
            await record(uow, [Result(tenant, message, claimed.token, SendState.SENT)])
        other = await account(platform, tenant)
        await platform.caller.ask(tenant, RemoveAccount(account_id=sales))
        (following,) = [m for m in await messages(platform, tenant) if m["step"] == 2]
        assert following["account_id"] == other.account_id
        assert following["due_at"] - following["queued_at"] == timedelta(days=3)


@pytest.mark.usefixtures("by_hand")
async def test_what_was_claimed_from_an_account_that_is_removed_leaves_by_another(
    platform: Platform, database: Database, tenant: str
) -> None:
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        sales = (await account(platform, tenant)).account_id
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 1))
        claimed, (message,) = await taken(database, tenant, leave=False)
        await platform.caller.ask(tenant, RemoveAccount(account_id=sales))
        async with database.begin(tenant) as uow:
            assert await begin(uow, {message: (tenant, claimed.token)}) == {}
        other = await account(platform, tenant)
        async with database.begin() as uow:
            now = uow.now
        await look_after_accounts(database, now)
        assert [m["account_id"] for m in await messages(platform, tenant)] == [other.account_id]
        _, again = await taken(database, tenant)
        assert again == [message]


@pytest.mark.usefixtures("by_hand")
async def test_a_whole_queue_is_moved_between_accounts_a_part_at_a_time(
    platform: Platform, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave_by() -> Counter[UUID | None]:
        return Counter(message["account_id"] for message in await messages(platform, tenant))

    async def look() -> None:
        async with database.begin() as uow:
            now = uow.now
        await look_after_accounts(database, now)

    monkeypatch.setattr(accounts, "_AT_ONCE", 3)
    async with outreach(platform, tenant, Gate(tenant)):
        await arrive(platform, tenant, [lead() for _ in range(10)])
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 10))
        sales = (await account(platform, tenant)).account_id
        assert await leave_by() == {sales: 3, None: 7}
        await look()
        assert await leave_by() == {sales: 10}
        await platform.caller.ask(tenant, RemoveAccount(account_id=sales))
        assert await leave_by() == {sales: 7, None: 3}
        other = (await account(platform, tenant)).account_id
        await look()
        assert await leave_by() == {other: 10}


async def test_who_is_suppressed_is_not_contacted_by_way_of_the_lead_that_theirs_is_merged_into(
    platform: Platform, tenant: str
) -> None:
    merged, survivor = lead(), lead()
    async with outreach(platform, tenant, gate := Gate(tenant)):
        await arrive(platform, tenant, [merged, survivor])
        await platform.caller.ask(tenant, Suppress(lead_id=merged.lead_id))
        await arrive(platform, tenant, [gone(merged, survivor.lead_id), stands(survivor, merged)])
        await account(platform, tenant)
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "skipped"))
        assert gate.handed == []
        assert len((await platform.caller.ask(tenant, ListSuppressions(lead_id=survivor.lead_id))).suppressions) == 1


async def test_who_was_contacted_rests_by_the_names_that_they_have_later_too(platform: Platform, tenant: str) -> None:
    known = lead()
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await campaign(platform, tenant)
        await arrive(platform, tenant, [known])
        await until(lambda: count(platform, tenant, "sent"))
        person, address = uuid4(), f"email-{uuid4()}"
        renamed = {**known.__dict__, "version": 2, "person_id": person, "email_token": address, "changed": ["email"]}
        await arrive(platform, tenant, [LeadUpdated.model_validate(renamed)])
        await arrive(platform, tenant, [other := lead(person_id=person, email_token=address)])
        contact = await platform.caller.ask(tenant, GetContact(lead_id=other.lead_id))
        assert (contact.status, contact.eligible_for_outreach) == ("resting", False)
        assert len(gate.handed) == 1


async def test_the_lead_that_stands_is_contacted_though_the_merged_one_was_enrolled_first(
    platform: Platform, tenant: str
) -> None:
    merged = lead()
    survivor = lead(email_token=merged.email_token)
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await campaign(platform, tenant)  # there is no account: both wait
        await arrive(platform, tenant, [merged])
        await arrive(platform, tenant, [gone(merged, survivor.lead_id), survivor, stands(survivor, merged)])
        await account(platform, tenant)
        await until(lambda: count(platform, tenant, "sent"))
        states = {m["lead_id"]: m["state"] for m in await messages(platform, tenant)}
        assert states[survivor.lead_id] == "sent"
        assert states[merged.lead_id] != "sent"
        assert len(gate.handed) == 1


@pytest.mark.usefixtures("by_hand")
async def test_a_message_that_is_tried_again_later_is_explained_so(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 1))
        claimed, (message,) = await taken(database, tenant)
        async with database.begin(tenant) as uow:
            await record(uow, [Result(tenant, message, claimed.token, SendState.QUEUED, "busy", again_after=7200.0)])
        told = await platform.caller.ask(tenant, ExplainMessage(message_id=message))
        assert told.earliest == told.message.due_at
        assert told.message.waiting_for is None


async def test_who_stops_one_tenants_messages_holds_up_nobody_elses(
    platform: Platform, database: Database, tenant: str
) -> None:
    other = f"{tenant}-2"
    async with outreach(platform, tenant, Outbox(tenant)):
        await platform.introduce(other, "outreach")
        for each in (tenant, other):
            await arrive(platform, each, [lead()])
            await campaign(platform, each)  # there is no account yet
        async with database.begin(tenant) as uow:
            await locks.stop_messages(uow, [tenant])
            await account(platform, tenant)
            await until(lambda: _count_is(platform, tenant, "claimed", 1))
            await account(platform, other)
            await until(lambda: _count_is(platform, other, "sent", 1))
            assert await count(platform, tenant, "claimed") == 1
        await until(lambda: _count_is(platform, tenant, "sent", 1))


async def _count_is(platform: Platform, tenant: str, state: str, number: int) -> bool:
    return await count(platform, tenant, state) == number


@pytest.mark.usefixtures("by_hand")
async def test_who_cannot_be_had_by_every_name_rests_by_the_others(
    platform: Platform, database: Database, tenant: str
) -> None:
    one = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [one])
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 1))
    (message,) = await messages(platform, tenant)
    names, mine = [f"person:{one.lead_id}", f"email:{one.email_token}"], message["enrollment_id"]
    async with platform.sql() as sql:
        # As if another system had sent the first message of the sequence, and another sequence had the person by their id.
        await sql.execute("update outreach.enrollment set holds = false where enrollment_id = $1", mine)
        await sql.execute("update outreach.hold set enrollment_id = $1 where name = $2", uuid4(), names[0])
        before = "update outreach.hold set lasts = false, last_sent_at = now() - interval '10 days' where name = $1"
        await sql.execute(before, names[1])
    async with database.begin(tenant) as uow:
        assert await store_queue.take_holds(uow, [(tenant, mine, names)], REST) == set()
        rows = await uow.execute(
            "select lasts, last_sent_at is not null as rests from hold where tenant_id = :tenant order by lasts",
            tenant=tenant,
        )
        assert [tuple(row) for row in rows] == [(False, True), (True, False)]


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(("limit", "leave"), [(1, 0), (3, 3)])
async def test_what_was_claimed_leaves_within_the_limit_that_its_account_has_by_then(
    platform: Platform, database: Database, tenant: str, limit: int, leave: int
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        sender = await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(3)])
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, 3))
        claimed, ids = await taken(database, tenant, leave=False)
        within = {row["message_id"]: limits_of(row) for row in claimed.messages}
        less = NewAccountSettings.model_validate(
            {"daily_limits": {"email": limit}, "least_gap_minutes": 0, "most_gap_minutes": 0}
        )
        await platform.caller.ask(tenant, SetAccount(account_id=sender.account_id, settings=less))
        async with database.begin(tenant) as uow:
            assert len(await begin(uow, dict.fromkeys(ids, (tenant, claimed.token)), within)) == leave
