"""What outreach tells, for the tests of those who hear it."""

from datetime import datetime
from uuid import UUID, uuid4

from contracts.outreach.replies import ReplyReceived
from contracts.outreach.sending import MessageSent
from contracts.taxonomy import Channel, SendKind


def message_sent(lead_id: UUID, at: datetime) -> MessageSent:
    """The first e-mail of some campaign was sent to a lead."""
    return MessageSent(
        campaign_id=uuid4(), message_id=uuid4(), lead_id=lead_id, channel=Channel.EMAIL, enrollment_id=uuid4(), step=1,
        kind=SendKind.EMAIL, occurred_at=at,
    )  # fmt: skip


def reply_received(lead_id: UUID, at: datetime, heard_at: datetime | None = None) -> ReplyReceived:
    """Somebody answered an SMS; outreach heard of it at once, or later."""
    return ReplyReceived(
        campaign_id=uuid4(), message_id=uuid4(), lead_id=lead_id, channel=Channel.SMS, enrollment_id=uuid4(),
        reply_id=uuid4(), received_at=at, occurred_at=heard_at or at,
    )  # fmt: skip
