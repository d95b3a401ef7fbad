"""What a follow-up is known by since somebody put it off."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("alter table send_queue add column followup_id uuid")
