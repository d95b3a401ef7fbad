"""Who was shown whose personal values, erased persons, what keeps them from coming back, and who confirmed the erasure."""

from alembic import op

from chassis.tables import append_only, isolate

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        create table reveal_audit (
            tenant_id text not null,
            reveal_id uuid not null,
            revealed_at timestamptz not null,
            caller text not null,
            service text not null,
            actor text,
            role text,
            purpose text not null,
            fields text[] not null,
            lead_id uuid not null,
            person_id uuid not null,
            correlation_id uuid not null,
            primary key (tenant_id, reveal_id),
            check ((actor is null) = (role is null))
        )
        """
    )
    op.execute("create index reveal_audit_caller on reveal_audit (tenant_id, caller, revealed_at)")
    op.execute("create index reveal_audit_person on reveal_audit (tenant_id, person_id, reveal_id)")
    op.execute("create index reveal_audit_lead on reveal_audit (tenant_id, lead_id, reveal_id)")
    append_only(op, "reveal_audit")
    op.execute("revoke update, delete, truncate on reveal_audit from leadloop_intake")
    op.execute(
        """
        create table reveal_limit_told (
            tenant_id text not null,
            caller text not null,
            told_at timestamptz not null,
            primary key (tenant_id, caller)
        )
        """
    )
    op.execute(
        "alter table lead add column erased_at timestamptz, add column suppressed boolean not null default false"
    )
    op.execute(
        """
        create table erasure (
            tenant_id text not null,
            erasure_id uuid not null,
            person_id uuid not null,
            lead_ids uuid[] not null,
            erased_at timestamptz not null,
            service text not null,
            actor text,
            role text,
            reason text not null,
            counts jsonb not null,
            lifted_at timestamptz,
            lifted_by text,
            lift_reason text,
            primary key (tenant_id, erasure_id)
        )
        """
    )
    op.execute("create index erasure_person on erasure (tenant_id, person_id, erasure_id)")
    op.execute(
        """
        create table erasure_confirmation (
            tenant_id text not null,
            erasure_id uuid not null,
            service text not null,
            lead_id uuid not null,
            confirmed_at timestamptz not null,
            dropped jsonb not null,
            primary key (tenant_id, erasure_id, service, lead_id)
        )
        """
    )
    op.execute(
        """
        create table suppression (
            tenant_id text not null,
            entry text not null,
            erasure_id uuid not null,
            primary key (tenant_id, entry)
        )
        """
    )
    op.execute("create index suppression_erasure on suppression (tenant_id, erasure_id)")
    isolate(
        op, "reveal_audit", "reveal_limit_told", "erasure", "erasure_confirmation", "suppression"
    )  # fmt: skip
