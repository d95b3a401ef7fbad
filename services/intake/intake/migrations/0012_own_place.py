"""Where, and since when, a lead waits itself that took the place of one merged into it: parting restores both."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("alter table work add column own_workspace text, add column own_waiting_since timestamptz")
