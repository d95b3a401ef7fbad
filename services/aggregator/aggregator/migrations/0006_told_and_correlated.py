"""Events are found by when they were told, and by what they follow from."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Of what was stored before, nobody knows it any more.
    op.execute("alter table event add column correlation_id uuid")
    op.execute("create index event_told on event (tenant_id, told_at, seq)")
    op.execute(
        "create index event_correlation on event (tenant_id, correlation_id, seq) where correlation_id is not null"
    )
