"""What comes back of a message is kept once, told, and acted on; its words lie in intake's vault."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.unit_of_work import Database
from contracts.intake.privacy import OnBehalfOf
from contracts.intake.texts import RevealTexts
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.campaigns import NewStep
from contracts.outreach.people import ListSuppressions, SuppressionReason
from contracts.outreach.replies import (
    ClassifyReply,
    HandleReply,
    ListReplies,
    MailTaken,
    ReplyView,
    ReportComplaint,
    ReportDelivery,
    StopAfterReply,
    TakeMail,
    TakeReply,
)
from contracts.outreach.sending import ExplainMessage, Gate
from contracts.taxonomy import Fault, Purpose, ReplyClass, Role
from outreach import locks
from tests.outreach.scene import Outbox, Outboxes, account, campaign, count, events, messages, new_lead
from tests.platform import Platform
from tests.waiting import until

ADMIN = OnBehalfOf(user="user:1", role=Role.ADMIN)
TWO_STEPS = (NewStep(), NewStep(delay_days=3))


@pytest.fixture
async def outbox(outboxes: Outboxes, platform: Platform, tenant: str) -> Outbox:
    await platform.introduce(tenant, "intake", "outreach", metadata_allowed=["company"])
    return outboxes.of(tenant)


async def sent(platform: Platform, tenant: str, *leads: dict[str, Any], **settings: Any) -> list[UUID]:
    """Messages that were sent to leads of a campaign of two steps, in the leads' order."""
    ids = []
    for lead in leads or ({},):
        number = uuid4().hex[:12]
        ids.append(await new_lead(platform, tenant, email=f"ada.{number}@example.com", **lead))
    await account(platform, tenant)
    await campaign(platform, tenant, *TWO_STEPS, settings=settings)

    async def all_sent() -> bool:
        return await count(platform, tenant, "sent") == len(ids)

    await until(all_sent, what="the first messages are sent")
    by_lead = {row["lead_id"]: row["message_id"] for row in await messages(platform, tenant) if row["step"] == 1}
    return [by_lead[lead] for lead in ids]


async def answer(platform: Platform, tenant: str, message: UUID, text: str, key: str = "1") -> ReplyView:
    return await platform.caller.ask(tenant, TakeReply(message_id=message, source_key=key, text=text))


async def mail(platform: Platform, tenant: str, raw: str) -> MailTaken:
    return await platform.caller.ask(tenant, TakeMail.model_validate({"raw": _base64(raw)}))


def _base64(raw: str) -> bytes:
    from base64 import b64encode

    return b64encode(raw.encode())


async def enrollment(platform: Platform, message: UUID) -> dict[str, Any]:
    async with platform.sql() as sql:
        row = await sql.fetchrow(
            "select enrollment.* from outreach.enrollment join outreach.send_queue using (enrollment_id) where message_id = $1",
            message,
        )
    return dict(row)


async def second_step(platform: Platform, tenant: str, enrollment_id: UUID) -> dict[str, Any]:
    (row,) = [
        row for row in await messages(platform, tenant) if row["enrollment_id"] == enrollment_id and row["step"] == 2
    ]
    return row


async def test_a_reply_stops_its_sequence_and_its_words_lie_in_the_vault(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    words = "Yes, I am interested. Please call me tomorrow about the azure cottage."

    reply = await answer(platform, tenant, message, words)

    assert (reply.reply_class, reply.needs_person, reply.has_text) == (ReplyClass.INTERESTED, False, True)
    sequence = await enrollment(platform, message)
    assert sequence["end_reason"] == "replied"
    assert sequence["replied_at"] == reply.received_at
    after = await second_step(platform, tenant, sequence["enrollment_id"])
    assert (after["state"], after["reason"]) == ("skipped", "replied")
    (received,) = await events(platform, tenant, "reply_received")
    (classified,) = await events(platform, tenant, "reply_classified")
    assert received["reply_id"] == classified["reply_id"] == str(reply.reply_id)
    assert classified["reply_class"] == "interested"
    shown = await platform.caller.ask(
        tenant, RevealTexts(text_ids=[reply.reply_id], purpose=Purpose.SUPPORT, on_behalf_of=ADMIN)
    )
    assert shown.texts[0].text == words
    async with platform.sql() as sql:
        for table in ("reply", "taken", "outbox", "send_queue", "message_event"):
            stored = await sql.fetchval(f"select string_agg({table}::text, ' ') from outreach.{table}")
            assert "azure" not in stored


async def test_a_reply_is_acted_on_although_intake_does_not_know_its_lead(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    async with platform.sql() as sql:
        await sql.execute("delete from intake.lead where tenant_id = $1", tenant)

    reply = await answer(platform, tenant, message, "Not interested, thanks.")

    assert (reply.reply_class, reply.has_text) == (ReplyClass.NOT_INTERESTED, False)
    assert (await enrollment(platform, message))["end_reason"] == "replied"


async def test_a_reply_that_comes_again_changes_nothing(platform: Platform, tenant: str, outbox: Outbox) -> None:
    (message,) = await sent(platform, tenant)

    first = await answer(platform, tenant, message, "Not interested, thanks.")
    again = await answer(platform, tenant, message, "Not interested, thanks.")

    assert first == again
    assert len(await events(platform, tenant, "reply_received")) == 1


async def test_a_service_may_call_a_reply_and_the_reports_of_its_message_alike(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    about: dict[str, Any] = {"message_id": message, "source_key": "sms-0c41"}

    for _ in range(2):
        await platform.caller.ask(tenant, ReportDelivery(**about, delivered=True))
        await platform.caller.ask(tenant, ReportDelivery(**about, delivered=False, fault=Fault.TRANSIENT))
        await platform.caller.ask(tenant, ReportComplaint(**about))
        reply = await answer(platform, tenant, message, "Not interested.", key="sms-0c41")

    assert reply.reply_class is ReplyClass.NOT_INTERESTED
    reported = [event["delivered"] for event in await events(platform, tenant, "delivery_reported")]
    assert reported == [True, False]
    for name in ("complaint_received", "reply_received"):
        assert len(await events(platform, tenant, name)) == 1


async def test_what_the_rules_are_not_sure_of_is_a_persons_to_read(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)

    unsure = await answer(platform, tenant, message, "Hm, the weather has been odd this year.")

    assert unsure.needs_person
    (event,) = await events(platform, tenant, "manual_action_required")
    assert event["reply_id"] == str(unsure.reply_id)
    assert await events(platform, tenant, "reply_classified") == []
    assert (await enrollment(platform, message))["end_reason"] == "replied"
    waiting = await platform.caller.ask(tenant, ListReplies(needs_person=True))
    assert waiting.replies == [unsure]

    order = ClassifyReply(reply_id=unsure.reply_id, reply_class=ReplyClass.UNSUBSCRIBE, actor="user:7")
    read = await platform.caller.ask(tenant, order)

    assert (read.reply_class, read.needs_person, read.classified_by) == (ReplyClass.UNSUBSCRIBE, False, "user:7")
    assert (await platform.caller.ask(tenant, ListReplies(needs_person=True))).replies == []
    (classified,) = await events(platform, tenant, "reply_classified")
    assert classified["actor"] == "user:7"
    (entry,) = (await platform.caller.ask(tenant, ListSuppressions())).suppressions
    assert (entry.reason, entry.actor) == (SuppressionReason.UNSUBSCRIBED, "user:7")


async def test_who_has_seen_to_a_reply_takes_it_off_the_list_without_saying_what_it_says(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    reply = await answer(platform, tenant, message, "Blue seventeen.")
    assert reply.needs_person
    handle = HandleReply(reply_id=reply.reply_id, actor="user:7")
    done = await platform.caller.ask(tenant, handle)
    assert (done.needs_person, done.handled_by, done.reply_class, done.classified_by) == (False, "user:7", None, None)
    assert done.handled_at
    assert (await platform.caller.ask(tenant, ListReplies(needs_person=True))).replies == []
    again = await platform.caller.ask(tenant, handle.model_copy(update={"actor": "user:8"}))
    assert again == done
    (event,) = await events(platform, tenant, "reply_handled")
    assert (event["reply_id"], event["actor"]) == (str(reply.reply_id), "user:7")
    with pytest.raises(ProblemError) as unknown:
        await platform.caller.ask(tenant, HandleReply(reply_id=uuid4(), actor="user:7"))
    assert unknown.value.problem.code is ProblemCode.NOT_FOUND


async def test_a_person_stops_a_sequence_that_a_reply_did_not_stop(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    reply = await answer(platform, tenant, message, "I am out of the office until further notice.")
    assert (reply.reply_class, reply.sequence_goes_on) == (ReplyClass.OUT_OF_OFFICE, True)
    stop = StopAfterReply(reply_id=reply.reply_id, actor="user:7")
    stopped = await platform.caller.ask(tenant, stop)
    assert (stopped.sequence_goes_on, stopped.reply_class) == (False, ReplyClass.OUT_OF_OFFICE)
    sequence = await enrollment(platform, message)
    assert (sequence["end_reason"], sequence["holds"]) == ("replied", False)
    after = await second_step(platform, tenant, sequence["enrollment_id"])
    assert (after["state"], after["reason"]) == ("skipped", "replied")
    (skipped,) = await events(platform, tenant, "message_skipped")
    assert skipped["actor"] == "user:7"
    assert await platform.caller.ask(tenant, stop) == stopped
    (listed,) = (await platform.caller.ask(tenant, ListReplies())).replies
    assert listed == stopped


async def test_who_is_out_of_office_is_waited_for(platform: Platform, tenant: str, outbox: Outbox) -> None:
    (message,) = await sent(platform, tenant)
    back = datetime.now(UTC).date() + timedelta(days=30)

    reply = await answer(platform, tenant, message, f"I am out of the office and will be back on {back.isoformat()}.")

    assert (reply.reply_class, reply.returns_on) == (ReplyClass.OUT_OF_OFFICE, back)
    sequence = await enrollment(platform, message)
    assert sequence["ended_at"] is None
    after = await second_step(platform, tenant, sequence["enrollment_id"])
    assert after["state"] == "queued"
    assert await opens(platform, tenant, after["message_id"]) == datetime(back.year, back.month, back.day, tzinfo=UTC)


async def test_who_is_out_of_office_is_so_for_every_campaign(platform: Platform, tenant: str, outbox: Outbox) -> None:
    """For one that has them only once the one that they answered is over, too."""
    (message,) = await sent(platform, tenant)
    other = await campaign(platform, tenant, *TWO_STEPS)

    async def queued() -> UUID | None:
        rows = await messages(platform, tenant)
        return next((row["message_id"] for row in rows if row["campaign_id"] == other.campaign_id), None)

    waiting = await until(queued, what="the other campaign's message")
    back = datetime.now(UTC).date() + timedelta(days=30)
    said = await answer(platform, tenant, message, f"I am out of the office and will be back on {back.isoformat()}.")

    assert await opens(platform, tenant, waiting) == datetime(back.year, back.month, back.day, tzinfo=UTC)

    await platform.caller.ask(
        tenant, ClassifyReply(reply_id=said.reply_id, actor="user:7", reply_class=ReplyClass.AUTO_REPLY)
    )
    assert await opens(platform, tenant, waiting) is None


async def opens(platform: Platform, tenant: str, message: UUID) -> datetime | None:
    """Until when a message waits for its person."""
    why = await platform.caller.ask(tenant, ExplainMessage(message_id=message))
    return next(verdict for verdict in why.verdicts if verdict.gate is Gate.REPLIED).opens_at


async def test_a_person_corrects_until_when_somebody_is_waited_for(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    today = datetime.now(UTC).date()
    (message,) = await sent(platform, tenant)
    reply = await answer(platform, tenant, message, f"I am out of the office until {today + timedelta(days=300)}.")
    after = await second_step(platform, tenant, (await enrollment(platform, message))["enrollment_id"])
    async with platform.sql() as sql:
        # As if three days had passed.
        await sql.execute("update outreach.send_queue set due_at = now() where message_id = $1", after["message_id"])
        await sql.execute("update outreach.lane set ready_at = now() where tenant_id = $1", tenant)

    async def waits() -> bool:
        (kept,) = [row for row in await messages(platform, tenant) if row["message_id"] == after["message_id"]]
        return kept["waiting_for"] == "replied"

    await until(waits, what="the follow-up waits for the person")
    said: dict[str, Any] = {"reply_id": reply.reply_id, "actor": "user:7"}
    away = ClassifyReply(**said, reply_class=ReplyClass.OUT_OF_OFFICE, returns_on=today + timedelta(days=30))
    await platform.caller.ask(tenant, away)
    assert (await enrollment(platform, message))["paused_until"].date() == today + timedelta(days=30)

    await platform.caller.ask(tenant, ClassifyReply(**said, reply_class=ReplyClass.AUTO_REPLY))

    await until(lambda: second_is(platform, tenant, after["message_id"], "sent"), what="the follow-up leaves")


async def second_is(platform: Platform, tenant: str, message: UUID, state: str) -> bool:
    return (message, state) in {(row["message_id"], row["state"]) for row in await messages(platform, tenant)}


async def test_who_wants_to_be_left_alone_is(platform: Platform, tenant: str, outbox: Outbox) -> None:
    (message,) = await sent(platform, tenant)

    await answer(platform, tenant, message, "Please unsubscribe me from this list.")

    (entry,) = (await platform.caller.ask(tenant, ListSuppressions())).suppressions
    assert (entry.reason, entry.channel, entry.expires_at) == (SuppressionReason.UNSUBSCRIBED, None, None)
    (told,) = await events(platform, tenant, "unsubscribed")
    assert told["message_id"] == str(message)
    assert (await enrollment(platform, message))["end_reason"] == "unsubscribed"


async def test_a_reply_stops_the_company_where_asked(platform: Platform, tenant: str, outbox: Outbox) -> None:
    leads = [{"metadata": {"company": name}} for name in ("Acme Ltd", " acme ltd", "Other Inc")]
    asked, colleague, stranger = await sent(platform, tenant, *leads, stop_for_company=True)

    await answer(platform, tenant, asked, "We are not interested.")

    assert (await enrollment(platform, colleague))["end_reason"] == "replied"
    assert (await enrollment(platform, stranger))["ended_at"] is None


async def test_a_reply_stops_nobody_else_where_not_asked(platform: Platform, tenant: str, outbox: Outbox) -> None:
    asked, colleague = await sent(platform, tenant, *[{"metadata": {"company": "Acme"}}] * 2)

    await answer(platform, tenant, asked, "We are not interested.")

    assert (await enrollment(platform, colleague))["ended_at"] is None


REPLY = """From: Ada <ada@example.com>
To: sales@example.com
Subject: Re: A question
Message-ID: <{own}@example.com>
In-Reply-To: <{message}@leadloop>
Date: Mon, 30 Nov 2026 03:00:00 +0000
Content-Type: text/plain

Not interested, thank you.

On Sun, Sales wrote:
> Shall we talk?
"""
BOUNCE = """From: MAILER-DAEMON@example.net
To: sales@example.com
Subject: Undelivered Mail Returned to Sender
Message-ID: <{own}@example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I am sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; example.net

Final-Recipient: rfc822; ada@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} User unknown

--b
Content-Type: text/rfc822-headers

Message-ID: <{message}@leadloop>
From: sales@example.com

--b--
"""


async def test_a_mail_is_taken_by_the_message_that_it_names(platform: Platform, tenant: str, outbox: Outbox) -> None:
    (message,) = await sent(platform, tenant)

    taken = await mail(platform, tenant, REPLY.format(own="r1", message=message))

    assert (taken.kind, taken.message_id) == ("reply", message)
    (reply,) = (await platform.caller.ask(tenant, ListReplies())).replies
    assert (reply.reply_id, reply.reply_class) == (taken.reply_id, ReplyClass.NOT_INTERESTED)
    assert await mail(platform, tenant, REPLY.format(own="r1", message=message)) == taken
    assert len(await events(platform, tenant, "reply_received")) == 1


async def test_of_a_mail_about_nothing_of_the_tenants_nothing_is_kept(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    other = f"{tenant}-2"
    await platform.introduce(other, "intake", "outreach")

    for raw in (REPLY.format(own="r1", message=uuid4()), "Subject: Lunch?\n\nAt noon?", "\x00\x01"):
        assert (await mail(platform, tenant, raw)).message_id is None
    assert (await mail(platform, other, REPLY.format(own="r1", message=message))).message_id is None

    async with platform.sql() as sql:
        assert await sql.fetchval("select count(*) from outreach.taken where tenant_id = any($1)", [tenant, other]) == 0


async def test_an_address_that_does_not_exist_is_not_used_again(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    raw = BOUNCE.format(own="b1", message=message, action="failed", status="5.1.1")

    taken = await mail(platform, tenant, raw)
    await mail(platform, tenant, raw)

    assert taken.kind == "delivery_report"
    (event,) = await events(platform, tenant, "delivery_reported")
    assert (event["delivered"], event["reason"], event["fault"]) == (False, "mailbox_unknown", "recipient")
    (entry,) = (await platform.caller.ask(tenant, ListSuppressions())).suppressions
    assert (entry.reason, entry.channel) == (SuppressionReason.BOUNCE, "email")
    assert (await enrollment(platform, message))["end_reason"] == "failed"


async def test_what_came_back_by_nobodys_fault_suppresses_nobody(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)

    for number, fault in enumerate((None, Fault.POLICY, Fault.REPUTATION, Fault.TRANSIENT)):
        report = ReportDelivery(message_id=message, source_key=str(number), delivered=False, fault=fault)
        await platform.caller.ask(tenant, report)

    assert (await platform.caller.ask(tenant, ListSuppressions())).suppressions == []
    assert (await enrollment(platform, message))["ended_at"] is None


@pytest.mark.parametrize("back", ["delivery_reported", "replied"])
async def test_what_comes_back_of_an_unknown_message_settles_it(
    platform: Platform, tenant: str, outbox: Outbox, back: str
) -> None:
    (message,) = await sent(platform, tenant)
    async with platform.sql() as sql:
        await sql.execute("update outreach.send_queue set state = 'unknown' where message_id = $1", message)
        await sql.execute("delete from outreach.send_queue where tenant_id = $1 and step = 2", tenant)

    if back == "replied":
        await answer(platform, tenant, message, "Not interested.")
    else:
        await platform.caller.ask(tenant, ReportDelivery(message_id=message, source_key="1", delivered=True))

    sequence = await enrollment(platform, message)
    after = await second_step(platform, tenant, sequence["enrollment_id"])
    assert after["state"] == ("skipped" if back == "replied" else "queued")
    assert await count(platform, tenant, "unknown") == 0


async def test_a_delivery_is_taken_while_messages_leave_as_it_stops_none(
    platform: Platform, database: Database, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    async with database.begin(tenant) as uow:
        await locks.messages_leave(uow, [tenant])
        await platform.caller.ask(tenant, ReportDelivery(message_id=message, source_key="1", delivered=True))
    assert len(await events(platform, tenant, "delivery_reported")) == 1


async def test_who_complains_is_never_contacted_again(platform: Platform, tenant: str, outbox: Outbox) -> None:
    (message,) = await sent(platform, tenant)

    for _ in range(2):
        await platform.caller.ask(tenant, ReportComplaint(message_id=message, source_key="c1"))

    assert len(await events(platform, tenant, "complaint_received")) == 1
    (entry,) = (await platform.caller.ask(tenant, ListSuppressions())).suppressions
    assert (entry.reason, entry.expires_at) == (SuppressionReason.COMPLAINT, None)
    assert (await enrollment(platform, message))["end_reason"] == "suppressed"
    async with platform.sql() as sql:
        kinds = await sql.fetch("select kind from outreach.trouble where tenant_id = $1", tenant)
    assert [row["kind"] for row in kinds] == ["complaint"]


async def test_nothing_comes_back_of_what_has_not_left(platform: Platform, tenant: str, outbox: Outbox) -> None:
    (message,) = await sent(platform, tenant)
    after = await second_step(platform, tenant, (await enrollment(platform, message))["enrollment_id"])

    with pytest.raises(ProblemError) as refused:
        await answer(platform, tenant, after["message_id"], "Yes")
    assert refused.value.problem.code is ProblemCode.CONFLICT
    with pytest.raises(ProblemError) as unknown:
        await answer(platform, tenant, uuid4(), "Yes")
    assert unknown.value.problem.code is ProblemCode.NOT_FOUND
