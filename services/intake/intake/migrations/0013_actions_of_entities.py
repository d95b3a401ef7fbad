"""The actions about a person are found by whom they are about: an export shows them, an erasure empties them."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("create index action_entity on action (tenant_id, entity_id, action_id) where entity_id is not null")
