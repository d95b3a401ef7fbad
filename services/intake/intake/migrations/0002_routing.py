"""Routing configurations by version, what is to be done with each lead, and every decision about one with its reasons."""

from alembic import op

from chassis.tables import append_only, isolate

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # catching_up: which leads a published version has still to be applied to (all | waiting), as far as caught_up_to.
    op.execute(
        """
        create table routing_version (
            tenant_id text not null,
            version integer not null,
            status text not null check (status in ('draft', 'published', 'superseded', 'discarded')),
            configuration jsonb not null,
            restores integer,
            created_by text not null,
            created_at timestamptz not null default now(),
            published_by text,
            published_at timestamptz,
            catching_up text check (catching_up in ('all', 'waiting')),
            caught_up_to uuid,
            caught_up integer not null default 0,
            primary key (tenant_id, version)
        )
        """
    )
    op.execute("create unique index routing_version_live on routing_version (tenant_id) where status = 'published'")
    op.execute(
        "create index routing_version_behind on routing_version (tenant_id) "
        "where status = 'published' and catching_up is not null"
    )
    op.execute(
        """
        create table work (
            tenant_id text not null,
            lead_id uuid not null,
            status text not null check (status in ('unrouted', 'routed', 'assigned', 'worked', 'closed')),
            workspace text,
            sub_vertical text,
            rule text,
            routing_version integer,
            waiting_since timestamptz not null,
            updated_at timestamptz not null default now(),
            primary key (tenant_id, lead_id),
            check (workspace is not null or status in ('unrouted', 'closed'))
        )
        """
    )
    op.execute(
        "create index work_waiting on work (tenant_id, status, workspace, waiting_since, lead_id) "
        "where status in ('unrouted', 'routed')"
    )
    op.execute(
        """
        create table decision (
            tenant_id text not null,
            decision_id uuid not null,
            lead_id uuid not null,
            kind text not null,
            decided_at timestamptz not null default now(),
            trace jsonb not null,
            route uuid,
            round uuid,
            primary key (tenant_id, lead_id, decision_id)
        )
        """
    )
    # What decisions have in common: the route that several leads took, the round of choices that gave them out.
    op.execute(
        """
        create table grounds (
            tenant_id text not null,
            grounds_id uuid not null,
            content jsonb not null,
            primary key (tenant_id, grounds_id)
        )
        """
    )
    isolate(op, "routing_version", "work", "decision", "grounds")
    append_only(op, "decision", "grounds")
