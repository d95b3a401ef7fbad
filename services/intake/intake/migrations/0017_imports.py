"""Imports: their files, sealed and in chunks; how far each is read; what was wrong; and which leads stay where one is reverted."""

from alembic import op

from chassis.tables import isolate

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    # Outcomes are sent after the leads of their rows are committed: `rows_sent` follows `rows_done`.
    op.execute(
        """
        create table import_run (
            tenant_id text not null,
            run_id uuid not null,
            state text not null,
            origin text not null,
            actor text not null,
            ordered_by text not null,
            file_name bytea not null,
            mapping bytea,
            bytes bigint not null default 0,
            bytes_read bigint not null default 0,
            again boolean not null default false,
            read_all boolean not null default false,
            rows_done integer not null default 0,
            rows_sent integer not null default 0,
            counts jsonb not null default '{}',
            checked boolean not null default false,
            check_counts jsonb,
            reverted jsonb,
            after_lead uuid,
            failure text,
            cause jsonb not null,
            created_at timestamptz not null,
            started_at timestamptz,
            ended_at timestamptz,
            reverted_at timestamptz,
            noted_at timestamptz not null,
            due_at timestamptz not null default now(),
            claimed_by uuid,
            primary key (tenant_id, run_id)
        )
        """
    )
    op.execute("create index import_run_time on import_run (tenant_id, created_at, run_id)")
    op.execute(
        "create index import_run_due on import_run (tenant_id, due_at) where state in ('checking', 'running', 'reverting')"
    )
    op.execute(
        """
        create table import_chunk (
            tenant_id text not null,
            run_id uuid not null,
            number integer not null,
            size integer not null,
            token text not null,
            sealed bytea not null,
            primary key (tenant_id, run_id, number)
        )
        """
    )
    op.execute(
        """
        create table import_error (
            tenant_id text not null,
            run_id uuid not null,
            number integer not null,
            row_number integer not null,
            line integer not null,
            field text not null,
            reason bytea not null,
            primary key (tenant_id, run_id, number)
        )
        """
    )
    # The orders to record outcomes whose verdicts are not known yet, and where they stand in the file.
    op.execute(
        """
        create table import_order (
            tenant_id text not null,
            run_id uuid not null,
            command_id uuid not null,
            row_number integer not null,
            line integer not null,
            places smallint[] not null,
            primary key (tenant_id, run_id, command_id)
        )
        """
    )
    op.execute(
        """
        create table import_kept (
            tenant_id text not null,
            run_id uuid not null,
            lead_id uuid not null,
            kept_for text not null,
            primary key (tenant_id, run_id, lead_id)
        )
        """
    )
    # A contact by an outcome is told apart from one by a message: an import brings outcomes of its own.
    op.execute("alter table progress add column messaged_at timestamptz")
    isolate(op, "import_run", "import_chunk", "import_error", "import_order", "import_kept")
