"""What came back of messages."""

from alembic import op

from chassis.tables import isolate

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # What a reply says in words lies in intake's vault, by its reply_id.
    op.execute(
        """
        create table reply (
            tenant_id text not null,
            reply_id uuid not null,
            taken_id uuid not null,
            message_id uuid not null,
            enrollment_id uuid not null,
            campaign_id uuid not null,
            lead_id uuid not null,
            account_id uuid,
            channel text not null,
            variant uuid,
            received_at timestamptz not null,
            reply_class text,
            confidence double precision not null,
            rules text[] not null,
            returns_on date,
            needs_person boolean not null,
            classified_by text,
            has_text boolean not null,
            primary key (tenant_id, reply_id)
        )
        """
    )
    op.execute("create unique index reply_in_turn on reply (tenant_id, taken_id)")
    op.execute("create index reply_lead on reply (tenant_id, lead_id)")
    op.execute("create index reply_unread on reply (tenant_id, taken_id) where needs_person")
    # What was taken, by what its service, or its Message-ID, calls it: nothing is taken twice.
    op.execute(
        """
        create table taken (
            tenant_id text not null,
            source_key text not null,
            message_id uuid,
            taken_at timestamptz not null,
            primary key (tenant_id, source_key)
        )
        """
    )
    # How far a mailbox was read: the generation of its UIDs, and the last of them; nowhere yet, where they are empty.
    op.execute(
        """
        create table mailbox (
            tenant_id text not null,
            account_id uuid not null,
            imap jsonb not null,
            uid_validity bigint,
            uid bigint,
            next_at timestamptz not null,
            read_at timestamptz,
            failing_since timestamptz,
            error text,
            passed_over integer not null,
            primary key (tenant_id, account_id)
        )
        """
    )
    op.execute("create index mailbox_due on mailbox (next_at)")
    isolate(op, "reply", "taken", "mailbox")
