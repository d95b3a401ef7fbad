"""With which generation of the tenant's token key a lead's digests were made; and which sources' ids are tokens."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("alter table lead add column key_generation smallint not null default 1")
    op.execute("create index lead_hidden on lead (tenant_id, source_system) where source_id like '~%'")
