"""Outcomes, append-only; the leads they belong to, version by version; what waits, and the verdicts."""

from alembic import op

from chassis.tables import append_only, create_chassis_tables, isolate

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
            tier text,
            timeline text,
            last_activity_at timestamptz not null,
            beyond_contacted boolean not null default false,
            primary key (tenant_id, lead_id),
            unique (tenant_id, source_system, source_id)
        )
        """
    )
    op.execute(
        """
        create index lead_missing_outcome on lead (tenant_id, last_activity_at)
        where not beyond_contacted and tier in ('A', 'B') and timeline in ('0-30', '31-90')
        """
    )
    op.execute(
        """
        create table lead_version (
            tenant_id text not null,
            lead_id uuid not null,
            version integer not null,
            attribution jsonb not null,
            created_at timestamptz not null,
            primary key (tenant_id, lead_id, version)
        )
        """
    )
    op.execute(
        """
        create table submission (
            tenant_id text not null,
            submission_id uuid not null,
            lead_id uuid not null,
            version integer not null,
            primary key (tenant_id, submission_id)
        )
        """
    )
    op.execute(
        """
        create table rejection (
            tenant_id text not null,
            submission_id uuid not null,
            source_system text not null,
            source_id text not null,
            primary key (tenant_id, submission_id)
        )
        """
    )
    op.execute("create index rejection_source on rejection (tenant_id, source_system, source_id)")
    op.execute(
        """
        create table outcome (
            tenant_id text not null,
            lead_id uuid not null,
            sequence integer not null,
            outcome_id uuid not null,
            type text not null,
            occurred_at timestamptz not null,
            idempotency_key text not null,
            recorded_at timestamptz not null,
            recorded_by text not null,
            attribution jsonb not null,
            value numeric,
            currency text,
            value_band text,
            reason_code text,
            warnings text[] not null,
            overridden boolean not null,
            sealed bytea,
            primary key (tenant_id, lead_id, sequence),
            unique (tenant_id, lead_id, type, occurred_at, idempotency_key)
        )
        """
    )
    append_only(op, "outcome")
    op.execute(
        """
        create table waiting (
            tenant_id text not null,
            position bigint generated always as identity,
            command_id uuid not null,
            command_type text not null,
            correlation_id uuid not null,
            traceparent text,
            lead_id uuid,
            source_system text,
            source_id text,
            submission_id uuid,
            recorded_by text not null,
            heard_at timestamptz not null,
            waits_until timestamptz not null,
            entries jsonb not null,
            primary key (tenant_id, position)
        )
        """
    )
    op.execute("create index waiting_lead on waiting (tenant_id, lead_id) where lead_id is not null")
    op.execute("create index waiting_source on waiting (tenant_id, source_system, source_id) where lead_id is null")
    op.execute("create index waiting_submission on waiting (tenant_id, submission_id) where submission_id is not null")
    op.execute("create index waiting_until on waiting (waits_until)")
    op.execute(
        """
        create table recording (
            tenant_id text not null,
            command_id uuid not null,
            correlation_id uuid not null,
            results jsonb not null,
            primary key (tenant_id, command_id)
        )
        """
    )
    op.execute("create index recording_run on recording (tenant_id, correlation_id)")
    op.execute(
        """
        create table heard (
            one boolean primary key default true check (one),
            through timestamptz not null
        )
        """
    )
    isolate(op, "lead", "lead_version", "submission", "rejection", "outcome", "waiting", "recording")
