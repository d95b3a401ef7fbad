"""What other systems sent, were about to send, or were told never to send."""

from alembic import op

from chassis.tables import isolate

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # source_key: a keyed hash of what another system calls a message: nothing is taken over twice.
    op.execute(
        """
        create table backfilled (
            tenant_id text not null,
            kind text not null check (kind in ('pending', 'sent')),
            source_key text not null,
            taken_at timestamptz not null,
            primary key (tenant_id, kind, source_key)
        )
        """
    )
    isolate(op, "backfilled")
    # has_text: intake keeps what the message says, by its message_id.
    op.execute("alter table send_queue add column has_text boolean not null default false")
    op.execute("alter table suppression add column note bytea")
