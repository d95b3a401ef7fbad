"""Which lead stands for one that is merged into it."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("alter table lead add column merged_into uuid")
    op.execute("create index lead_merged on lead (tenant_id, merged_into) where merged_into is not null")
