"""Who is out of office is so for every sequence, also for one that has them only after the one that they answered."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("alter table hold add column away_until timestamptz")
    op.execute(
        """
        update hold set away_until = enrollment.paused_until from enrollment
        where enrollment.tenant_id = hold.tenant_id and enrollment.enrollment_id = hold.enrollment_id
              and enrollment.paused_until > now()
        """
    )
