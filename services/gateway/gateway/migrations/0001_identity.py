"""Tenants, the keys of their HTTP API, sign-in links and sessions."""

from alembic import op

from chassis.tables import create_chassis_tables, isolate

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables(op)
    # Not isolated: listing the installation's tenants acts for none of them.
    op.execute(
        """
        create table registered_tenant (
            tenant_id text primary key,
            version integer not null,
            settings jsonb not null,
            created_at timestamptz not null
        )
        """
    )
    op.execute(
        """
        create table api_key (
            tenant_id text not null references registered_tenant,
            key_id uuid not null,
            label text not null,
            digest bytea not null,
            created_at timestamptz not null default now(),
            revoked_at timestamptz,
            primary key (tenant_id, key_id)
        )
        """
    )
    op.execute(
        """
        create table sign_in_link (
            tenant_id text not null references registered_tenant,
            digest bytea not null,
            expires_at timestamptz not null,
            used_at timestamptz,
            primary key (tenant_id, digest)
        )
        """
    )
    op.execute(
        """
        create table session (
            tenant_id text not null references registered_tenant,
            digest bytea not null,
            session_id uuid not null,
            expires_at timestamptz not null,
            primary key (tenant_id, digest)
        )
        """
    )
    isolate(op, "api_key", "sign_in_link", "session")
