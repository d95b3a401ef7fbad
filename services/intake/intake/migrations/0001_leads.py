"""Leads, the persons they belong to, the vault of what is personal about them, and the verdict on each submission."""

from alembic import op

from chassis.tables import create_chassis_tables, isolate

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables(op)
    op.execute(
        """
        create table lead (
            tenant_id text not null,
            lead_id uuid not null,
            source_system text not null,
            source_id text not null,
            version integer not null,
            person_id uuid not null,
            submission_id uuid not null,
            digest bytea not null,
            field_digests jsonb not null,
            phone_token text,
            email_token text,
            linkedin_token text,
            source_key text,
            geo_key text,
            intent text,
            timeline text,
            price_band text,
            budget_band text,
            tier text,
            product_interest text,
            partner text,
            created_at timestamptz not null,
            last_activity_at timestamptz,
            updated_at timestamptz not null default now(),
            warnings jsonb not null,
            metadata jsonb not null,
            primary key (tenant_id, lead_id),
            unique (tenant_id, source_system, source_id)
        )
        """
    )
    op.execute("create index lead_person on lead (tenant_id, person_id)")
    op.execute("create index lead_source on lead (tenant_id, source_key, lead_id)")
    op.execute("create index lead_geo on lead (tenant_id, geo_key, lead_id)")
    op.execute(
        """
        create table person_token (
            tenant_id text not null,
            token text not null,
            person_id uuid not null,
            primary key (tenant_id, token)
        )
        """
    )
    op.execute("create index person_token_person on person_token (tenant_id, person_id)")
    op.execute(
        """
        create table person_key (
            tenant_id text not null,
            key_id uuid not null,
            wrapped bytea not null,
            primary key (tenant_id, key_id)
        )
        """
    )
    op.execute(
        """
        create table vault (
            tenant_id text not null,
            lead_id uuid not null,
            key_id uuid not null,
            sealed bytea not null,
            primary key (tenant_id, lead_id)
        )
        """
    )
    op.execute(
        """
        create table submission (
            tenant_id text not null,
            submission_id uuid not null,
            verdict text not null,
            lead_id uuid,
            version integer,
            correlation_id uuid not null,
            reasons jsonb not null,
            handled_at timestamptz not null default now(),
            primary key (tenant_id, submission_id)
        )
        """
    )
    op.execute("create index submission_run on submission (tenant_id, correlation_id)")
    isolate(op, "lead", "person_token", "person_key", "vault", "submission")
