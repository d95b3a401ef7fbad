"""What the timeline, and what came back of its messages, is found by."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # A message's place on the timeline: when it was over, else when it is looked at next. A column, because no condition on a
    # coalesce() is looked up in an index where rows are kept apart by tenant.
    op.execute(
        "alter table send_queue add column timeline_at timestamptz not null "
        "generated always as (coalesce(ended_at, due_at)) stored"
    )
    # Of what is over, and of what is queued, apart: a message that is being sent is written into each once and not at every step. What is
    # queued is in none by campaign or account, or a whole queue would look like a way to the head of a lane. Nor must the timeline's own index,
    # which is smaller than the lanes': a planner that knows nothing of the rows yet takes it. So it is for those who say that steps
    # are counted from 1 (`outreach.activity.store`).
    op.execute(
        "create index send_queue_timeline_queued on send_queue (tenant_id, timeline_at, message_id) "
        "where state = 'queued' and step > 0"
    )
    place = "state, kind, timeline_at, message_id) where state in ('sent', 'failed', 'skipped', 'unknown')"
    op.execute(f"create index send_queue_timeline on send_queue (tenant_id, {place}")
    op.execute(f"create index send_queue_timeline_of_account on send_queue (tenant_id, account_id, {place}")
    op.execute(f"create index send_queue_timeline_of_campaign on send_queue (tenant_id, campaign_id, {place}")
    # What was sent before LeadLoop sent anything; of what it sent itself the queue has more to tell.
    place = "channel, sent_at, history_id) where message_id is null"
    op.execute(f"create index outreach_history_before on outreach_history (tenant_id, {place}")
    op.execute(f"create index outreach_history_before_of_campaign on outreach_history (tenant_id, campaign_id, {place}")
    op.execute("create index reply_message on reply (tenant_id, message_id)")
