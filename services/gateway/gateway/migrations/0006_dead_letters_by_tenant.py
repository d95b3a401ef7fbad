"""A tenant's dead letters are found among everybody's."""

from alembic import op

from chassis.tables import index_dead_letters

revision = "0006"
down_revision = "0004"


def upgrade() -> None:
    index_dead_letters(op)
