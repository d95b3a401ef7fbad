"""Six indexes of events instead of nine: each event is written into every one of them."""

from alembic import op

revision = "0011"
down_revision = "0010"

# The key's own index is the order in which events were told, and what finds them by type holds what numbers count.
_GONE = (
    "event_seq",
    "event_told",
    "event_counted",
    "event_type",
    "event_campaign",
    "event_account",
    "event_lead",
    "event_correlation",
)
_INDEXES = (
    "alter table event drop constraint event_pkey, add primary key (tenant_id, told_at, event_id)",
    "create index event_type on event (tenant_id, type, occurred_at, event_id) include (told_at, lead_id, campaign_id)",
    """create index event_campaign on event (tenant_id, campaign_id, type, occurred_at, event_id)
       where campaign_id is not null""",
    """create index event_account on event (tenant_id, account_id, type, occurred_at, event_id)
       where account_id is not null""",
    "create index event_lead on event (tenant_id, lead_id, told_at, event_id) where lead_id is not null",
    """create index event_correlation on event (tenant_id, correlation_id, told_at, event_id)
       where correlation_id is not null""",
)


def upgrade() -> None:
    for name in _GONE:
        op.execute(f"drop index {name}")
    for statement in _INDEXES:
        op.execute(statement)
