"""Messages of outreach: campaigns and the messages they send."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Channel, Intent, Tier
from contracts.values import Key, Slug


class CampaignState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"


class SendState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The worker died between handing the message over and hearing back; nobody sends it again by itself."""


class Audience(BaseModel):
    """Which leads a campaign reaches: those that match everything given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_key: Key | None = None
    geo_key: Key | None = None
    intent: Intent | None = None
    tier: Tier | None = None


class _OutreachEvent(Event):
    campaign_id: UUID
    occurred_at: datetime


class _MessageEvent(_OutreachEvent):
    message_id: UUID
    lead_id: UUID
    channel: Channel


class MessageQueued(_MessageEvent):
    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_queued")


class MessageSent(_MessageEvent):
    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_sent")


class MessageFailed(_MessageEvent):
    topic: ClassVar = Topic("outreach", Kind.EVENT, "message_failed")
    reason: Slug


class CampaignCreated(_OutreachEvent):
    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_created")
    channel: Channel


class CampaignPaused(_OutreachEvent):
    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_paused")


class CampaignResumed(_OutreachEvent):
    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_resumed")


class CampaignView(Reply):
    campaign_id: UUID
    title: str
    channel: Channel
    state: CampaignState
    audience: Audience
    created_at: datetime
    queued: int
    sent: int
    failed: int


class CreateCampaign(Request[CampaignView]):
    """Start a one-step campaign: each lead of the audience, present and future, is sent one message."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "create_campaign")
    title: Annotated[str, Field(min_length=1, max_length=200)]
    channel: Channel = Channel.EMAIL
    audience: Audience = Audience()


class CampaignList(Reply):
    campaigns: list[CampaignView]


class ListCampaigns(Request[CampaignList]):
    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_campaigns")


class PauseCampaign(Request[CampaignView]):
    topic: ClassVar = Topic("outreach", Kind.REQUEST, "pause_campaign")
    campaign_id: UUID


class ResumeCampaign(Request[CampaignView]):
    topic: ClassVar = Topic("outreach", Kind.REQUEST, "resume_campaign")
    campaign_id: UUID
