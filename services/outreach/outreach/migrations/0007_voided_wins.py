"""Which outcomes won each lead, so that one which is voided counts no more. What won one before is not in it, and so counts no more
as soon as anything that won the lead is voided."""

from alembic import op

from chassis.tables import isolate

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        create table winning (
            tenant_id text not null,
            outcome_id uuid not null,
            lead_id uuid not null,
            won_at timestamptz,
            voided boolean not null default false,
            primary key (tenant_id, outcome_id)
        )
        """
    )
    op.execute("create index winning_lead on winning (tenant_id, lead_id) where not voided")
    isolate(op, "winning")
