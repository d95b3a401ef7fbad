"""Texts that services received of leads' persons, sealed with the tenant's key."""

from alembic import op

from chassis.tables import isolate

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute(
        """
        create table text (
            tenant_id text not null,
            text_id uuid not null,
            lead_id uuid not null,
            sealed bytea not null,
            created_at timestamptz not null,
            primary key (tenant_id, text_id)
        )
        """
    )
    op.execute("create index text_lead on text (tenant_id, lead_id, text_id)")
    isolate(op, "text")
