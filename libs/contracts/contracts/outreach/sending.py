"""Messages of outreach: what is sent to whom, how far it has come, and why it has not left yet."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Channel, Fault, SendKind
from contracts.values import Actor, Moment, Slug


class SendState(StrEnum):
    """How a message stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    """A worker has it, and nothing has left yet."""
    SENDING = "sending"
    """The provider is being handed it."""
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was not meant for its lead any more when it was due."""
    UNKNOWN = "unknown"
    """The worker died between handing the message over and hearing back; nobody sends it again by itself."""


class Gate(StrEnum):
    """What must let a message pass before it leaves; all are asked when it is claimed, and again right before it is handed over."""

    CAMPAIGN_RUNNING = "campaign_running"
    ACCOUNT_HEALTHY = "account_healthy"
    """There is an account for it, which is not paused, throttled, or blocked for its health or its domain's."""
    PROVIDER_ANSWERS = "provider_answers"
    """The account's mail server or service is not known to be down."""
    ACCOUNT_CAPACITY = "account_capacity"
    """The account's daily limit, its ramp, and the campaign's cap for an account leave room for it today."""
    RANDOM_GAP = "random_gap"
    """Long enough after the account's message before."""
    BUSINESS_HOURS = "business_hours"
    """By the recipient's clock, else the account's; holidays are none."""
    SIXTY_DAYS = "sixty_days"
    """Nothing else holds the person, and 60 days have passed since anything else was sent to them."""
    SUPPRESSION = "suppression"
    UNSUBSCRIBED = "unsubscribed"
    DO_NOT_CONTACT = "do_not_contact"
    ERASED = "erased"
    REPLIED = "replied"
    """The person has not answered this sequence; an out-of-office answer puts it off to the day they return."""
    MERGED = "merged"
    """No other lead stands for this one."""
    CONDITION = "condition"
    """The lead is one that the step is for, and has an address for it."""


class _MessageEvent(Event):
    campaign_id: UUID
    message_id: UUID
    lead_id: UUID
    channel: Channel
    enrollment_id: UUID
    step: int
    """Which of the campaign's steps, from 1."""
    kind: SendKind
    account_id: UUID | None = None
    variant: UUID | None = None
    """The template it is written by."""
    followup_id: UUID | None = None
    """What the follow-up that it is, or was, is known by since it was put off; by `message_id`, if it never was."""
    occurred_at: datetime


class MessageQueued(_MessageEvent):
    """A message to a lead was put into the send queue."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_queued")


class MessageSent(_MessageEvent):
    """The provider took a message."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_sent")


class MessageFailed(_MessageEvent):
    """A message will not be sent."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_failed")
    reason: Annotated[Slug, Field(examples=["mailbox_unknown"])]
    """Why, as a word for programs."""
    fault: Fault | None = None
    """Whose fault it is, where a provider refused it."""


class MessageSkipped(_MessageEvent):
    """A message was not meant for its lead any more when it was due."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_skipped")
    reason: Annotated[Slug, Field(examples=["replied"])]
    """The gate that did not let it pass, or why somebody had it not be sent, a `SkipReason`."""
    actor: Actor | None = None


class MessageUnknown(_MessageEvent):
    """Nobody knows whether a message was sent: whoever handed it over did not hear back, or died."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_unknown")


class FollowupScheduled(_MessageEvent):
    """A message was sent, and the next of its sequence was put into the send queue; or somebody put that off."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "followup_scheduled")
    due_at: datetime
    """When it is to leave, at the earliest."""


class FollowupPostponed(_MessageEvent):
    """Somebody put a follow-up off: it is not to leave when it was to, and a `followup_scheduled` with another `followup_id` says when."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "followup_postponed")
    until: datetime
    """When it is to leave now, at the earliest."""
    actor: Actor | None = None


class FollowupSent(_MessageEvent):
    """The provider took a message that was not the first of its sequence; `message_sent` tells of it too."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "followup_sent")


class MessageView(Reply):
    """A message to a lead."""

    message_id: UUID
    campaign_id: UUID
    lead_id: UUID | None = None
    """To whom."""
    step: int
    kind: SendKind
    account_id: UUID | None = None
    state: SendState
    queued_at: datetime
    """When it was put into the send queue."""
    due_at: datetime | None = None
    """When it is looked at next; empty while it waits for something that has no date."""
    waiting_for: Gate | None = None
    """What kept it when it was last looked at."""
    ended_at: datetime | None = None
    """When it was sent or given up."""
    reason: str | None = None
    """Why it was not sent."""


class LeadMessagesView(Reply):
    """The messages to a lead."""

    lead_id: UUID
    channels: list[Channel]
    """By which the lead can be reached."""
    messages: list[MessageView]
    """Those of every campaign, the last queued first."""
    next_cursor: str | None = None


class LeadMessages(Request[LeadMessagesView]):
    """The messages to a lead, sent or not, a page at a time; none for a lead that outreach does not know."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "lead_messages")
    lead_id: UUID
    limit: Annotated[int, Field(ge=1, le=500)] = 500
    cursor: Annotated[str, Field(max_length=200)] | None = None


class Verdict(BaseModel):
    """What one gate says of a message."""

    model_config = ConfigDict(frozen=True)

    gate: Gate
    """Which."""
    passes: bool
    """Whether it lets the message pass."""
    why: str
    """In plain words."""
    opens_at: datetime | None = None
    """When it would let the message pass; empty where it does already, or where that has no date."""
    final: bool = False
    """Whether it never will."""


class Explanation(Reply):
    """Why a message has not left, or may."""

    message: MessageView
    """As it stands."""
    verdicts: list[Verdict]
    """Every gate's, as of now; of a message that is over, none."""
    binding: Gate | None = None
    """The gate that keeps it longest, or for good."""
    earliest: datetime | None = None
    """When all gates would let it pass, if nothing else changes; empty where that has no date."""


class ExplainMessage(Request[Explanation]):
    """Why a message has not left: every gate's verdict, the binding one, and the earliest time it could go."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "explain_message")
    message_id: UUID


class MessageChange(BaseModel):
    """A change of a message's state."""

    state: SendState
    """Which it came into."""
    at: datetime
    """When."""
    reason: str | None = None
    """Why, as a word for programs."""
    account_id: UUID | None = None


class MessageHistoryView(Reply):
    """All that happened to a message, in its order."""

    message: MessageView
    """As it stands."""
    changes: list[MessageChange]
    """The states it has been in, with when it came into each."""


class MessageHistory(Request[MessageHistoryView]):
    """All that happened to a message."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "message_history")
    message_id: UUID


class SkipReason(StrEnum):
    """Why somebody has a message not be sent."""

    BY_HAND = "by_hand"
    """Nobody said why."""
    WRONG_PERSON = "wrong_person"
    """It is not meant for whoever would get it."""
    WRONG_TEXT = "wrong_text"
    """What it says is not right for them, or not any more."""
    HANDLED_OTHERWISE = "handled_otherwise"
    """Somebody is in contact with them already."""
    DUPLICATE = "duplicate"
    """They get the same by another way."""


class SkipMessage(Request[MessageView]):
    """Have a message that has not begun to leave not be sent; its sequence goes on with the next step."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "skip_message")
    message_id: UUID
    reason: SkipReason = SkipReason.BY_HAND
    """Why; kept with the message, and told."""
    actor: Actor | None = None


class PostponeFollowup(Request[MessageView]):
    """Have a follow-up that has not begun to leave wait until another moment: no earlier does it leave, and then as its gates let it."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "postpone_followup")
    message_id: UUID
    until: Moment
    """Until when; at most 60 days from now, for all the while nobody else may contact its person."""
    actor: Actor | None = None


class SettleMessage(Request[MessageView]):
    """Say what became of a message of which nobody knows whether it was sent, or have it sent again all the same."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "settle_message")
    message_id: UUID
    outcome: Literal["sent", "failed", "send_again"]
    """What became of it; ``send_again`` puts it back into the queue, and the person may get it twice."""
    actor: Actor | None = None
