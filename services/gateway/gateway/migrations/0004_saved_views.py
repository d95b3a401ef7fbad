"""What somebody asks of a list, kept under a name: for themselves, or for all of the tenant."""

from alembic import op

from chassis.tables import isolate

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        create table saved_view (
            tenant_id text not null,
            view_id uuid not null,
            owner text not null,
            list text not null,
            name text not null,
            terms jsonb not null,
            shared boolean not null,
            saved_at timestamptz not null,
            primary key (tenant_id, view_id),
            unique (tenant_id, owner, list, name)
        )
        """
    )
    isolate(op, "saved_view")
