"""Texts are sealed with the key of their person, as the record of their lead is."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    # Those that were sealed with the tenant's key were never in a release.
    op.execute("truncate text")
    op.execute("alter table text add column key_id uuid not null")
