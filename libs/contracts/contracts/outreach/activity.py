"""Messages of outreach: its timeline, of what is scheduled and what was sent, in one."""

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.message import Kind, Reply, Request, Topic
from contracts.outreach.sending import Gate, SendState
from contracts.taxonomy import Channel, Fault, ReplyClass, SendKind
from contracts.values import Moment, Slug

MOST_NAMED: Final = 200
"""How many messages may be asked for by name."""


class ActivityReply(BaseModel):
    """A reply to a message, as the timeline shows it."""

    model_config = ConfigDict(frozen=True)

    reply_id: UUID
    """The reply."""
    received_at: datetime
    """When it came."""
    reply_class: ReplyClass | None = None
    """What it says; empty where no rule knows it."""


class ActivityTrouble(BaseModel):
    """What was heard of a message otherwise, as the timeline shows it."""

    model_config = ConfigDict(frozen=True)

    kind: Annotated[Slug, Field(examples=["recipient_bounce"])]
    """What: it came back (``…_bounce``), was called spam (``complaint``), or was given up (``failure``)."""
    at: datetime
    """When it was heard of."""


class ActivityEntry(BaseModel):
    """A message on the timeline; or something that was sent before LeadLoop sent anything, of which the history knows."""

    model_config = ConfigDict(frozen=True)

    entry_id: UUID
    """The message's id; of what was sent before, that of its entry in the history."""
    message_id: UUID | None = None
    at: datetime | None = None
    """Its place on the timeline: when it was sent or given up, else when it is looked at next; without a date it is the latest of all."""
    state: SendState
    """How it stands."""
    channel: Channel
    kind: SendKind | None = None
    campaign_id: UUID | None = None
    step: int | None = None
    """Which of the campaign's steps, from 1."""
    lead_id: UUID | None = None
    account_id: UUID | None = None
    kept_by: Gate | None = None
    """What is not sent yet: the gate that keeps it longest, or for good, as of now."""
    may_leave_at: datetime | None = None
    """What is not sent yet: when all gates would let it pass, if nothing else changes; empty where that has no date."""
    reason: str | None = None
    """Why it was not sent."""
    fault: Fault | None = None
    """Whose fault that was."""
    reference: str | None = None
    """Its Message-ID, once it was handed over."""
    provider_reference: str | None = None
    """What the provider calls it."""
    replies: list[ActivityReply] = []
    """What was answered, the first first."""
    troubles: list[ActivityTrouble] = []
    """What else came back, the first first."""


class ActivityPage(Reply):
    """A page of the timeline."""

    entries: list[ActivityEntry]
    """Those of the page."""
    next_cursor: str | None = None


class ActivityFilter(BaseModel):
    """Which messages are meant: those that all of this is true of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    campaign_id: UUID | None = None
    """Only this campaign's."""
    account_id: UUID | None = None
    """Only what leaves this account."""
    lead_id: UUID | None = None
    """Only those to this lead."""
    channel: Channel | None = None
    """Only those of this channel."""


class ListActivity(ActivityFilter, Request[ActivityPage]):
    """What was sent, given up, and is to be sent, on one timeline, a page at a time.

    An entry stands where it was sent or given up, else where it is looked at next; what waits for something without a date is the
    latest of all. `explain_message` says of each gate why it keeps a message.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_activity")
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "states": ["queued", "sent"],
                    "since": "2026-11-02T00:00:00Z",
                    "until": "2026-11-09T00:00:00Z",
                    "order": "soonest_first",
                    "limit": 50,
                }
            ]
        }
    )
    states: Annotated[list[SendState], Field(max_length=len(SendState), examples=[["queued", "sent"]])] = []
    """Only those that stand so; however they stand, if empty."""
    since: Annotated[Moment, Field(examples=["2026-12-01T00:00:00Z"])] | None = None
    """Only from then on."""
    until: Annotated[Moment, Field(examples=["2026-12-08T00:00:00Z"])] | None = None
    """Only before then; what has no date is left out."""
    message_ids: Annotated[list[UUID], Field(max_length=MOST_NAMED)] = []
    """Only these."""
    followups: bool = False
    """Only what is not the first message of its sequence."""
    order: Literal["newest_first", "soonest_first"] = "newest_first"
    """From the latest on the timeline to the earliest, or the other way round."""
    limit: Annotated[int, Field(ge=1, le=MOST_NAMED)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _since_is_before_until(self) -> "ListActivity":
        if self.since and self.until and self.since >= self.until:
            raise ValueError("since must be before until")
        return self
