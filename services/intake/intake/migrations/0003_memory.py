"""What is remembered for a while, and the actions that were taken with their fingerprints."""

from alembic import op

from chassis.tables import isolate

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        create table memory (
            tenant_id text not null,
            key text not null,
            value jsonb not null,
            remembered_at timestamptz not null,
            expires_at timestamptz not null,
            primary key (tenant_id, key)
        )
        """
    )
    op.execute("create index memory_expiry on memory (tenant_id, expires_at)")
    op.execute(
        """
        create table action (
            tenant_id text not null,
            action_id uuid not null,
            action_type text not null,
            entity_type text not null,
            entity_id uuid,
            actor text not null,
            status text not null,
            proceeded_anyway boolean not null,
            similar_to uuid,
            fingerprint bytea,
            parts bytea[] not null,
            acted_at timestamptz not null,
            updated_at timestamptz not null,
            expires_at timestamptz not null,
            primary key (tenant_id, action_id)
        )
        """
    )
    op.execute("create index action_time on action (tenant_id, acted_at, action_id)")
    op.execute("create index action_expiry on action (tenant_id, expires_at) where fingerprint is not null")
    op.execute("create index action_same on action (tenant_id, fingerprint) where fingerprint is not null")
    op.execute(
        """
        create table action_part (
            tenant_id text not null,
            part bytea not null,
            action_id uuid not null,
            primary key (tenant_id, part, action_id)
        )
        """
    )
    isolate(op, "memory", "action", "action_part")
