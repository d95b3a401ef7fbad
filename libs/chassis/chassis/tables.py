"""The tables every service has in its own schema, and the migration steps that make them.

They carry no tenant policy: they hold envelopes, not a tenant's rows, and are read by the service itself only.
"""

from typing import Protocol

_CHASSIS = """
create table inbox (
    tenant text not null,
    message_id uuid not null,
    digest bytea not null,
    handled_at timestamptz not null default now(),
    primary key (tenant, message_id)
);
create index inbox_handled_at on inbox (handled_at);

create table outbox (
    seq bigint generated always as identity primary key,
    id uuid not null,
    type text not null,
    tenant text not null,
    time timestamptz not null,
    correlation_id uuid not null,
    causation_id uuid,
    traceparent text,
    body bytea not null,
    parked text
);
create index outbox_time on outbox using brin (time);

create table outbox_unsent (
    seq bigint primary key
);

create table dead_letter (
    dead_letter_id bigint generated always as identity primary key,
    message_id uuid not null,
    message_type text not null,
    tenant text not null,
    reason text not null,
    size integer not null,
    digest bytea not null,
    sealed bytea not null,
    received_at timestamptz not null,
    buried_at timestamptz not null default now(),
    redriven_at timestamptz
);
create index dead_letter_open on dead_letter (dead_letter_id) where redriven_at is null;
create unique index dead_letter_once on dead_letter (message_id, digest) where redriven_at is null;

create table attempt (
    message_id uuid primary key,
    count integer not null
);

create table job_run (
    job text not null,
    slot timestamptz not null,
    run_id uuid not null,
    state text not null check (state in ('running', 'succeeded', 'failed')),
    attempts integer not null default 1,
    lease_until timestamptz not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    counts jsonb not null default '{}',
    error text,
    primary key (job, slot)
);

create table tenant (
    tenant_id text primary key,
    version integer not null,
    settings jsonb not null,
    created_at timestamptz not null
);

create table tenant_key (
    tenant_id text not null,
    purpose text not null,
    wrapped bytea not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, purpose)
);
"""


_DEAD_LETTERS_BY_TENANT = "create index dead_letter_tenant on dead_letter (tenant, dead_letter_id)"


class Migration(Protocol):
    """What a migration runs its statements by: ``alembic.op``, or an ``Operations`` of one's own."""

    def execute(self, sqltext: str, /) -> None: ...


def create_chassis_tables(op: Migration) -> None:
    """The first step of every service's first migration."""
    for statement in _CHASSIS.split(";\n"):
        if statement.strip():
            op.execute(statement)


def index_dead_letters(op: Migration) -> None:
    """Have a tenant's dead letters be found among everybody's."""
    op.execute(_DEAD_LETTERS_BY_TENANT)


def isolate(op: Migration, *tables: str) -> None:
    """Let each of these tables show only rows of the tenants a transaction acts for, to its owner as well.

    An ended transaction-local setting reads as '' rather than null, hence the nullif.

    The planner is told for good that the tenant narrows nothing down. It would otherwise believe, of a tenant that is new
    since the table was last analysed, that it has hardly a row; and since every index begins with the tenant,
    take any of them and walk through all its rows, once for each row it looks up.
    """
    for table in tables:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(
            f"create policy tenants on {table} using "
            "(tenant_id = any (nullif(current_setting('app.tenants', true), '')::text[]))"
        )
        op.execute(
            f"""select pg_restore_attribute_stats(
                'schemaname', current_schema()::text, 'relname', '{table}', 'attname', 'tenant_id', 'inherited', false,
                'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 1::real)"""
        )
        op.execute(f"alter table {table} alter column tenant_id set statistics 0")  # what was told is not replaced


def append_only(op: Migration, *tables: str) -> None:
    """Have the database refuse every update and delete of these tables' rows, whoever asks."""
    op.execute(
        """
        create or replace function refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception '% is append-only: a row is never changed or deleted', tg_table_name
                using errcode = 'restrict_violation';
        end $$
        """
    )
    for table in tables:
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table} "
            "for each statement execute function refuse_change()"
        )
