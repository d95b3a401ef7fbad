"""Leads are listed by who owns them and by how far the work on them has come, newest first."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("create index assignment_owned on assignment (tenant_id, user_id, lead_id) where ended_at is null")
    op.execute("drop index assignment_held")  # the other begins with what it had
    op.execute("create index work_open on work (tenant_id, status, lead_id) where status <> 'closed'")
