"""Leads as far as campaigns need them, campaigns, the send queue, and what the sandbox was handed."""

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
            version integer not null,
            source_key text,
            geo_key text,
            intent text,
            tier text,
            channels text[] not null,
            primary key (tenant_id, lead_id)
        )
        """
    )
    op.execute(
        """
        create table campaign (
            tenant_id text not null,
            campaign_id uuid not null,
            title text not null,
            channel text not null,
            state text not null check (state in ('running', 'paused')),
            source_key text,
            geo_key text,
            intent text,
            tier text,
            created_at timestamptz not null,
            primary key (tenant_id, campaign_id)
        )
        """
    )
    op.execute(
        """
        create table message (
            tenant_id text not null,
            campaign_id uuid not null,
            lead_id uuid not null,
            message_id uuid not null,
            channel text not null,
            state text not null check (state in ('queued', 'sending', 'sent', 'failed', 'unknown')),
            queued_at timestamptz not null,
            token uuid,
            lease_until timestamptz,
            ended_at timestamptz,
            reason text,
            primary key (tenant_id, campaign_id, lead_id),
            check (state <> 'sending' or (token is not null and lease_until is not null)),
            check ((state = 'failed') = (reason is not null))
        )
        """
    )
    op.execute(
        "create index message_queued on message (tenant_id, campaign_id, queued_at, lead_id) where state = 'queued'"
    )
    op.execute("create index message_sending on message (tenant_id, lease_until) where state = 'sending'")
    op.execute(
        """
        create table sandbox_delivery (
            tenant_id text not null,
            message_id uuid not null,
            campaign_id uuid not null,
            lead_id uuid not null,
            channel text not null,
            deliveries integer not null default 1,
            delivered_at timestamptz not null,
            primary key (tenant_id, message_id)
        )
        """
    )
    isolate(op, "lead", "campaign", "message", "sandbox_delivery")
