"""Leads as far as contacting them goes, accounts, campaigns, enrollments, the send queue and what happened to each message."""

from alembic import op

from chassis.tables import append_only, create_chassis_tables, isolate

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables(op)
    # names: what the person is known by, the tokens of their addresses and their person's id, each behind its kind.
    op.execute(
        """
        create table lead (
            tenant_id text not null,
            lead_id uuid not null,
            version integer not null,
            names text[] not null,
            channels text[] not null,
            time_zone text,
            attribution jsonb not null,
            metadata jsonb not null,
            merged_into uuid,
            erased boolean not null,
            primary key (tenant_id, lead_id)
        )
        """
    )
    op.execute("create index lead_merged on lead (tenant_id, merged_into) where merged_into is not null")
    # changed_at: when its health blocked it, or it was let go; resumed_at: when a person last let it go.
    # throttled_until: infinity where a person must have it go on.
    op.execute(
        """
        create table account (
            tenant_id text not null,
            account_id uuid not null,
            title text not null,
            channel text not null,
            address text not null,
            sender_name text,
            transport text not null,
            smtp jsonb,
            http jsonb,
            sandbox jsonb,
            settings jsonb not null,
            state text not null check (state in ('active', 'paused', 'removed')),
            health integer not null,
            blocked boolean not null,
            changed_at timestamptz,
            resumed_at timestamptz,
            throttled_until timestamptz,
            next_at timestamptz,
            created_at timestamptz not null,
            primary key (tenant_id, account_id)
        )
        """
    )
    # enrolled_through: how far its audience has been enrolled of the leads that were there when it started; empty when all are.
    op.execute(
        """
        create table campaign (
            tenant_id text not null,
            campaign_id uuid not null,
            title text not null,
            state text not null check (state in ('draft', 'running', 'paused', 'archived')),
            source_key text,
            geo_key text,
            intent text,
            tier text,
            settings jsonb not null,
            steps jsonb not null,
            enrolled_through uuid,
            created_at timestamptz not null,
            primary key (tenant_id, campaign_id)
        )
        """
    )
    op.execute("create index campaign_enrolling on campaign (tenant_id) where enrolled_through is not null")
    op.execute(
        """
        create table enrollment (
            tenant_id text not null,
            enrollment_id uuid not null,
            campaign_id uuid not null,
            lead_id uuid not null,
            holds boolean not null,
            replied_at timestamptz,
            paused_until timestamptz,
            started_at timestamptz not null,
            ended_at timestamptz,
            end_reason text,
            primary key (tenant_id, enrollment_id),
            check ((ended_at is null) = (end_reason is null)),
            check (ended_at is null or not holds)
        )
        """
    )
    op.execute("create unique index enrollment_once on enrollment (tenant_id, campaign_id, lead_id)")
    op.execute("create index enrollment_lead on enrollment (tenant_id, lead_id) where ended_at is null")
    op.execute("create index enrollment_going_on on enrollment (tenant_id, campaign_id) where ended_at is null")
    # Who holds a person: the enrollment that reserved them by this name, for as long as it lasts, and for 60 days after anything
    # was last sent to them.
    op.execute(
        """
        create table hold (
            tenant_id text not null,
            name text not null,
            enrollment_id uuid,
            lasts boolean not null,
            last_sent_at timestamptz,
            primary key (tenant_id, name),
            check (not lasts or enrollment_id is not null)
        )
        """
    )
    op.execute("create index hold_enrollment on hold (tenant_id, enrollment_id)")
    op.execute(
        """
        create table suppression (
            tenant_id text not null,
            suppression_id uuid not null,
            lead_id uuid,
            reason text not null,
            channel text,
            campaign_id uuid,
            created_at timestamptz not null,
            actor text,
            expires_at timestamptz,
            lifted_at timestamptz,
            lifted_by text,
            primary key (tenant_id, suppression_id),
            check (reason <> 'complaint' or (expires_at is null and lifted_at is null))
        )
        """
    )
    # About whom the entries are: everybody who is known by one of these names.
    op.execute(
        """
        create table suppressed_name (
            tenant_id text not null,
            name text not null,
            suppression_id uuid not null,
            primary key (tenant_id, name, suppression_id)
        )
        """
    )
    # due_at: when it is looked at next; infinity while it waits for something that has no date (waiting_for says what).
    # spent_at: since when it counts as one of its account's messages of that day.
    op.execute(
        """
        create table send_queue (
            tenant_id text not null,
            message_id uuid not null,
            enrollment_id uuid not null,
            campaign_id uuid not null,
            lead_id uuid not null,
            step integer not null,
            kind text not null,
            account_id uuid,
            state text not null
                check (state in ('queued', 'claimed', 'sending', 'sent', 'failed', 'skipped', 'unknown')),
            queued_at timestamptz not null,
            due_at timestamptz not null,
            waiting_for text,
            tries integer not null default 0,
            token uuid,
            lease_until timestamptz,
            spent_at timestamptz,
            ended_at timestamptz,
            reason text,
            fault text,
            variant uuid,
            variant_version integer,
            reference text,
            provider_reference text,
            primary key (tenant_id, message_id),
            check (state not in ('claimed', 'sending') or (token is not null and lease_until is not null)),
            check (state not in ('claimed', 'sending', 'sent', 'unknown') or (account_id is not null and spent_at is not null)),
            check (state not in ('failed', 'skipped') or reason is not null)
        )
        """
    )
    op.execute("create unique index send_queue_once on send_queue (tenant_id, enrollment_id, step)")
    op.execute(
        "create index send_queue_due on send_queue (tenant_id, account_id, campaign_id, kind, due_at, message_id) "
        "where state = 'queued'"
    )
    op.execute(
        "create index send_queue_waiting on send_queue (tenant_id, message_id) "
        "where state = 'queued' and waiting_for is not null"
    )
    op.execute("create index send_queue_leased on send_queue (lease_until) where state in ('claimed', 'sending')")
    op.execute(
        "create index send_queue_spent on send_queue (tenant_id, account_id, spent_at) where spent_at is not null"
    )
    op.execute("create index send_queue_lead on send_queue (tenant_id, lead_id, queued_at)")
    # Only of what is over: the rest is looked for by lane, and a campaign's whole queue must not look like a way there.
    op.execute(
        "create index send_queue_campaign on send_queue (tenant_id, campaign_id, state, spent_at) "
        "where state in ('sent', 'failed', 'skipped', 'unknown')"
    )
    # When a worker has to look next at what one account has to send of one kind for one campaign. Too early costs a look.
    op.execute(
        """
        create table lane (
            tenant_id text not null,
            account_id uuid not null,
            campaign_id uuid not null,
            kind text not null,
            ready_at timestamptz not null,
            primary key (tenant_id, account_id, campaign_id, kind)
        )
        """
    )
    op.execute("create index lane_ready on lane (ready_at)")
    # What was heard of messages, or kept an account from sending one: what an account's health is computed from.
    op.execute(
        """
        create table trouble (
            tenant_id text not null,
            account_id uuid not null,
            trouble_id uuid not null,
            message_id uuid not null,
            kind text not null,
            at timestamptz not null,
            primary key (tenant_id, account_id, trouble_id)
        )
        """
    )
    op.execute(
        """
        create table message_event (
            tenant_id text not null,
            message_id uuid not null,
            event_id uuid not null,
            state text not null,
            at timestamptz not null,
            reason text,
            account_id uuid,
            primary key (tenant_id, message_id, event_id)
        )
        """
    )
    op.execute(
        """
        create table outreach_history (
            tenant_id text not null,
            history_id uuid not null,
            lead_id uuid,
            channel text not null,
            campaign_id uuid,
            message_id uuid,
            sent_at timestamptz not null,
            primary key (tenant_id, history_id)
        )
        """
    )
    op.execute("create index outreach_history_lead on outreach_history (tenant_id, lead_id, sent_at)")
    op.execute(
        """
        create table sandbox_delivery (
            tenant_id text not null,
            message_id uuid not null,
            account_id uuid not null,
            campaign_id uuid not null,
            lead_id uuid not null,
            kind text not null,
            deliveries integer not null default 1,
            delivered_at timestamptz not null,
            primary key (tenant_id, message_id)
        )
        """
    )
    isolate(
        op, "lead", "account", "campaign", "enrollment", "hold", "suppression", "suppressed_name", "send_queue", "lane", "trouble", "message_event",
        "outreach_history", "sandbox_delivery",
    )  # fmt: skip
    append_only(op, "message_event")
