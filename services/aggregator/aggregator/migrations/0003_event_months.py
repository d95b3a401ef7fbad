"""The events in partitions, one a month, by when they were told; found by campaign, account, type and time too."""

from alembic import op

from chassis.tables import isolate

revision = "0003"
down_revision = "0002"

_INDEXES = (
    "alter table event add primary key (tenant_id, event_id, told_at)",
    "create index event_seq on event (tenant_id, seq)",
    "create index event_lead on event (tenant_id, lead_id, seq) where lead_id is not null",
    "create index event_type on event (tenant_id, type, occurred_at, seq)",
    """create index event_campaign on event (tenant_id, campaign_id, type, occurred_at, seq)
       where campaign_id is not null""",
    "create index event_account on event (tenant_id, account_id, type, occurred_at, seq) where account_id is not null",
)
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def upgrade() -> None:
    op.execute("alter table event rename to event_before")
    op.execute("alter table event_before no force row level security")  # or its owner would see no row
    op.execute(
        """
        create table event (
            tenant_id text not null,
            event_id uuid not null,
            told_at timestamptz not null,
            seq bigint generated always as identity,
            type text not null,
            occurred_at timestamptz not null,
            stored_at timestamptz not null default now(),
            lead_id uuid,
            campaign_id uuid,
            account_id uuid,
            body jsonb not null
        ) partition by range (told_at)
        """
    )
    # Who stores an event of a month that is not there owns nothing: the owner makes it on its behalf, and nothing else.
    op.execute(
        """
        create function make_event_months(days date[]) returns integer
        language plpgsql security definer set search_path = aggregator, pg_temp as $$
        declare
            month timestamp;
            partition text;
            made integer := 0;
        begin
            for month in select distinct date_trunc('month', cast(day as timestamp)) from unnest(days) as day order by 1 loop
                partition := 'event_' || to_char(month, 'YYYY_MM');
                continue when to_regclass('aggregator.' || partition) is not null;
                perform pg_advisory_xact_lock(hashtextextended('aggregator/event_months', 0));
                continue when to_regclass('aggregator.' || partition) is not null;
                execute format('create table %I (like event including defaults)', partition);
                execute format('alter table %I enable row level security', partition);
                execute format('alter table %I force row level security', partition);
                execute format(
                    'create policy tenants on %I using '
                    '(tenant_id = any (nullif(current_setting(''app.tenants'', true), '''')::text[]))', partition);
                -- Attached, not created in place: nobody who stores or reads events waits for it.
                execute format(
                    'alter table event attach partition %I for values from (%L) to (%L)',
                    partition, month || '+00', month + interval '1 month' || '+00');
                perform pg_restore_attribute_stats(
                    'schemaname', 'aggregator', 'relname', partition, 'attname', 'tenant_id', 'inherited', false,
                    'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 1::real);
                execute format('alter table %I alter column tenant_id set statistics 0', partition);
                made := made + 1;
            end loop;
            return made;
        end $$
        """
    )
    op.execute(
        """
        select make_event_months(array(
            select cast(stored_at at time zone 'UTC' as date) from event_before
            union select cast(now() at time zone 'UTC' + interval '1 month' * ahead as date) from generate_series(0, 3) as ahead
        ))
        """
    )
    # When an event was told was not kept; it was stored within moments of that.
    op.execute(
        f"""
        insert into event (tenant_id, event_id, told_at, seq, type, occurred_at, stored_at, lead_id, campaign_id,
                           account_id, body)
        overriding system value
        select tenant_id, event_id, stored_at, seq, type, occurred_at, stored_at, lead_id,
               case when body ->> 'campaign_id' ~ '{_UUID}' then cast(body ->> 'campaign_id' as uuid) end,
               case when body ->> 'account_id' ~ '{_UUID}' then cast(body ->> 'account_id' as uuid) end,
               body
        from event_before
        """
    )
    op.execute(
        "select setval(pg_get_serial_sequence('event', 'seq'), (select coalesce(max(seq), 0) + 1 from event), false)"
    )
    op.execute("drop table event_before")
    for statement in _INDEXES:
        op.execute(statement)
    # What the files of the archive hold; restored_at: since when their events are at hand again.
    op.execute(
        """
        create table event_archive (
            tenant_id text not null,
            month date not null,
            part integer not null,
            path text not null,
            events bigint not null,
            bytes bigint not null,
            digest bytea not null,
            archived_at timestamptz not null,
            restored_at timestamptz,
            primary key (tenant_id, month, part)
        )
        """
    )
    # What archived events held that was made of a person: it stays here, where an erasure reaches it.
    op.execute(
        """
        create table archived_personal (
            tenant_id text not null,
            event_id uuid not null,
            told_at timestamptz not null,
            lead_id uuid not null,
            version integer not null,
            fields jsonb not null,
            primary key (tenant_id, event_id, told_at)
        )
        """
    )
    op.execute("create index archived_personal_lead on archived_personal (tenant_id, lead_id)")
    isolate(op, "event", "event_archive", "archived_personal")
    op.execute(
        """select pg_restore_attribute_stats(
            'schemaname', current_schema()::text, 'relname', 'event', 'attname', 'tenant_id', 'inherited', true,
            'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 1::real)"""
    )
