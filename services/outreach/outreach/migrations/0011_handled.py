"""Replies that somebody has seen to without saying what they say; and follow-ups by when they are due."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("alter table reply add column handled_at timestamptz, add column handled_by text")
    # For who says that a step is above 1: of many first messages that are due, none is looked at for the few that follow.
    op.execute(
        "create index send_queue_followups on send_queue (tenant_id, timeline_at, message_id) "
        "where state = 'queued' and step > 1"
    )
