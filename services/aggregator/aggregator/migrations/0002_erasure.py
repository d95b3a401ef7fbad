"""Which leads' persons were erased: what is made of them is taken from the events, those that come late included."""

from alembic import op

from chassis.tables import isolate

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        create table erased_lead (
            tenant_id text not null,
            lead_id uuid not null,
            version integer not null,
            primary key (tenant_id, lead_id)
        )
        """
    )
    isolate(op, "erased_lead")
