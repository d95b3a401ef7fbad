"""Users with their passwords and other ways to sign in, what keys allow and how long, whose sessions and links are, and the audit."""

from alembic import op

from chassis.tables import append_only, isolate

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # The users of the platform stand here too, under its name, which is no registered tenant.
    op.execute(
        """
        create table user_account (
            tenant_id text not null,
            user_id uuid not null,
            version integer not null default 1,
            role text not null,
            state text not null default 'active' check (state in ('active', 'suspended', 'removed')),
            email_token text,
            sealed bytea,
            password_hash text,
            created_at timestamptz not null,
            primary key (tenant_id, user_id),
            unique (tenant_id, email_token),
            check (state <> 'removed' or (email_token is null and sealed is null and password_hash is null))
        )
        """
    )
    op.execute(
        """
        create table sign_in_provider (
            tenant_id text not null references registered_tenant,
            name text not null,
            issuer text not null,
            client_id text not null,
            new_users text,
            sealed bytea,
            primary key (tenant_id, name)
        )
        """
    )
    # Which of a provider's subjects is which user, from their first sign-in on: an e-mail address can change hands.
    op.execute(
        """
        create table user_identity (
            tenant_id text not null,
            issuer text not null,
            subject text not null,
            user_id uuid not null,
            primary key (tenant_id, issuer, subject),
            foreign key (tenant_id, user_id) references user_account
        )
        """
    )
    # What came before has no user: such a key allows what it did, such a link is the first admin's, and whoever has
    # such a session signs in again.
    op.execute(
        """
        alter table api_key
            add column scopes text[],
            add column expires_at timestamptz,
            add column created_by text
        """
    )
    op.execute("alter table sign_in_link add column user_id uuid, drop constraint sign_in_link_tenant_id_fkey")
    op.execute(
        """
        alter table session
            drop constraint session_tenant_id_fkey,
            add column user_id uuid,
            add column method text,
            add column began_at timestamptz not null default now(),
            add column used_at timestamptz not null default now()
        """
    )
    op.execute("create index session_of_user on session (tenant_id, user_id)")
    op.execute(
        """
        create table identity_change (
            tenant_id text not null,
            change_id uuid not null,
            occurred_at timestamptz not null,
            actor text not null,
            action text not null,
            subject text not null,
            detail jsonb not null,
            correlation_id uuid not null,
            primary key (tenant_id, change_id)
        )
        """
    )
    op.execute("create index identity_change_actor on identity_change (tenant_id, actor, change_id)")
    op.execute("create index identity_change_subject on identity_change (tenant_id, subject, change_id)")
    append_only(op, "identity_change")
    op.execute("revoke update, delete, truncate on identity_change from leadloop_gateway")
    op.execute(
        """
        create table refusal_told (
            tenant_id text not null,
            who text not null,
            told_at timestamptz not null,
            primary key (tenant_id, who)
        )
        """
    )
    isolate(op, "user_account", "sign_in_provider", "user_identity", "identity_change", "refusal_told")
