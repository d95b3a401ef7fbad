"""Messages of outreach: campaigns and the messages they send."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Channel, Intent, Tier
from contracts.values import NO_NUL, Key, Slug


class CampaignState(StrEnum):
    """Whether a campaign sends."""

    RUNNING = "running"
    PAUSED = "paused"


class SendState(StrEnum):
    """How a message stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The worker died between handing the message over and hearing back; nobody sends it again by itself."""


class AudienceView(BaseModel):
    """Which leads a campaign reaches: those that match everything given."""

    model_config = ConfigDict(frozen=True)

    source_key: Key | None = None
    geo_key: Key | None = None
    intent: Intent | None = None
    tier: Tier | None = None


class Audience(AudienceView):
    """An audience as it is ordered: a misspelt condition is refused, or it would reach everybody."""

    model_config = ConfigDict(extra="forbid")


class _OutreachEvent(Event):
    campaign_id: UUID
    occurred_at: datetime


class _MessageEvent(_OutreachEvent):
    message_id: UUID
    lead_id: UUID
    channel: Channel


class MessageQueued(_MessageEvent):
    """A message to a lead was put into the send queue."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_queued")


class MessageSent(_MessageEvent):
    """The provider took a message."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_sent")


class MessageFailed(_MessageEvent):
    """A message will not be sent."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_failed")
    reason: Annotated[Slug, Field(examples=["recipient_refused"])]
    """Why, as a word for programs."""


class CampaignCreated(_OutreachEvent):
    """A campaign began."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_created")
    channel: Channel


class CampaignPaused(_OutreachEvent):
    """A campaign stopped sending until it is resumed."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_paused")


class CampaignResumed(_OutreachEvent):
    """A paused campaign sends again."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_resumed")


class CampaignView(Reply):
    """A campaign, and how far it has come."""

    campaign_id: UUID
    title: str
    channel: Channel
    state: CampaignState
    audience: AudienceView
    created_at: datetime
    queued: int
    """Messages waiting to be sent."""
    sent: int
    """Messages the provider took."""
    failed: int
    """Messages that will not be sent."""
    held: int = 0
    """Messages held back because the person is contacted by way of another lead."""
    unknown: int = 0
    """Messages of which nobody heard whether they were sent; none is sent again by itself."""


class CreateCampaign(Request[CampaignView]):
    """Start a one-step campaign: each lead of the audience, present and future, is sent one message."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "create_campaign")
    title: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    channel: Channel = Channel.EMAIL
    audience: Audience = Audience()


class CampaignList(Reply):
    """The campaigns of a tenant."""

    campaigns: list[CampaignView]
    """Every one there is."""


class ListCampaigns(Request[CampaignList]):
    """Every campaign of a tenant."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_campaigns")


class MessageView(BaseModel):
    """A message to a lead."""

    message_id: UUID
    campaign_id: UUID
    channel: Channel
    state: SendState
    queued_at: datetime
    """When it was put into the send queue."""
    ended_at: datetime | None = None
    """When it was sent or given up."""
    reason: str | None = None
    """Why it was not sent."""
    held: bool = False
    """Whether it is held back because the person is contacted by way of another lead."""


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


class PauseCampaign(Request[CampaignView]):
    """Stop sending until the campaign is resumed."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "pause_campaign")
    campaign_id: UUID


class ResumeCampaign(Request[CampaignView]):
    """Let a paused campaign send again."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "resume_campaign")
    campaign_id: UUID
