"""Whoever lifts an entry of the suppression ledger may say why."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("alter table suppression add column lift_note bytea")
