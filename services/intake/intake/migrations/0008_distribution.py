"""The agents of a tenant, their time off, who owns which lead, and how far leads came by themselves."""

from alembic import op

from chassis.tables import isolate

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """
        create table agent (
            tenant_id text not null,
            user_id text not null,
            workspaces text[] not null,
            capacity integer not null,
            weight integer not null,
            roles text[] not null,
            regions text[] not null,
            working_hours jsonb,
            time_zone text not null,
            active boolean not null,
            removed boolean not null,
            version integer not null,
            updated_at timestamptz not null,
            primary key (tenant_id, user_id)
        )
        """
    )
    op.execute(
        """
        create table time_off (
            tenant_id text not null,
            time_off_id uuid not null,
            user_id text not null,
            starts_at timestamptz not null,
            ends_at timestamptz,
            applied boolean not null,
            primary key (tenant_id, time_off_id),
            check (starts_at < ends_at)
        )
        """
    )
    op.execute("create index time_off_agent on time_off (tenant_id, user_id, ends_at)")
    op.execute("create index time_off_to_apply on time_off (tenant_id, starts_at) where not applied")
    # The version of an ownership's end is one higher than that of its beginning. One that goes on from a lead that was merged
    # into this one is inherited from it.
    op.execute(
        """
        create table assignment (
            tenant_id text not null,
            assignment_id uuid not null,
            lead_id uuid not null,
            user_id text not null,
            workspace text not null,
            version integer not null,
            assigned_at timestamptz not null,
            assigned_by text not null check (assigned_by in ('rule', 'system', 'user')),
            actor text,
            due_at timestamptz,
            contacted_at timestamptz,
            ended_at timestamptz,
            end_reason text,
            ended_by text,
            inherited_from uuid,
            primary key (tenant_id, assignment_id),
            check ((ended_at is null) = (end_reason is null))
        )
        """
    )
    op.execute("create unique index assignment_owner on assignment (tenant_id, lead_id) where ended_at is null")
    op.execute("create index assignment_lead on assignment (tenant_id, lead_id, assignment_id)")
    op.execute("create index assignment_agent on assignment (tenant_id, user_id, assignment_id)")
    op.execute("create index assignment_held on assignment (tenant_id, user_id) where ended_at is null")
    op.execute("create index assignment_ended on assignment (tenant_id, user_id, ended_at) where ended_at is not null")
    op.execute(
        "create index assignment_due on assignment (tenant_id, due_at) "
        "where ended_at is null and contacted_at is null and due_at is not null"
    )
    op.execute(
        """
        create table rotation (
            tenant_id text not null,
            workspace text not null,
            standing jsonb not null,
            primary key (tenant_id, workspace)
        )
        """
    )
    # Kept of every lead, because rules may be published later, and make work of the open leads only.
    op.execute(
        """
        create table progress (
            tenant_id text not null,
            lead_id uuid not null,
            contacted_at timestamptz,
            closed_at timestamptz,
            reopened_at timestamptz,
            closed boolean generated always as (closed_at is not null and (reopened_at is null or closed_at > reopened_at)) stored,
            primary key (tenant_id, lead_id)
        )
        """
    )
    op.execute(
        """
        create table heard (
            one boolean primary key default true check (one),
            through timestamptz not null
        )
        """
    )
    # Why a lead that waits is given to nobody by itself any more.
    op.execute("alter table work add column kept_back text")
    isolate(op, "agent", "time_off", "assignment", "rotation", "progress")
