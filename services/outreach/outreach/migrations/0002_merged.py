"""Which lead stands for one that is merged into it, and messages that are held back for it."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("alter table lead add column merged_into uuid")
    op.execute("create index lead_merged on lead (tenant_id, merged_into) where merged_into is not null")
    op.execute("alter table message drop constraint message_state_check")
    op.execute(
        "alter table message add constraint message_state_check "
        "check (state in ('queued', 'held', 'sending', 'sent', 'failed', 'unknown'))"
    )
