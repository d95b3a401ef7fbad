"""A tenant's dead letters are found among everybody's."""

from alembic import op

from chassis.tables import index_dead_letters

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    index_dead_letters(op)
