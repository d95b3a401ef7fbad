"""Outcomes are found by their ids: those of an import that is reverted are voided together."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("create index outcome_by_id on outcome (tenant_id, outcome_id)")
