"""Alerts, at most one of them open per condition."""

from alembic import op

from chassis.tables import create_chassis_tables, isolate

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables(op)
    op.execute(
        """
        create table alert (
            tenant_id text not null,
            alert_id uuid not null,
            code text not null,
            condition text not null,
            category text not null,
            severity text not null,
            title text not null,
            message text not null,
            evidence jsonb not null,
            raised_at timestamptz not null,
            resolved_at timestamptz,
            dismissed_at timestamptz,
            dismissed_by text,
            primary key (tenant_id, alert_id),
            check ((dismissed_at is null) = (dismissed_by is null))
        )
        """
    )
    op.execute(
        """
        create unique index alert_open on alert (tenant_id, code, condition)
        where resolved_at is null and dismissed_at is null
        """
    )
    op.execute("create index alert_standing on alert (tenant_id, code, condition) where resolved_at is null")
    isolate(op, "alert")
