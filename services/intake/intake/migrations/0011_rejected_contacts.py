"""Why a contact that was submitted as a lead was rejected: it stays, and can be submitted again."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("alter table enrichment_item add column rejected text")
