"""Submissions are found by their lead, and what is sealed by its key: an erasure holds up everybody who submits while it looks for either."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("create index submission_lead on submission (tenant_id, lead_id) where lead_id is not null")
    op.execute("create index vault_key on vault (tenant_id, key_id)")
