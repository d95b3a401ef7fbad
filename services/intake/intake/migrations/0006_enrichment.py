"""Runs that find companies, contacts and e-mail addresses; who is asked for them; which patterns of addresses are trusted."""

from alembic import op

from chassis.tables import isolate

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        create table enrichment_provider (
            tenant_id text not null,
            provider text not null,
            revision uuid not null,
            kind text not null,
            settings jsonb not null,
            updated_at timestamptz not null,
            primary key (tenant_id, provider)
        )
        """
    )
    op.execute(
        """
        create table enrichment_run (
            tenant_id text not null,
            run_id uuid not null,
            status text not null,
            actor text not null,
            criteria bytea,
            budget numeric not null,
            currency text not null,
            cost numeric not null default 0,
            most_companies integer not null,
            most_contacts integer not null,
            companies integer not null default 0,
            contacts integer not null default 0,
            emails integer not null default 0,
            submitted integer not null default 0,
            failure text,
            cause jsonb not null,
            created_at timestamptz not null,
            ended_at timestamptz,
            due_at timestamptz not null default now(),
            claimed_by uuid,
            claims integer not null default 0,
            primary key (tenant_id, run_id)
        )
        """
    )
    op.execute(
        "create index enrichment_run_due on enrichment_run (tenant_id, due_at) where status in ('pending', 'running')"
    )
    op.execute("create index enrichment_run_time on enrichment_run (tenant_id, created_at, run_id)")
    op.execute("create index enrichment_run_end on enrichment_run (tenant_id, ended_at) where criteria is not null")
    op.execute(
        """
        create table enrichment_step (
            tenant_id text not null,
            run_id uuid not null,
            position smallint not null,
            step text not null,
            status text not null,
            providers text[] not null,
            total integer not null default 0,
            done integer not null default 0,
            found integer not null default 0,
            cost numeric not null default 0,
            calls integer not null default 0,
            cached integer not null default 0,
            attempts integer not null default 0,
            failure text,
            started_at timestamptz,
            ended_at timestamptz,
            primary key (tenant_id, run_id, position),
            unique (tenant_id, run_id, step)
        )
        """
    )
    op.execute(
        """
        create table enrichment_item (
            tenant_id text not null,
            run_id uuid not null,
            step text not null,
            item integer not null,
            status text not null check (status in ('pending', 'done', 'skipped', 'submitted')),
            company_item integer,
            company jsonb,
            sealed bytea,
            identity text,
            tokens text[] not null default '{}',
            has_email boolean not null default false,
            evidence text[] not null default '{}',
            asked smallint not null default 0,
            failures smallint not null default 0,
            call_id uuid,
            call_provider text,
            call_kind text,
            call_cost numeric,
            primary key (tenant_id, run_id, step, item),
            unique (tenant_id, run_id, step, identity)
        )
        """
    )
    op.execute(
        "create index enrichment_item_open on enrichment_item (tenant_id, run_id, step, item) where status = 'pending'"
    )
    # An index of the array would not be used: its operators are not leakproof, and the rows are a tenant's own.
    op.execute(
        """
        create table enrichment_token (
            tenant_id text not null,
            token text not null,
            run_id uuid not null,
            item integer not null,
            primary key (tenant_id, token, run_id, item)
        )
        """
    )
    op.execute(
        """
        create table pattern_confidence (
            tenant_id text not null,
            domain text not null,
            pattern text not null,
            confidence double precision not null check (confidence between 0 and 1),
            updated_at timestamptz not null,
            primary key (tenant_id, domain, pattern)
        )
        """
    )
    isolate(
        op, "enrichment_provider", "enrichment_run", "enrichment_step", "enrichment_item", "enrichment_token",
        "pattern_confidence",
    )  # fmt: skip
