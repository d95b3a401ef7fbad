"""The event store, the outcomes projected from it, and the weekly win rates cached from those."""

from alembic import op

from chassis.tables import create_chassis_tables, isolate

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables(op)
    op.execute(
        """
        create table event (
            tenant_id text not null,
            event_id uuid not null,
            seq bigint generated always as identity,
            type text not null,
            occurred_at timestamptz not null,
            stored_at timestamptz not null default now(),
            lead_id uuid,
            body jsonb not null,
            primary key (tenant_id, event_id)
        )
        """
    )
    op.execute("create index event_seq on event (tenant_id, seq)")
    op.execute("create index event_lead on event (tenant_id, lead_id, seq) where lead_id is not null")
    op.execute(
        """
        create table outcome (
            tenant_id text not null,
            outcome_id uuid not null,
            lead_id uuid not null,
            type text not null,
            week date not null,
            source_key text not null,
            geo_key text not null,
            intent text not null,
            primary key (tenant_id, outcome_id)
        )
        """
    )
    op.execute("create index outcome_week on outcome (tenant_id, week)")
    op.execute(
        """
        create table weekly_win_rate (
            tenant_id text not null,
            dimension text not null,
            week date not null,
            key text not null,
            intent text not null,
            leads_entered integer not null,
            appointments integer not null,
            won integer not null,
            lost integer not null,
            decided integer not null,
            primary key (tenant_id, dimension, week, key, intent)
        )
        """
    )
    op.execute("create table stale_week (tenant_id text not null, week date not null, primary key (tenant_id, week))")
    isolate(op, "event", "outcome", "weekly_win_rate", "stale_week")
