"""What stops sending before a provider does, and what variants of a text are judged by."""

from alembic import op

from chassis.tables import isolate

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # Of whose reputation an e-mail account has a share; and who carries its messages, where that can be down.
    op.execute(
        """
        alter table account
            add column domain text generated always as (
                case when channel = 'email' then lower(substring(address from '@([^@]+)$')) end) stored,
            add column endpoint text generated always as (
                case transport
                    when 'smtp' then lower(smtp ->> 'host') || ':' || (smtp ->> 'port')
                    when 'http' then lower(substring(http ->> 'url' from '^[a-z]+://[^/?]+'))
                end) stored
        """
    )
    # What the bounce guard ever stopped: a sender's domain, or a campaign by its id. stopped_for: why it is stopped, if it is.
    # resumed_at: when a person last let it go.
    op.execute(
        """
        create table guard (
            tenant_id text not null,
            level text not null check (level in ('sender_domain', 'campaign')),
            subject text not null,
            stopped_for text,
            why text not null,
            stopped_at timestamptz not null,
            resumed_at timestamptz,
            primary key (tenant_id, level, subject)
        )
        """
    )
    # The circuit breakers of providers that failed lately. failed_at: of a closed one, when.
    op.execute(
        """
        create table circuit (
            tenant_id text not null,
            endpoint text not null,
            state text not null check (state in ('closed', 'open', 'half_open')),
            failed_at timestamptz[] not null,
            until timestamptz,
            openings integer not null,
            probed_at timestamptz,
            primary key (tenant_id, endpoint)
        )
        """
    )
    op.execute("create index trouble_heard on trouble (tenant_id, at)")
    op.execute("create index trouble_message on trouble (tenant_id, message_id)")
    # By way of which message somebody asked not to be contacted.
    op.execute("alter table suppression add column message_id uuid")
    op.execute("create index suppression_message on suppression (tenant_id, message_id) where message_id is not null")
    op.execute(
        """
        create table win (
            tenant_id text not null,
            lead_id uuid not null,
            won_at timestamptz not null,
            primary key (tenant_id, lead_id)
        )
        """
    )
    isolate(op, "guard", "circuit", "win")
