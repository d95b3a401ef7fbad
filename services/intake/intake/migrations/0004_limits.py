"""Submissions that wait because their source sends more than its rate limit allows."""

from alembic import op

from chassis.tables import isolate

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        create table parked (
            tenant_id text not null,
            source_system text not null,
            seq bigint generated always as identity,
            message_id uuid not null,
            received_at timestamptz not null,
            sealed bytea not null,
            primary key (tenant_id, source_system, seq)
        )
        """
    )
    isolate(op, "parked")
