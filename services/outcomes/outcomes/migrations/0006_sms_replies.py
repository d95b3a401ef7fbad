"""When a lead last sent an SMS: its outcome is missed a week later, whatever has been sent to it since."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("alter table lead add column sms_replied_at timestamptz")  # empty until one is heard of
    op.execute(
        """
        create index lead_unanswered on lead (tenant_id, sms_replied_at)
        where not beyond_contacted and tier in ('A', 'B') and timeline in ('0-30', '31-90') and sms_replied_at is not null
        """
    )
