"""Leads that were withdrawn are in no cohort, and those that came again in the one they came in then."""

from alembic import op

revision = "0009"
down_revision = "0007"

_WEEK = "cast(date_trunc('week', cast(body ->> 'created_at' as timestamptz) at time zone 'UTC') as date)"
_SNAPSHOTS = "'intake.event.lead_accepted.v1', 'intake.event.lead_updated.v1'"


def upgrade() -> None:
    for table in ("event", "arrival"):
        op.execute(f"alter table {table} no force row level security")  # or its owner would see no row
    op.execute(
        f"""
        with gone as (
            select tenant_id, lead_id, max(cast(body ->> 'version' as integer)) as version from event
            where type = 'intake.event.lead_withdrawn.v1' group by 1, 2
        ), dropped as (
            delete from arrival using gone where arrival.tenant_id = gone.tenant_id and arrival.lead_id = gone.lead_id and not exists (
                select from event
                where event.tenant_id = gone.tenant_id and event.lead_id = gone.lead_id and type in ({_SNAPSHOTS})
                  and cast(body ->> 'version' as integer) > gone.version)
        )
        insert into arrival (tenant_id, lead_id, week, source_key, geo_key, intent)
        select distinct on (tenant_id, lead_id) tenant_id, lead_id, {_WEEK},
               coalesce(nullif(body -> 'attribution' ->> 'source_key', ''), 'unknown'),
               coalesce(nullif(body -> 'attribution' ->> 'geo_key', ''), 'unknown'),
               coalesce(body -> 'attribution' ->> 'intent', 'unknown')
        from event join gone using (tenant_id, lead_id)
        where type in ({_SNAPSHOTS}) and cast(body ->> 'version' as integer) > gone.version
        order by tenant_id, lead_id, cast(body ->> 'version' as integer)
        on conflict (tenant_id, lead_id) do update
            set week = excluded.week, source_key = excluded.source_key, geo_key = excluded.geo_key, intent = excluded.intent
        """
    )
    for table in ("event", "arrival"):
        op.execute(f"alter table {table} force row level security")
