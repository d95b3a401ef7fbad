"""How things stood from when to when, as events tell it, and the dashboard's numbers as functions of tenant and moment.

Each number is a set of events, one row for each that is counted: how many there are is the number, and what they are is what it
opens. A function runs with the rights of whoever calls it, so that row-level security holds in it as everywhere.
"""

from alembic import op

from chassis.tables import isolate

revision = "0004"
down_revision = "0003"

# What is looked up by its key alone has the tenant last: an index that begins with it looks good for every statement of a tenant that
# nobody has counted yet, and there is one that is.
_TABLES = (
    """
    create table standing (
        tenant_id text not null,
        event_id uuid not null,
        told_at timestamptz not null,
        subject text not null check (subject in ('settings', 'limit', 'automation', 'campaign')),
        key text not null,
        state text not null,
        amount integer,
        begins_at timestamptz not null,
        ends_at timestamptz not null default 'infinity',
        primary key (event_id, tenant_id)
    )
    """,
    "create index standing_of on standing (key, subject, tenant_id)",
    "create index standing_until on standing (tenant_id, subject, ends_at, begins_at)",
    """
    create table open_item (
        tenant_id text not null,
        kind text not null check (kind in ('reply', 'enrollment', 'followup', 'outcome')),
        key uuid not null,
        event_id uuid,
        told_at timestamptz,
        campaign_id uuid,
        lead_id uuid,
        due_at timestamptz,
        stage text,
        value numeric,
        currency text,
        opened_at timestamptz not null default 'infinity',
        closed_at timestamptz not null default 'infinity',
        primary key (key, kind, tenant_id)
    )
    """,
    "create index open_item_until on open_item (tenant_id, kind, closed_at, opened_at) where kind <> 'outcome'",
    """
    create index open_item_outcome on open_item (tenant_id, opened_at)
    include (closed_at, event_id, told_at, lead_id, stage, value, currency) where kind = 'outcome'
    """,
    """
    create table number_check (
        tenant_id text not null,
        checked_at timestamptz not null,
        events bigint not null,
        compared integer not null,
        drift integer not null,
        differences jsonb not null,
        primary key (tenant_id, checked_at)
    )
    """,
    """
    create index event_counted on event (tenant_id, type, occurred_at) include (event_id, told_at, lead_id, campaign_id)
    where type in ('outreach.event.message_sent.v1', 'outreach.event.reply_received.v1')
    """,
)

# A name that Python knows and Postgres does not must not take the dashboard down. Called once for each change of settings.
_KNOWN_ZONE = """
    create function known_zone(name text) returns text language plpgsql stable as $$
    begin
        perform now() at time zone name;
        return name;
    exception when invalid_parameter_value then
        return 'UTC';
    end $$
"""

# Before the first settings that are known, those count. The day of a moment is found from the moment: midnight can come twice, or never.
_DAY = """
    create function tenant_day(tenant text, as_of timestamptz)
    returns table (zone text, day date, since timestamptz, until timestamptz) language sql stable as $$
        with known as (
            select state, ends_at,
                   case when row_number() over (order by begins_at, event_id) = 1 then '-infinity' else begins_at end as begins_at
            from standing where tenant_id = tenant and subject = 'settings' and begins_at <= as_of
        ), zones as (
            select state as zone, begins_at, ends_at from known
            union all
            select 'UTC', '-infinity', 'infinity' where not exists (select from known)
        ), today as (
            select cast(as_of at time zone zone as date) as day from zones where begins_at <= as_of and as_of < ends_at
        )
        select zone, day, greatest(begins_at, cast(day as timestamp) at time zone zone - interval '3 hours'),
               least(ends_at, cast(day + 1 as timestamp) at time zone zone + interval '3 hours')
        from zones cross join today
        where begins_at < cast(day + 2 as timestamp) at time zone 'UTC' and ends_at > cast(day - 1 as timestamp) at time zone 'UTC'
    $$
"""

# The day first, and then its events: without statistics the planner takes a tenant's events for fewer than its days.
_OF_TODAY = """
    from tenant_day(tenant, as_of) as today
    cross join lateral (
        select * from event
        where tenant_id = tenant and type = '{type}'
          and occurred_at >= today.since and occurred_at < today.until and occurred_at <= as_of
          and cast(occurred_at at time zone today.zone as date) = today.day
        offset 0
    ) as event
"""
_SENT = "outreach.event.message_sent.v1"
_RECEIVED = "outreach.event.reply_received.v1"
_CAPTCHA = "outreach.event.captcha_detected.v1"
_NOW = "{0}.tenant_id = tenant and {0}.subject = '{1}' and {0}.begins_at <= as_of and {0}.ends_at > as_of"
_OPEN = "tenant_id = tenant and kind = '{0}' and opened_at <= as_of and closed_at > as_of"
_ONE = "event.event_id, event.told_at, event.occurred_at"
_STANDING = "standing.event_id, standing.told_at, standing.begins_at"
# The first of a group's events, by its id among those of one moment. Which it is costs a sort, and is left out where they are only counted.
_FIRST = """
    (array_agg({event}.event_id order by {event}.{at}, {event}.event_id))[1] as event_id,
    (array_agg({event}.told_at order by {event}.{at}, {event}.event_id))[1] as told_at, min({event}.{at}) as first_at
"""
_IS_SENT = f"where type = '{_SENT}'"
_IS_REPLY = f"where type = '{_RECEIVED}'"
_THROTTLED = f"""
    select {_STANDING}, standing.key, null::numeric from standing
    where {_NOW.format("standing", "automation")} and standing.state = 'throttled'
      and not exists (
          select from standing as allowed
          where {_NOW.format("allowed", "limit")} and allowed.key = standing.key and allowed.amount = 0
      )
"""
_OUTCOMES = f"""
    from open_item where {_OPEN.format("outcome")} and opened_at >= as_of - interval '720 hours'
"""
_KPIS = {
    "todays_sends": f"select {_ONE}, cast(event.campaign_id as text), null::numeric {_OF_TODAY.format(type=_SENT)}",
    "daily_limit": f"select {_STANDING}, key, cast(amount as numeric) from standing where {_NOW.format('standing', 'limit')}",
    "automation_method": f"""
        select {_STANDING}, state, null::numeric from standing where {_NOW.format("standing", "limit")} and amount > 0
    """,
    "replies_requiring_action": f"""
        select event_id, told_at, opened_at, cast(campaign_id as text), null::numeric from open_item
        where {_OPEN.format("reply")}
    """,
    # One look at every event of the week and nothing joined: without statistics the planner takes a week for a handful of events,
    # and would go through it for each lead. Of a lead that replied its last reply is after its first message if any is.
    "reply_rate": f"""
        select case when replied_at >= sent_at then reply_id else sent_id end,
               case when replied_at >= sent_at then reply_told_at else sent_told_at end,
               case when replied_at >= sent_at then replied_at else sent_at end,
               case when replied_at >= sent_at then 'replied' else 'silent' end, null::numeric
        from (
            select min(occurred_at) filter ({_IS_SENT}) as sent_at, max(occurred_at) filter ({_IS_REPLY}) as replied_at,
                   (array_agg(event_id order by occurred_at, event_id) filter ({_IS_SENT}))[1] as sent_id,
                   (array_agg(told_at order by occurred_at, event_id) filter ({_IS_SENT}))[1] as sent_told_at,
                   (array_agg(event_id order by occurred_at desc, event_id desc) filter ({_IS_REPLY}))[1] as reply_id,
                   (array_agg(told_at order by occurred_at desc, event_id desc) filter ({_IS_REPLY}))[1] as reply_told_at
            from event
            where tenant_id = tenant and type in ('{_SENT}', '{_RECEIVED}')
              and occurred_at >= as_of - interval '168 hours' and occurred_at <= as_of
            group by lead_id
        ) as lead
        where sent_at is not null
    """,
    "captchas": f"""
        select {_ONE}, cast(account_id as text), null::numeric from event
        where tenant_id = tenant and type = '{_CAPTCHA}'
          and occurred_at >= as_of - interval '24 hours' and occurred_at <= as_of
    """,
    "throttled": _THROTTLED,
    "cooldown": f"{_THROTTLED} and standing.begins_at >= as_of - interval '24 hours'",
    "errors": f"""
        select {_ONE}, coalesce(cast(account_id as text), ''), null::numeric from event
        where tenant_id = tenant and type in ('outreach.event.message_failed.v1', '{_CAPTCHA}')
          and occurred_at >= as_of - interval '24 hours' and occurred_at <= as_of
    """,
    "last_action": f"""
        (select {_ONE}, '', null::numeric from event
         where tenant_id = tenant and type = '{_SENT}' and occurred_at <= as_of
         order by occurred_at desc, event_id desc limit 1)
    """,
    "campaigns_running": f"""
        select {_STANDING}, key, null::numeric from standing
        where {_NOW.format("standing", "campaign")} and state = 'running'
    """,
    "campaigns_paused": f"""
        select {_STANDING}, key, null::numeric from standing
        where {_NOW.format("standing", "campaign")} and state = 'paused'
    """,
    "campaigns_completed": f"""
        select {_STANDING}, key, null::numeric from standing join tenant_day(tenant, as_of) as today
            on begins_at >= today.since and begins_at < today.until
            and cast(begins_at at time zone today.zone as date) = today.day
        where {_NOW.format("standing", "campaign")} and state = 'completed'
    """,
    "replies_today": f"""
        select event_id, told_at, first_at, part, null::numeric from (
            select cast(event.campaign_id as text) as part, {_FIRST.format(event="event", at="occurred_at")}
            {_OF_TODAY.format(type=_RECEIVED)} group by event.campaign_id, event.lead_id
        ) as replied
    """,
    "queue_remaining": f"""
        select event_id, told_at, opened_at, cast(campaign_id as text), null::numeric from open_item
        where {_OPEN.format("enrollment")}
    """,
    "followups_due": f"""
        select event_id, told_at, opened_at, cast(campaign_id as text), null::numeric
        from (select zone, day from tenant_day(tenant, as_of) order by until desc limit 1) as today
        join open_item on cast(due_at at time zone today.zone as date) = today.day
        where {_OPEN.format("followup")}
    """,
    "first_lead": f"""
        (select {_ONE}, '', null::numeric from event
         where tenant_id = tenant and type = 'intake.event.lead_accepted.v1' and occurred_at <= as_of
         order by occurred_at, event_id limit 1)
    """,
    "funnel": f"""
        select event_id, told_at, first_at, stage, null::numeric from (
            select stage, {_FIRST.format(event="open_item", at="opened_at")} {_OUTCOMES} group by stage, lead_id
        ) as reached
    """,
    "conversions": f"""
        select event_id, told_at, opened_at, coalesce(currency, ''), value {_OUTCOMES} and stage = 'won'
    """,
}


def upgrade() -> None:
    for statement in (*_TABLES, _KNOWN_ZONE, _DAY):
        op.execute(statement)
    isolate(op, "standing", "open_item", "number_check")
    for name, counted in _KPIS.items():
        op.execute(
            f"""
            create function kpi_{name}(tenant text, as_of timestamptz)
            returns table (event_id uuid, told_at timestamptz, occurred_at timestamptz, part text, amount numeric)
            language sql stable as $${counted}$$
            """
        )
