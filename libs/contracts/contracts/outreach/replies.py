"""Messages of outreach: what comes back of what was sent, and what it means."""

from datetime import date, datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Base64Bytes, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Channel, Fault, ReplyClass
from contracts.values import NO_NUL, Actor, Moment, Slug

MOST_MAIL_BYTES = 512 * 1024
"""The largest mail that is taken; what it says stands at its beginning, and what is attached to it is nobody's business here."""
SourceKey = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL, examples=["sms-0c41"])]
"""What the service it came by calls it; the same (a reply, a delivery, a failure, a complaint) under the same key changes nothing."""


class _AboutMessage(Event):
    campaign_id: UUID
    message_id: UUID
    lead_id: UUID
    enrollment_id: UUID
    channel: Channel
    account_id: UUID | None = None
    variant: UUID | None = None
    """The template it was written by."""
    occurred_at: datetime


class ReplyReceived(_AboutMessage):
    """Somebody, or a machine for them, answered a message."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "reply_received")
    reply_id: UUID
    received_at: datetime
    """When it came, as its mail or its service says."""


class ReplyClassified(_AboutMessage):
    """It is known what a reply says: by the rules where they are sure of it, or by a person."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "reply_classified")
    reply_id: UUID
    reply_class: ReplyClass
    """What it says."""
    returns_on: date | None = None
    """Of an out of office the day the person is back, if it says."""
    actor: Actor | None = None


class ReplyHandled(_AboutMessage):
    """Nothing is left to be done about a reply, though nobody has said what it says."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "reply_handled")
    reply_id: UUID
    actor: Actor


class ManualActionRequired(_AboutMessage):
    """The rules are not sure what a reply says: a person has to read it, and classify it."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "manual_action_required")
    reply_id: UUID
    reply_class: ReplyClass | None = None
    """What it seems to say; it is acted on as if it did."""


class DeliveryReported(_AboutMessage):
    """A server told what became of a message that was sent."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "delivery_reported")
    delivered: bool
    """Whether it has reached its recipient's system; false where it came back."""
    reason: Annotated[Slug, Field(examples=["mailbox_unknown"])] | None = None
    """Why it came back."""
    fault: Fault | None = None
    """Whose fault that is."""


class ComplaintReceived(_AboutMessage):
    """A recipient reported a message as spam: nobody contacts them any more."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "complaint_received")


class ReplyView(Reply):
    """A reply. What it says in words lies sealed in intake, which reveals it by the reply's id (`reveal_texts`)."""

    reply_id: UUID
    message_id: UUID
    """The message that it answers."""
    campaign_id: UUID
    lead_id: UUID
    channel: Channel
    received_at: datetime
    """When it came."""
    reply_class: ReplyClass | None = None
    """What it says; empty where no rule knows it."""
    confidence: float
    """How sure of that the rules are, 0–1; 1 where a person said so."""
    rules: list[str]
    """The rules that said so."""
    returns_on: date | None = None
    """Of an out of office the day the person is back, if it says."""
    needs_person: bool
    """Whether a person has to read it."""
    classified_by: Actor | None = None
    """Who said what it says, where the rules did not."""
    has_text: bool
    """Whether intake keeps its words."""
    handled_at: datetime | None = None
    """When somebody said that nothing is left to be done about it, though not what it says."""
    handled_by: Actor | None = None
    """Who did."""
    sequence_goes_on: bool = False
    """Whether its person is still to be sent what follows the message."""


class TakeReply(Request[ReplyView]):
    """Take a reply to a message, as a service for LinkedIn or SMS hands it over; once, however often it is handed over.

    It stops the sequence that its person is in, unless a machine wrote it; an out of office has it wait until the person is back.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "take_reply")
    message_id: UUID
    """The message that it answers."""
    source_key: SourceKey
    text: Annotated[str, Field(min_length=1, max_length=20_000, pattern=NO_NUL, repr=False, examples=["Yes, call me."])]
    """What the person wrote, without what they quoted."""
    received_at: Moment | None = None
    """When it came; now, if empty."""
    account_id: UUID | None = None
    """By which account the message must have left; whichever, if empty."""


class MailTaken(Reply):
    """What became of a mail."""

    kind: Annotated[Slug, Field(examples=["delivery_report"])]
    """What it is: ``reply``, ``auto_reply``, ``delivery_report``, ``complaint`` or ``other``."""
    message_id: UUID | None = None
    """The message that it answers or reports; empty where it is about none of the tenant's: nothing is kept of it then."""
    reply_id: UUID | None = None
    """The reply it was kept as."""


class TakeMail(Request[MailTaken]):
    """Take a mail that came in, whatever it is: a reply, a delivery report (RFC 3464), a complaint (RFC 5965); once, by its Message-ID."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "take_mail")
    raw: Annotated[
        Base64Bytes, Field(min_length=1, max_length=MOST_MAIL_BYTES, repr=False, examples=["RnJvbTogYQoKYg=="])
    ]
    """The mail as a server has it, in base64; its beginning is enough."""
    account_id: UUID | None = None
    """By which account the message must have left that it is about; whichever, if empty. Of a mail that names no message it is told
    by the sender then: the account's last one to them."""


class DeliveryTaken(Reply):
    """What a report said was kept."""

    message_id: UUID


class ReportDelivery(Request[DeliveryTaken]):
    """Take a service's report of what became of a message; once, however often it is handed over.

    A message of which nobody knew whether it was sent is settled by it. Where it came back by its recipient's fault, the address is
    not used any more.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "report_delivery")
    message_id: UUID
    source_key: SourceKey
    delivered: bool
    """Whether it has reached its recipient's system; false where it came back."""
    reason: Annotated[Slug, Field(examples=["number_unknown"])] | None = None
    """Why it came back."""
    fault: Fault | None = None
    """Whose fault that is; nobody's address is given up where it is not told."""
    account_id: UUID | None = None
    """By which account the message must have left; whichever, if empty."""


class ReportComplaint(Request[DeliveryTaken]):
    """Take a recipient's complaint about a message: they are never contacted again."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "report_complaint")
    message_id: UUID
    source_key: SourceKey
    account_id: UUID | None = None
    """By which account the message must have left; whichever, if empty."""


class ReplyPage(Reply):
    """A page of replies."""

    replies: list[ReplyView]
    """Those of the page."""
    next_cursor: str | None = None


class ListReplies(Request[ReplyPage]):
    """Replies, the last taken first, a page at a time."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_replies")
    lead_id: UUID | None = None
    """Only this lead's."""
    campaign_id: UUID | None = None
    """Only to this campaign's messages."""
    needs_person: bool = False
    """Only those that a person has to read."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ClassifyReply(Request[ReplyView]):
    """Say what a reply says, as somebody who has read it; it is acted on.

    What was stopped by what it seemed to say stays stopped; who was waited for is waited for as it is said now.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "classify_reply")
    reply_id: UUID
    reply_class: ReplyClass
    """What it says."""
    returns_on: date | None = None
    """Of an out of office the day the person is back."""
    actor: Actor


class HandleReply(Request[ReplyView]):
    """Say that nothing is left to be done about a reply, as somebody who has seen to it; what it says stays open.

    Of one that nobody has to read, nothing changes.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "handle_reply")
    reply_id: UUID
    actor: Actor


class StopAfterReply(Request[ReplyView]):
    """Have the person of a reply be sent nothing more of whatever sequence they are in, whatever the reply says; as after a person's answer.

    They may be contacted by another campaign again after 60 days. Asked again, nothing changes.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "stop_after_reply")
    reply_id: UUID
    actor: Actor
