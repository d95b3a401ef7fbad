"""What of outreach stands still, so that one alert speaks for all that stopped for the same reason."""

from alembic import op

from chassis.tables import isolate

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # subject_id: an account or a campaign; code: the alert's.
    op.execute(
        """
        create table stopped (
            tenant_id text not null,
            code text not null,
            subject_id uuid not null,
            since timestamptz not null,
            primary key (tenant_id, code, subject_id)
        )
        """
    )
    isolate(op, "stopped")
