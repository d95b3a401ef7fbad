"""What comes back of a message is kept once, told, and acted on.

A person's answer ends the sequence they are in, and every other that holds them; a machine's does not. An out of office has them
wait. A wish to be left alone is an entry of the suppression ledger, also where the rules are not sure of it. What a message
came back for counts for its account's health; only by its recipient's fault is the address given up.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from chassis.unit_of_work import Row, UnitOfWork
from contracts.intake.texts import KeepText, TextKept
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.outreach import replies as messages
from contracts.outreach.campaigns import EnrollmentEnd
from contracts.outreach.people import SuppressionReason
from contracts.outreach.sending import Gate, SendState
from contracts.taxonomy import CHANNEL_OF, Fault, ReplyClass, SendKind
from outreach import locks
from outreach.accounts import judging
from outreach.accounts.domain_health import BOUNCE_OF, Trouble
from outreach.people import store as people
from outreach.people.suppressing import suppress_person
from outreach.replies import store
from outreach.replies.domain_classify import Classification, classify
from outreach.sending import store_enrollments, store_queue, store_waiting
from outreach.sending.facts import campaign_settings
from outreach.sending.queueing import stop
from outreach.sending.recording import Result, record

ABSENCE: Final = timedelta(days=7)
"""How long somebody is taken to be away whose notice does not say."""
_REPLIES: Final = UUID("4f0b3a52-6d0e-4b6a-9a0f-5a2f6f1d7c11")
"""The namespace of replies' ids: what is taken again has the id it had, and its words are kept once."""

_OF_SEVERAL: Final = Classification(None, 0.0, ("sender_of_several",))
"""What is said of a reply of which nobody can tell what it is about."""

KeepWords = Callable[[str, KeepText, Envelope | None], Awaitable[TextKept]]
"""Has intake keep the words of a reply of a tenant's."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply as it came in.

    Attributes:
        source_key: by what it is known when it comes again.
        text: what its writer wrote, without what they quoted; empty where that is nothing.
        headers: of a mail, those that tell whether a machine wrote it, see `domain_classify.classify`.
        of_several: whether it may be about another message as well: a person has to read it, where it came in. Nobody is said to have
            written its words, and intake keeps them with nobody.
    """

    source_key: str
    received_at: datetime
    text: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    of_several: bool = False


async def take_reply(
    uow: UnitOfWork, tenant: str, row: Row, incoming: Incoming, keep: KeepWords, cause: Envelope | None = None
) -> UUID:
    """Keep a reply to a message (`store_queue.one`), and act on it; returns its id. One that was taken before changes nothing.

    Raises:
        ProblemError: intake does not keep its words for now: nothing was taken.
    """
    reply_id = uuid5(_REPLIES, f"{tenant}/{incoming.source_key}")
    if not await store.take(uow, tenant, incoming.source_key, row["message_id"]):
        return reply_id
    # Before anything is locked that others wait for.
    written = incoming.text.replace("\0", "").strip()
    has_text = bool(written) and not row["erased"] and not incoming.of_several
    if has_text:
        words = KeepText(text_id=reply_id, lead_id=row["lead_id"], text=written)
        try:
            has_text = (await keep(tenant, words, cause)).kept
        except ProblemError as error:
            if error.problem.code is not ProblemCode.NOT_FOUND:
                raise
            has_text = False  # what it says is acted on all the same
    row = await _locked(uow, tenant, row["message_id"])
    found = _OF_SEVERAL if incoming.of_several else classify(
        incoming.text, subject=incoming.subject, headers=incoming.headers, region=row["region"],
        received_on=incoming.received_at.astimezone(_zone(row)).date(),
    )  # fmt: skip
    about = _about(uow, row)
    await store.insert(
        uow,
        tenant,
        {
            **{name: about[name] for name in _OF_MESSAGE}, "channel": about["channel"].value, "reply_id": reply_id,
            "received_at": incoming.received_at, "reply_class": found.reply_class.value if found.reply_class else None,
            "confidence": found.confidence, "rules": list(found.rules), "returns_on": found.returns_on,
            "needs_person": found.needs_person, "has_text": has_text,
        },
    )  # fmt: skip
    received = messages.ReplyReceived(**about, reply_id=reply_id, received_at=incoming.received_at)
    uow.publish(tenant, received, cause)
    uow.publish(tenant, _verdict(about, reply_id, found), cause)
    await _was_sent(uow, tenant, row)
    await act(uow, tenant, row, found.reply_class, incoming.received_at, found.returns_on, cause)
    return reply_id


async def act(
    uow: UnitOfWork,
    tenant: str,
    row: Row,
    reply_class: ReplyClass | None,
    received_at: datetime,
    returns_on: date | None,
    cause: Envelope | None = None,
    actor: str | None = None,
) -> None:
    """Do what a reply to a message asks for; one of no known class is a person's answer."""
    if reply_class is ReplyClass.AUTO_REPLY:
        return
    concerned = await _concerned(uow, tenant, row)
    if reply_class is ReplyClass.OUT_OF_OFFICE:
        await store.pause(uow, tenant, concerned, row["names"], _back(row, received_at, returns_on))
        return
    await store.replied(uow, tenant, row["enrollment_id"], received_at)
    if reply_class is ReplyClass.UNSUBSCRIBE:
        await _suppress(uow, tenant, row, SuppressionReason.UNSUBSCRIBED, cause, actor)
    await stop(uow, tenant, concerned, EnrollmentEnd.REPLIED, cause=cause, actor=actor)
    company = str(row["lead_metadata"].get("company") or "").strip().lower()
    if company and campaign_settings(row["campaign_settings"]).stop_for_company:
        others = await store.colleagues(uow, tenant, row["campaign_id"], company)
        await stop(uow, tenant, others, EnrollmentEnd.REPLIED, cause=cause, actor=actor)


async def stop_person(uow: UnitOfWork, tenant: str, row: Row, cause: Envelope | None, actor: str | None) -> None:
    """End the sequence of a message, and every other that holds its person, as after a person's answer. Needs `locks.stop_messages`."""
    concerned = await _concerned(uow, tenant, row)
    await stop(uow, tenant, concerned, EnrollmentEnd.REPLIED, cause=cause, actor=actor)


async def wait_no_longer(
    uow: UnitOfWork, tenant: str, row: Row, received_at: datetime, returns_on: date | None
) -> None:
    """Take back that the person of a message is waited for because of an out of office. Needs `locks.stop_messages`."""
    # What is being claimed is just about to wait for them.
    await locks.accounts_change(uow, tenant)
    concerned = await _concerned(uow, tenant, row)
    leads = await store.go_on(uow, tenant, concerned, row["names"], _back(row, received_at, returns_on))
    await store_waiting.look_again(uow, [(tenant, lead) for lead in leads], [Gate.REPLIED])


async def _concerned(uow: UnitOfWork, tenant: str, row: Row) -> list[UUID]:
    """The sequences that a reply to a message is about: its own, and every other that holds its person."""
    held = await store_enrollments.going_on_of_persons(uow, tenant, row["names"])
    return list({row["enrollment_id"], *held})


async def take_delivery(
    uow: UnitOfWork,
    tenant: str,
    message_id: UUID,
    source_key: str,
    *,
    delivered: bool,
    reason: str | None = None,
    fault: Fault | None = None,
    cause: Envelope | None = None,
) -> None:
    """Take a report of what became of a message; a second one of the same key changes nothing."""
    if not await store.take(uow, tenant, source_key, message_id):
        return
    row = await _locked(uow, tenant, message_id, stops=not delivered)
    told = {} if delivered else {"reason": reason, "fault": fault}
    event = messages.DeliveryReported(**_about(uow, row), delivered=delivered, **told)
    uow.publish(tenant, event, cause)
    if delivered:
        await _was_sent(uow, tenant, row)
        return
    if row["state"] == SendState.UNKNOWN:
        await _was_sent(uow, tenant, row)
    trouble = BOUNCE_OF[fault] if fault else Trouble.FAILURE
    await judging.hear(uow, tenant, [(row["account_id"], message_id, trouble)])
    if fault is Fault.RECIPIENT:
        recipient = (tenant, row["lead_id"], SendKind(row["kind"]))
        await people.suppress_recipients(uow, [recipient], SuppressionReason.BOUNCE)
        await stop(uow, tenant, [row["enrollment_id"]], EnrollmentEnd.FAILED, cause=cause)


async def take_complaint(
    uow: UnitOfWork, tenant: str, message_id: UUID, source_key: str, cause: Envelope | None = None
) -> None:
    """Take a complaint about a message; a second one of the same key changes nothing."""
    if not await store.take(uow, tenant, source_key, message_id):
        return
    row = await _locked(uow, tenant, message_id)
    uow.publish(tenant, messages.ComplaintReceived(**_about(uow, row)), cause)
    await _was_sent(uow, tenant, row)
    await judging.hear(uow, tenant, [(row["account_id"], message_id, Trouble.COMPLAINT)])
    await _suppress(uow, tenant, row, SuppressionReason.COMPLAINT, cause)


async def _locked(uow: UnitOfWork, tenant: str, message_id: UUID, *, stops: bool = True) -> Row:
    """A message with what is known of its lead. Where something `stops` by it, nothing can leave any more before this unit of work ends."""
    if stops:
        await locks.stop_messages(uow, [tenant])
    row = await store_queue.one(uow, tenant, message_id, lock=True)
    assert row
    return row


async def _was_sent(uow: UnitOfWork, tenant: str, row: Row) -> None:
    """What comes back of a message shows that it was sent, where nobody knew; also where somebody had it be sent again since, and it
    waits."""
    token = row["token"]
    if row["state"] in (SendState.QUEUED, SendState.CLAIMED):
        token = await store_queue.take_out(uow, tenant, row["message_id"])
    elif row["state"] != SendState.UNKNOWN:
        return
    if token:
        await record(uow, [Result(tenant, row["message_id"], token, SendState.SENT)])


async def _suppress(
    uow: UnitOfWork,
    tenant: str,
    row: Row,
    reason: SuppressionReason,
    cause: Envelope | None,
    actor: str | None = None,
) -> None:
    entry = {
        "lead_id": row["lead_id"],
        "reason": reason.value,
        "channel": None,
        "campaign_id": None,
        "expires_at": None,
    }
    await suppress_person(uow, tenant, row["names"], {**entry, "actor": actor}, cause, message_id=row["message_id"])


_OF_MESSAGE = ("campaign_id", "message_id", "lead_id", "enrollment_id", "account_id", "variant")


def _about(uow: UnitOfWork, row: Row) -> dict[str, Any]:
    """What every event says of the message that something came back of."""
    return {
        **{name: row[name] for name in _OF_MESSAGE}, "channel": CHANNEL_OF[SendKind(row["kind"])], "occurred_at": uow.now
    }  # fmt: skip


def _verdict(
    about: Mapping[str, Any], reply_id: UUID, found: Classification
) -> messages.ReplyClassified | messages.ManualActionRequired:
    if found.needs_person or found.reply_class is None:
        return messages.ManualActionRequired(**about, reply_id=reply_id, reply_class=found.reply_class)
    return messages.ReplyClassified(
        **about, reply_id=reply_id, reply_class=found.reply_class, returns_on=found.returns_on
    )


def _back(row: Row, received_at: datetime, returns_on: date | None) -> datetime:
    """Until when somebody who is out of office is waited for."""
    return datetime.combine(returns_on, time(), _zone(row)).astimezone(UTC) if returns_on else received_at + ABSENCE


def _zone(row: Row) -> ZoneInfo:
    """The recipient's clock."""
    return ZoneInfo(row["time_zone"] or "UTC")
