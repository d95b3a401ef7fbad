"""What an import recorded and its revert took back can be recorded again, by the same import."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table outcome_void add column reverted boolean not null default false")
    # How often the same outcome was recorded before, and taken back with its import each time.
    op.execute("alter table outcome add column again integer not null default 0")
    op.execute("alter table outcome add unique (tenant_id, lead_id, type, occurred_at, idempotency_key, again)")
    op.execute("alter table outcome drop constraint outcome_tenant_id_lead_id_type_occurred_at_idempotency_key_key")
