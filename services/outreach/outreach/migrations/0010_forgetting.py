"""How messages changed is forgotten after some time: until then the database lets nobody delete it, and never change it."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("drop trigger append_only on message_event")
    op.execute(
        "create trigger append_only before update or truncate on message_event "
        "for each statement execute function refuse_change()"
    )
    # As long as a tenant's `message_history_days` is at least.
    op.execute(
        "create trigger append_only_lately before delete on message_event "
        "for each row when (old.at > now() - interval '90 days') execute function refuse_change()"
    )
