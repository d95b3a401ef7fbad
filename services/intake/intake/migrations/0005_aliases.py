"""Aliases of sources and places, and the time zone of each lead's person."""

from alembic import op

from chassis.tables import isolate

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table lead add column time_zone text")
    op.execute(
        """
        create table alias (
            tenant_id text not null,
            kind text not null,
            alias text not null,
            key text not null,
            primary key (tenant_id, kind, alias)
        )
        """
    )
    isolate(op, "alias")
