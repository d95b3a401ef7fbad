"""What comes back of a message is kept once, told, and acted on; its words lie in intake's vault."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client.samples import Sample

from chassis.unit_of_work import Database
from contracts.intake.people import MergeLeads
from contracts.intake.privacy import OnBehalfOf
from contracts.intake.texts import RevealTexts
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.accounts import PauseAccount, ResumeAccount
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
from contracts.outreach.sending import ExplainMessage, Gate, SettleMessage
from contracts.taxonomy import Fault, Purpose, ReplyClass, Role
from outreach import locks
from outreach.replies import by_address
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
        ids.append(await new_lead(platform, tenant, **{"email": f"ada.{number}@example.com", **lead}))
    await account(platform, tenant)
    await campaign(platform, tenant, *TWO_STEPS, settings=settings)

    async def all_sent() -> bool:
        return await count(platform, tenant, "sent") == len(ids)

    await until(all_sent, what="the first messages are sent")
    by_lead = {row["lead_id"]: row["message_id"] for row in await messages(platform, tenant) if row["step"] == 1}
    return [by_lead[lead] for lead in ids]


async def answer(platform: Platform, tenant: str, message: UUID, text: str, key: str = "1") -> ReplyView:
    return await platform.caller.ask(tenant, TakeReply(message_id=message, source_key=key, text=text))


async def mail(platform: Platform, tenant: str, raw: str, account_id: UUID | None = None) -> MailTaken:
    return await platform.caller.ask(tenant, TakeMail.model_validate({"raw": _base64(raw), "account_id": account_id}))


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


ANEW = """From: "Ada" <{sender}>
To: sales@example.com
Subject: {subject}
Message-ID: <{own}@example.com>
Date: Mon, 30 Nov 2026 03:00:00 +0000
{header}Content-Type: text/plain

Not interested, thank you.
"""


async def anew(platform: Platform, tenant: str, sender: str, to: UUID | None, **said: str) -> MailTaken:
    """A mail comes in to an account that names no message: from another program than the one that got it, or written anew."""
    raw = ANEW.format(**{"sender": sender, "subject": "Your mail", "own": uuid4().hex, "header": "", **said})
    return await mail(platform, tenant, raw, to)


async def sent_to(platform: Platform, tenant: str, *emails: str, **lead: Any) -> tuple[UUID, list[UUID]]:
    """An account, and the messages that it sent to new leads with these addresses, in their order."""
    found = await sent(platform, tenant, *[{**lead, "email": each} for each in emails])
    rows = {row["message_id"]: row for row in await messages(platform, tenant)}
    return rows[found[0]]["account_id"], found


@pytest.mark.parametrize("subject", ["Your mail", "Re: A question"])
async def test_a_mail_that_names_no_message_answers_what_its_sender_was_sent(
    platform: Platform, tenant: str, outbox: Outbox, subject: str
) -> None:
    account_id, (message, other) = await sent_to(platform, tenant, "ada.lane@example.com", "grace@example.com")

    taken = await anew(platform, tenant, "Ada.Lane@Example.com", account_id, subject=subject)

    assert taken.message_id == message
    (reply,) = (await platform.caller.ask(tenant, ListReplies())).replies
    assert (reply.reply_id, reply.reply_class, reply.has_text) == (taken.reply_id, ReplyClass.NOT_INTERESTED, True)
    assert (await enrollment(platform, message))["end_reason"] == "replied"
    assert (await enrollment(platform, other))["ended_at"] is None
    async with platform.sql() as sql:
        for table in ("reply", "taken", "outbox", "send_queue", "message_event", "inbox", "lead", "hold"):
            stored = await sql.fetchval(f"select string_agg({table}::text, ' ') from outreach.{table}")
            assert "ada.lane" not in (stored or "").lower()


async def test_whom_the_account_wrote_to_long_ago_answers_only_a_sequence_that_goes_on(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    account_id, (ended, going_on) = await sent_to(platform, tenant, "ada@example.com", "grace@example.com")
    await answer(platform, tenant, ended, "Not interested.")
    async with platform.sql() as sql:
        await sql.execute(
            "update outreach.send_queue set spent_at = now() - interval '61 days' where tenant_id = $1 and spent_at is not null",
            tenant,
        )

    assert (await anew(platform, tenant, "ada@example.com", account_id)).message_id is None
    assert (await anew(platform, tenant, "grace@example.com", account_id)).message_id == going_on


async def test_a_mail_that_names_no_message_is_nobodys_where_its_sender_does_not_tell(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    account_id, (message,) = await sent_to(platform, tenant, "ada@example.com")
    other = await account(platform, tenant)
    ada = "ada@example.com"
    before = unattributed()

    for sender, to, header in (
        ("stranger@example.com", account_id, ""),
        (ada, other.account_id, ""),
        (ada, None, ""),
        (ada, account_id, "List-Id: <news.example.com>\n"),
        (ada, account_id, "List-Unsubscribe: <https://example.com/u>\n"),
        ("", account_id, ""),
    ):
        assert (await anew(platform, tenant, sender, to, header=header)).message_id is None

    assert unattributed() - before == 6
    assert (await enrollment(platform, message))["ended_at"] is None
    async with platform.sql() as sql:
        assert await sql.fetchval("select count(*) from outreach.taken where tenant_id = $1", tenant) == 0


def unattributed() -> float:
    """How many mails of persons were nobody's."""
    return sum(sample.value for sample in _samples() if sample.name.endswith("_total"))


def _samples() -> list[Sample]:
    (metric,) = by_address.UNATTRIBUTED.collect()
    return metric.samples


async def test_a_mail_that_may_answer_several_leads_is_a_persons_to_read(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    """Two leads had a message each before they were found to be one person's."""
    account_id, both = await sent_to(platform, tenant, "ada@example.com", "grace@example.com")
    rows = {row["message_id"]: row for row in await messages(platform, tenant)}
    async with platform.sql() as sql:
        person = "select person_id from intake.lead where lead_id = $1"
        one, other = [await sql.fetchval(person, rows[each]["lead_id"]) for each in both]
        await sql.execute("update intake.lead set person_id = $1 where person_id = $2", one, other)

    taken = await anew(platform, tenant, "ada@example.com", account_id, own="several")

    assert taken.message_id in both
    replies = (await platform.caller.ask(tenant, ListReplies(needs_person=True))).replies
    assert {reply.message_id for reply in replies} == set(both)
    for reply in replies:
        assert (reply.reply_class, reply.has_text, reply.rules) == (None, False, ["sender_of_several"])
    assert len(await events(platform, tenant, "manual_action_required")) == 2
    for message in both:
        assert (await enrollment(platform, message))["end_reason"] == "replied"
    assert await anew(platform, tenant, "ada@example.com", account_id, own="several") == taken
    assert len(await events(platform, tenant, "reply_received")) == 2


async def test_of_leads_that_were_merged_it_is_the_last_message_that_is_answered(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    account_id, (first, last) = await sent_to(platform, tenant, "ada@example.com", "grace@example.com")
    rows = {row["message_id"]: row for row in await messages(platform, tenant)}
    stays, merged = rows[first]["lead_id"], rows[last]["lead_id"]
    await platform.caller.ask(tenant, MergeLeads(survivor_id=stays, merged_id=merged, actor="user:7"))
    async with platform.sql() as sql:
        await sql.execute(
            "update outreach.send_queue set spent_at = now() + interval '1 s' where message_id = $1", last
        )

        async def known() -> bool:
            return bool(await sql.fetchval("select merged_into from outreach.lead where lead_id = $1", merged))

        await until(known, what="outreach knows of the merge")

    assert (await anew(platform, tenant, "ada@example.com", account_id)).message_id == last
    (reply,) = (await platform.caller.ask(tenant, ListReplies())).replies
    assert reply.reply_class is ReplyClass.NOT_INTERESTED


async def test_a_mail_waits_while_intake_does_not_say_who_wrote_it(
    platform: Platform, tenant: str, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id, (message,) = await sent_to(platform, tenant, "ada@example.com")
    async with platform.sql() as sql:
        await sql.execute("alter table intake.person_token rename to person_token_away")
        try:
            with pytest.raises(ProblemError):
                await anew(platform, tenant, "ada@example.com", account_id)
        finally:
            await sql.execute("alter table intake.person_token_away rename to person_token")
    assert (await anew(platform, tenant, "ada@example.com", account_id)).message_id == message


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


ABOUT_ANOTHER = """From: MAILER-DAEMON@example.net
To: sales@example.com
Subject: Undelivered Mail Returned to Sender
Message-ID: <{own}@example.net>
In-Reply-To: <{message}@leadloop>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; example.net

{recipient}
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

{returned}
From: Ada <ada@example.com>
Subject: Fwd: A question

--b--
"""


@pytest.mark.parametrize("returned", ["Message-ID: <theirs@example.com>", "To: bob@example.net"])
async def test_a_report_that_has_not_the_message_with_it_counts_for_the_person_it_was_sent_to(
    platform: Platform, tenant: str, outbox: Outbox, returned: str
) -> None:
    """Ada passed our message on, and that came back; or a server sent back nothing of what it did not deliver."""
    _, (message, other) = await sent_to(platform, tenant, "ada@example.com", "grace@example.com")

    async def report(recipient: str) -> MailTaken:
        return await mail(
            platform,
            tenant,
            ABOUT_ANOTHER.format(own=uuid4().hex, message=message, returned=returned, recipient=recipient),
        )

    for recipient in ("Final-Recipient: rfc822; bob@example.net", "Final-Recipient: rfc822; grace@example.com"):
        assert (await report(recipient)).message_id is None
    assert (await platform.caller.ask(tenant, ListSuppressions())).suppressions == []
    assert (await enrollment(platform, message))["ended_at"] is None

    rewritten = "Final-Recipient: rfc822; a.lovelace@mx.example.net\nOriginal-Recipient: rfc822; Ada@example.com"
    assert (await report(rewritten)).message_id == message
    (entry,) = (await platform.caller.ask(tenant, ListSuppressions())).suppressions
    assert (entry.reason, entry.channel) == (SuppressionReason.BOUNCE, "email")
    assert (await enrollment(platform, message))["end_reason"] == "failed"
    assert (await enrollment(platform, other))["ended_at"] is None


async def test_what_somebody_forwards_of_a_report_is_their_reply(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (message,) = await sent(platform, tenant)
    sample = (Path(__file__).parent / "mails" / "apple_mail_forwarded_dsn.eml").read_text("ascii")

    taken = await mail(platform, tenant, sample.replace("m-0021@agency.example", f"{message}@leadloop"))

    assert (taken.kind, taken.message_id) == ("reply", message)
    assert (await platform.caller.ask(tenant, ListSuppressions())).suppressions == []
    assert await events(platform, tenant, "delivery_reported") == []
    assert (await enrollment(platform, message))["end_reason"] == "replied"


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


async def sent_again(platform: Platform, tenant: str) -> tuple[UUID, UUID]:
    """An account, and its message of which nobody knew what became of it; somebody had it be sent again, and it waits."""
    account_id, (message,) = await sent_to(platform, tenant, "ada@example.com")
    async with platform.sql() as sql:
        await sql.execute(
            """with lost as (
                   update outreach.send_queue set state = 'unknown' where message_id = $1 returning tenant_id, message_id, state
               )
               insert into outreach.message_event (tenant_id, message_id, event_id, state, at)
               select tenant_id, message_id, uuidv7(), state, now() from lost""",
            message,
        )
        await sql.execute("delete from outreach.send_queue where tenant_id = $1 and step = 2", tenant)
    await platform.caller.ask(tenant, PauseAccount(account_id=account_id, actor="user:7"))
    await platform.caller.ask(tenant, SettleMessage(message_id=message, outcome="send_again"))
    return account_id, message


@pytest.mark.parametrize("by", ["service", "mail", "sender"])
async def test_who_answers_what_was_taken_for_lost_is_not_sent_it_again(
    platform: Platform, tenant: str, outbox: Outbox, by: str
) -> None:
    account_id, message = await sent_again(platform, tenant)

    if by == "service":
        await answer(platform, tenant, message, "Not interested.")
    elif by == "mail":
        await mail(platform, tenant, REPLY.format(own="r1", message=message))
    else:
        await anew(platform, tenant, "ada@example.com", account_id)

    (reply,) = (await platform.caller.ask(tenant, ListReplies())).replies
    assert reply.message_id == message
    assert (await enrollment(platform, message))["end_reason"] == "replied"
    assert [row["state"] for row in await messages(platform, tenant)] == ["sent", "skipped"]
    await left_alone(platform, tenant, account_id, outbox)


async def left_alone(platform: Platform, tenant: str, account_id: UUID, outbox: Outbox) -> None:
    """Whatever the account sends now, the message that it sent is not among it."""
    handed = [outgoing.message_id for outgoing in outbox.handed]
    await platform.caller.ask(tenant, ResumeAccount(account_id=account_id, actor="user:7"))
    await new_lead(platform, tenant, email="later@example.com")

    async def goes_on() -> bool:
        return len(outbox.handed) > len(handed)

    await until(goes_on, what="the account sends again")
    assert len({outgoing.message_id for outgoing in outbox.handed}) == len(outbox.handed)


@pytest.mark.parametrize(
    ("fault", "state"), [(None, "sent"), (Fault.RECIPIENT, "skipped"), (Fault.TRANSIENT, "queued")]
)
async def test_what_is_reported_of_a_message_that_was_taken_for_lost_decides_whether_it_is_sent_again(
    platform: Platform, tenant: str, outbox: Outbox, fault: Fault | None, state: str
) -> None:
    _, message = await sent_again(platform, tenant)

    report = ReportDelivery(message_id=message, source_key="1", delivered=fault is None, fault=fault)
    for _ in range(2):
        await platform.caller.ask(tenant, report)

    first, *others = await messages(platform, tenant)
    assert (first["message_id"], first["state"]) == (message, state)
    assert [row["state"] for row in others] == (["queued"] if state == "sent" else [])


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
