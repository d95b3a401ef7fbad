"""What closed each lead, so that it is open again when that is voided. What closed one before is not in it, and so counts no more
as soon as anything that closed the lead is voided."""

from alembic import op

from chassis.tables import isolate

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute(
        """
        create table ending (
            tenant_id text not null,
            ending_id uuid not null,
            lead_id uuid,
            closed_at timestamptz,
            voided boolean not null default false,
            primary key (tenant_id, ending_id)
        )
        """
    )
    op.execute("create index ending_lead on ending (tenant_id, lead_id) where not voided")
    isolate(op, "ending")
