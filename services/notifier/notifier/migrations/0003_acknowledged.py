"""Who sees to an alert, and a page of the open ones however many there have been."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        alter table alert
            add acknowledged_at timestamptz,
            add acknowledged_by text,
            add check ((acknowledged_at is null) = (acknowledged_by is null))
        """
    )
    op.execute(
        "create index alert_open_newest on alert (tenant_id, alert_id) "
        "where resolved_at is null and dismissed_at is null"
    )
