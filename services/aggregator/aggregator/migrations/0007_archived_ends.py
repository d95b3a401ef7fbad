"""Which lead came first and which message left last is known when their events are archived; time zones mean to the database what they
mean to everybody else."""

from alembic import op

from chassis.tables import isolate

revision = "0007"
down_revision = "0006"

_CAME = "intake.event.lead_accepted.v1"
_SENT = "outreach.event.message_sent.v1"
_END = """
    select event_id, told_at, occurred_at, '', null::numeric from (
        (select event_id, told_at, occurred_at from event
         where tenant_id = tenant and type = '{type}' and occurred_at <= as_of order by {order} limit 1)
        union all
        select event_id, told_at, occurred_at from archived_end
        where tenant_id = tenant and type = '{type}' and occurred_at <= as_of
    ) as either order by {order} limit 1
"""
_KPIS = {
    "first_lead": _END.format(type=_CAME, order="occurred_at, event_id"),
    "last_action": _END.format(type=_SENT, order="occurred_at desc, event_id desc"),
}

# These four are abbreviations too, of an offset that knows no summer, and that is what Postgres takes them for. What they are links to
# (IANA tz 2024b) it takes for nothing else.
_KNOWN_ZONE = """
    create or replace function known_zone(name text) returns text language plpgsql stable as $$
    declare
        zone text := coalesce(
            jsonb_build_object('CET', 'Europe/Brussels', 'EET', 'Europe/Athens', 'MET', 'Europe/Brussels', 'WET', 'Europe/Lisbon') ->> name,
            name);
    begin
        perform now() at time zone zone;
        return zone;
    exception when invalid_parameter_value then
        return 'UTC';
    end $$
"""


def upgrade() -> None:
    op.execute(
        """
        create table archived_end (
            tenant_id text not null,
            type text not null,
            event_id uuid not null,
            told_at timestamptz not null,
            occurred_at timestamptz not null,
            primary key (tenant_id, type)
        )
        """
    )
    isolate(op, "archived_end")
    for name, counted in _KPIS.items():
        op.execute(
            f"""
            create or replace function kpi_{name}(tenant text, as_of timestamptz)
            returns table (event_id uuid, told_at timestamptz, occurred_at timestamptz, part text, amount numeric)
            language sql stable as $${counted}$$
            """
        )
    op.execute(_KNOWN_ZONE)
    op.execute("alter table standing no force row level security")  # or its owner would see no row
    op.execute(
        "update standing set state = known_zone(state) where subject = 'settings' and state <> known_zone(state)"
    )
    op.execute("alter table standing force row level security")
