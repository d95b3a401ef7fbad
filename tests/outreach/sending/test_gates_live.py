"""The gates at work: what leaves, what waits and until when, and what a reader is told about it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.message import ProblemCode, ProblemError
from contracts.outreach.accounts import ListAccounts, PauseAccount, RemoveAccount, ResumeAccount, SetAccount
from contracts.outreach.campaigns import Audience, CreateCampaign, NewStep, PauseCampaign, ResumeCampaign
from contracts.outreach.sending import (
    ExplainMessage,
    Explanation,
    MessageHistory,
    SettleMessage,
    SkipMessage,
    SkipReason,
)
from contracts.outreach.sending import (
    Gate as GateName,
)
from contracts.taxonomy import Channel, SendKind, Tier
from outreach.providers.protocol import Outgoing, Receipt
from outreach.sending.domain_gates import REST
from tests.outreach.scene import Gate, account, arrive, campaign, count, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


def open_gate(tenant: str) -> Gate:
    gate = Gate(tenant)
    gate.open()
    return gate


async def explain(platform: Platform, tenant: str, message_id: UUID) -> Explanation:
    return await platform.caller.ask(tenant, ExplainMessage(message_id=message_id))


async def reached(platform: Platform, tenant: str, **states: int) -> bool:
    return all([await count(platform, tenant, state) == number for state, number in states.items()])


async def test_so_many_leave_a_day_and_the_next_waits_for_tomorrow(platform: Platform, tenant: str) -> None:
    gate = open_gate(tenant)
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead() for _ in range(40)])
        await campaign(platform, tenant, settings={"daily_cap": 38})
        await until(lambda: reached(platform, tenant, sent=38, queued=2))
        waiting = next(m for m in await messages(platform, tenant) if m["state"] == "queued")
        told = await explain(platform, tenant, waiting["message_id"])
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert (told.binding, told.earliest) == (GateName.ACCOUNT_CAPACITY, tomorrow)
    assert len(told.verdicts) == len(GateName)
    assert [v.gate for v in told.verdicts if not v.passes] == [GateName.ACCOUNT_CAPACITY]
    assert len(gate.handed) == 38


async def test_an_account_sends_one_message_and_then_waits_six_to_sixteen_minutes(
    platform: Platform, tenant: str
) -> None:
    gate = open_gate(tenant)
    async with outreach(platform, tenant, gate):
        await account(platform, tenant, least_gap_minutes=6, most_gap_minutes=16)
        await arrive(platform, tenant, [lead() for _ in range(3)])
        await campaign(platform, tenant)
        await until(lambda: reached(platform, tenant, sent=1, queued=2))
        (view,) = (await platform.caller.ask(tenant, ListAccounts())).accounts
        waiting = next(m for m in await messages(platform, tenant) if m["state"] == "queued")
        told = await explain(platform, tenant, waiting["message_id"])
    sent = next(m for m in await messages(platform, tenant) if m["state"] == "sent")
    assert view.next_at
    assert timedelta(minutes=6) <= view.next_at - sent["spent_at"] <= timedelta(minutes=16)
    assert (view.sent_today, told.binding, told.earliest) == ({"email": 1}, GateName.RANDOM_GAP, view.next_at)


async def test_outside_of_the_recipients_hours_nothing_leaves(platform: Platform, tenant: str) -> None:
    now = datetime.now(UTC)
    hours = {"opens": "09:00", "closes": "10:00", "weekdays": [1, 2, 3, 4, 5, 6, 7], "holidays": "none"}
    # Fixed offsets: where it is half past nine now, and where it is half past seven in the evening.
    there, elsewhere = (_zone(now, hour) for hour in (9, 19))
    awake, asleep = lead(time_zone=there), lead(time_zone=elsewhere)
    gate = open_gate(tenant)
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [awake, asleep])
        await campaign(platform, tenant, settings={"hours": hours})
        await until(lambda: reached(platform, tenant, sent=1))
        (waiting,) = [m for m in await messages(platform, tenant) if m["state"] == "queued"]
        await until(lambda: _waits_for(platform, tenant, "business_hours"))
        told = await explain(platform, tenant, waiting["message_id"])
    assert (waiting["lead_id"], told.binding) == (asleep.lead_id, GateName.BUSINESS_HOURS)
    assert told.earliest
    assert timedelta(hours=12) < told.earliest - now < timedelta(hours=15)


async def test_nobody_else_contacts_a_person_for_sixty_days(platform: Platform, tenant: str) -> None:
    one = lead(phone=True)
    other = lead(email=False, phone=True, person_id=one.person_id)
    gate = open_gate(tenant)
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await account(platform, tenant, Channel.SMS)
        await campaign(platform, tenant)
        await arrive(platform, tenant, [one])
        await until(lambda: reached(platform, tenant, sent=1))
        await campaign(platform, tenant, NewStep(kind=SendKind.SMS), settings={"offer": "other"})
        await arrive(platform, tenant, [other])
        await until(lambda: _waits_for(platform, tenant, "sixty_days", 2))
        (sent,) = [m for m in await messages(platform, tenant) if m["state"] == "sent"]
        for message in await messages(platform, tenant):
            if message["state"] == "queued":
                told = await explain(platform, tenant, message["message_id"])
                assert told.binding is GateName.SIXTY_DAYS
                assert told.earliest
                assert timedelta(0) <= told.earliest - REST - sent["ended_at"] < timedelta(seconds=1)
        assert len(gate.handed) == 1

        async with platform.sql() as sql:  # 60 days pass
            await sql.execute(
                "update outreach.hold set last_sent_at = last_sent_at - interval '60 days' where tenant_id = $1", tenant
            )
            await sql.execute(
                "update outreach.send_queue set due_at = now() where tenant_id = $1 and state = 'queued'", tenant
            )
            await sql.execute("update outreach.lane set ready_at = now() where tenant_id = $1", tenant)
        await until(lambda: reached(platform, tenant, sent=2, queued=0))
        assert len(gate.handed) == 2, "one of the two has the person now; the other is of the same campaign"


async def test_a_sequence_goes_on_by_itself_from_the_same_account(platform: Platform, tenant: str) -> None:
    steps = (
        NewStep(),
        NewStep(delay_days=3),
        NewStep(condition=Audience(tier=Tier.B)),
        NewStep(kind=SendKind.CONNECTION_REQUEST),
        NewStep(kind=SendKind.SMS),
    )
    known = lead(tier="A", linkedin=True)
    gate = open_gate(tenant)
    async with outreach(platform, tenant, gate):
        for _ in range(3):
            await account(platform, tenant)
        await account(platform, tenant, Channel.LINKEDIN)
        await arrive(platform, tenant, [known])
        made = await campaign(platform, tenant, *steps)
        await until(lambda: reached(platform, tenant, sent=1, queued=1))
        first, second = await messages(platform, tenant)
        assert second["due_at"] - first["ended_at"] == timedelta(days=3)
        assert first["account_id"] == second["account_id"]
        assert (await explain(platform, tenant, second["message_id"])).earliest == second["due_at"]
        await _pass(platform, tenant)
        await until(lambda: reached(platform, tenant, sent=3, skipped=2))
        found = await messages(platform, tenant)
    assert [(m["step"], m["state"], m["reason"]) for m in sorted(found, key=lambda m: m["step"])] == [
        (1, "sent", None), (2, "sent", None), (3, "skipped", "condition"), (4, "sent", None), (5, "skipped", "condition"),
    ]  # fmt: skip
    assert [e["step"] for e in await events(platform, tenant, "message_sent")] == [1, 2, 4]
    assert [e["step"] for e in await events(platform, tenant, "followup_sent")] == [2, 4]
    assert [e["step"] for e in await events(platform, tenant, "followup_scheduled")] == [2, 3, 4, 5]
    (ended,) = await events(platform, tenant, "enrollment_ended")
    assert (ended["campaign_id"], ended["reason"]) == (str(made.campaign_id), "completed")


async def test_an_account_that_is_paused_or_removed_sends_nothing(platform: Platform, tenant: str) -> None:
    gate = open_gate(tenant)
    async with outreach(platform, tenant, gate):
        sales = await account(platform, tenant)
        await platform.caller.ask(tenant, PauseAccount(account_id=sales.account_id))
        await arrive(platform, tenant, [lead(), lead()])
        await campaign(platform, tenant)
        await until(lambda: reached(platform, tenant, queued=2))
        (first, _) = await messages(platform, tenant)
        assert (await explain(platform, tenant, first["message_id"])).binding is GateName.ACCOUNT_HEALTHY
        assert gate.handed == []

        other = await account(platform, tenant)
        removed = await platform.caller.ask(tenant, RemoveAccount(account_id=sales.account_id))
        assert removed.state == "removed"
        await until(lambda: reached(platform, tenant, sent=2))
        assert {m["account_id"] for m in await messages(platform, tenant)} == {other.account_id}
        assert [a.account_id for a in (await platform.caller.ask(tenant, ListAccounts())).accounts] == [
            other.account_id
        ]


async def test_who_is_new_is_sent_nothing_from_a_paused_account_while_there_is_another(
    platform: Platform, tenant: str
) -> None:
    known, new = lead(), [lead() for _ in range(8)]
    async with outreach(platform, tenant, open_gate(tenant)):
        paused = await account(platform, tenant)
        await campaign(platform, tenant)
        await arrive(platform, tenant, [known])
        await until(lambda: reached(platform, tenant, sent=1))
        other = await account(platform, tenant)
        await platform.caller.ask(tenant, PauseAccount(account_id=paused.account_id))
        await arrive(platform, tenant, new)
        await until(lambda: reached(platform, tenant, sent=1 + len(new)))
        await campaign(platform, tenant)
        await until(lambda: reached(platform, tenant, queued=1 + len(new)))
        told = await messages(platform, tenant)
    of_known = {message["account_id"] for message in told if message["lead_id"] == known.lead_id}
    of_others = {message["account_id"] for message in told if message["lead_id"] != known.lead_id}
    assert (of_known, of_others) == ({paused.account_id}, {other.account_id})


async def test_a_removed_account_may_send_nothing_and_a_draft_campaign_is_told_as_one(
    platform: Platform, tenant: str
) -> None:
    async with outreach(platform, tenant):
        sales = await account(platform, tenant)
        for _ in range(2):
            await platform.caller.ask(tenant, RemoveAccount(account_id=sales.account_id))
        limits = [event["daily_limits"] for event in await events(platform, tenant, "sending_limit_set")]
        assert limits == [{"email": 100_000}, {"email": 0}]
        for start in (True, False):
            await platform.caller.ask(tenant, CreateCampaign(title="Autumn", start=start))
        assert [event["draft"] for event in await events(platform, tenant, "campaign_created")] == [False, True]


async def test_an_account_is_changed_and_its_channel_is_not(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant):
        sales = await account(platform, tenant)
        order: dict[str, Any] = {"account_id": sales.account_id, "settings": {"daily_limits": {"email": 7}}}
        changed = await platform.caller.ask(tenant, SetAccount.model_validate(order))
        assert (changed.title, changed.settings.daily_limit(SendKind.EMAIL)) == ("Sales", 7)
        told = await events(platform, tenant, "sending_limit_set")
        assert [event["daily_limits"] for event in told] == [{"email": 100_000}, {"email": 7}]
        assert {event["transport"] for event in told} == {"sandbox"}
        for wrong in ({"channel": "sms"}, {"settings": {"daily_limits": {"sms": 7}}}):
            with pytest.raises(ProblemError):
                await platform.caller.ask(tenant, SetAccount.model_validate({"account_id": sales.account_id, **wrong}))
        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(tenant, ResumeAccount(account_id=UUID(int=1)))
        assert refused.value.problem.code is ProblemCode.NOT_FOUND


@pytest.mark.parametrize("reason", [None, SkipReason.WRONG_PERSON])
async def test_a_message_that_is_skipped_by_hand_is_followed_by_the_next_and_says_why(
    platform: Platform, tenant: str, reason: SkipReason | None
) -> None:
    why, more = reason or "by_hand", {"reason": reason} if reason else {}
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant, NewStep(), NewStep(delay_days=1))
        await until(lambda: reached(platform, tenant, queued=1))
        (message,) = await messages(platform, tenant)
        skipped = await platform.caller.ask(
            tenant, SkipMessage(message_id=message["message_id"], actor="user:7", **more)
        )
        assert (skipped.state, skipped.reason) == ("skipped", why)
        assert [m["step"] for m in await messages(platform, tenant) if m["state"] == "queued"] == [2]
        (told,) = await events(platform, tenant, "message_skipped")
        assert (told["reason"], told["actor"]) == (why, "user:7")
        with pytest.raises(ProblemError, match="skipped"):
            await platform.caller.ask(tenant, SkipMessage(message_id=message["message_id"]))
        history = await platform.caller.ask(tenant, MessageHistory(message_id=message["message_id"]))
        assert [(change.state, change.reason) for change in history.changes] == [
            ("queued", None),
            ("skipped", why),
        ]
        assert (await explain(platform, tenant, message["message_id"])).verdicts == []


@pytest.mark.parametrize(
    ("outcome", "state", "handed"), [("sent", "sent", 1), ("failed", "failed", 1), ("send_again", "sent", 2)]
)
async def test_somebody_says_what_became_of_an_unknown_message(
    platform: Platform, tenant: str, outcome: str, state: str, handed: int
) -> None:
    class Breaks(Gate):
        async def send(self, message: Outgoing) -> Receipt:
            receipt = await super().send(message)
            if message.tenant == tenant and len(self.handed) == 1:
                raise ConnectionResetError
            return receipt

    breaks = Breaks(tenant)
    breaks.open()
    async with outreach(platform, tenant, breaks):
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: reached(platform, tenant, unknown=1))
        (message,) = await messages(platform, tenant)
        order = SettleMessage(message_id=message["message_id"], outcome=outcome, actor="user:7")  # type: ignore[arg-type]
        await platform.caller.ask(tenant, order)
        await until(lambda: reached(platform, tenant, **{state: 1}))
        with pytest.raises(ProblemError):
            await platform.caller.ask(tenant, order)
    assert len(breaks.handed) == handed
    assert len(await events(platform, tenant, f"message_{state}")) == 1


async def test_what_a_paused_campaign_holds_is_explained(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant, open_gate(tenant)):
        made = await campaign(platform, tenant)
        await platform.caller.ask(tenant, PauseCampaign(campaign_id=made.campaign_id))
        await account(platform, tenant)
        await arrive(platform, tenant, [lead()])
        await until(lambda: reached(platform, tenant, queued=1))
        (message,) = await messages(platform, tenant)
        told = await explain(platform, tenant, message["message_id"])
        assert (told.binding, told.earliest) == (GateName.CAMPAIGN_RUNNING, None)
        assert "paused" in next(v.why for v in told.verdicts if v.gate is GateName.CAMPAIGN_RUNNING)
        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made.campaign_id))
        await until(lambda: reached(platform, tenant, sent=1))


def _zone(now: datetime, hour: int) -> str:
    """The zone in which it is now between `hour` and the next, whatever the time of day."""
    offset = (hour - now.hour) % 24
    offset = offset - 24 if offset > 14 else offset
    return f"Etc/GMT{'-' if offset >= 0 else '+'}{abs(offset)}"  # the sign is the other way round (POSIX)


async def _pass(platform: Platform, tenant: str) -> None:
    async with platform.sql() as sql:
        await sql.execute(
            "update outreach.send_queue set due_at = now() where tenant_id = $1 and state = 'queued'", tenant
        )
        await sql.execute("update outreach.lane set ready_at = now() where tenant_id = $1", tenant)


async def _waits_for(platform: Platform, tenant: str, what: str, number: int = 1) -> bool:
    return sum(m["waiting_for"] == what for m in await messages(platform, tenant)) == number
