"""How long the dashboard's numbers take, among a hundred thousand events of a tenant and among a million, and a replay with a check.

python -m bench.stats [EVENTS ...] [--daily N] [--asks N] [--folder FOLDER] [--replay] [--json]

A database in memory is filled by SQL with what services would have told: one tenant, as many events every day until now, so that more
events are a longer history. Each is as its contract has it. Then the projections are made by a replay, and the service's own role asks for
the dashboard, under row-level security. Ten million events take some 15 GiB, and a quarter of an hour to make: where there is not so much
memory, name a folder on a disk.
"""

import argparse
import asyncio
import json
import resource
import statistics
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg

from aggregator.events.archiving import Archiving
from aggregator.events.parquet import Archive
from aggregator.kpis.handlers import stats
from aggregator.replay.store import compare, replay
from aggregator.replay.validating import validate
from bench.filled import MEMORY, TENANT, filled
from chassis.unit_of_work import Database

SIZES = (100_000, 1_000_000)
DAILY, ASKS = 10_000, 200

_MONTHS = """
    select aggregator.make_event_months(array(
        select cast(day as date) from generate_series(now() - make_interval(days => $1::integer / $2::integer + 1), now(), interval '1 day') as day))
"""
# Of twenty events in turn six are sends; a lead has two messages, and one lead of six or so replies.
_EVENTS = """
    insert into aggregator.event (tenant_id, event_id, told_at, type, occurred_at, lead_id, campaign_id, account_id, body)
    select $1, md5('event' || n)::uuid, at, kind, at, lead, campaign, account,
           jsonb_build_object('occurred_at', at, 'lead_id', lead, 'campaign_id', campaign, 'account_id', account,
                              'message_id', message, 'enrollment_id', enrollment, 'reply_id', enrollment,
                              'channel', 'email', 'kind', 'email', 'step', 1, 'created_at', at, 'version', 1)
           || case kind when 'outreach.event.followup_scheduled.v1' then jsonb_build_object('due_at', at + interval '2 days')
              when 'outcomes.event.outcome_recorded.v1' then jsonb_build_object(
                  'outcome_id', md5('outcome' || n), 'type', (array['contacted', 'appointment_set', 'closed_won', 'closed_lost'])[1 + n / 20 % 4],
                  'stage', (array['top_of_funnel', 'mid_funnel', 'won', 'lost'])[1 + n / 20 % 4], 'value', '250000.00', 'currency', 'EUR',
                  'attribution', jsonb_build_object('source_key', 'source_' || n % 40, 'geo_key', 'geo_' || n % 200, 'intent', 'buyer'))
              else '{}' end
    from (
        select n, now() - make_interval(secs => ($2::integer - n) * 86400.0 / $3::integer) as at, md5('lead' || n / 7)::uuid as lead,
               md5('campaign' || n / 7 % 20)::uuid as campaign, md5('account' || n / 7 % 50)::uuid as account,
               md5('message' || n / 20)::uuid as message,
               md5('enrollment' || (n - case when n % 20 in (13, 15, 17) then 1 else 0 end) / 2)::uuid as enrollment,
               (array['intake.event.lead_accepted.v1', 'outreach.event.message_queued.v1', 'outreach.event.message_sent.v1',
                      'outreach.event.message_queued.v1', 'outreach.event.message_sent.v1', 'outreach.event.message_queued.v1',
                      'outreach.event.message_sent.v1', 'outreach.event.message_queued.v1', 'outreach.event.message_sent.v1',
                      'outreach.event.message_queued.v1', 'outreach.event.message_sent.v1', 'outreach.event.message_sent.v1',
                      'outreach.event.enrollment_started.v1', 'outreach.event.enrollment_ended.v1',
                      'outreach.event.reply_received.v1', 'outreach.event.reply_classified.v1',
                      'outreach.event.followup_scheduled.v1', 'outreach.event.followup_sent.v1',
                      'outcomes.event.outcome_recorded.v1', 'outreach.event.delivery_reported.v1'])[1 + n % 20] as kind
        from generate_series($4::integer, $5::integer) as n
    ) as told
"""
_FEW = """
    insert into aggregator.event (tenant_id, event_id, told_at, type, occurred_at, campaign_id, account_id, body)
    select $1, md5(what || n)::uuid, at, 'outreach.event.' || what || '.v1', at,
           case when what = 'campaign_created' then id end, case when what <> 'campaign_created' then id end,
           jsonb_build_object(case when what = 'campaign_created' then 'campaign_id' else 'account_id' end, id, 'occurred_at', at)
           || case what when 'sending_limit_set' then '{"daily_limits": {"email": 100}, "transport": "smtp"}' else '{}' end::jsonb
    from (
        select 'campaign_created' as what, n, md5('campaign' || n)::uuid as id, now() - make_interval(days => $2::integer / $3::integer) as at
        from generate_series(0, 19) as n
        union all
        select 'sending_limit_set', n, md5('account' || n)::uuid, now() - make_interval(days => $2::integer / $3::integer) from generate_series(0, 49) as n
        union all
        select what, n, md5('account' || n % 50)::uuid,
               now() - make_interval(days => n / 5, secs => case what when 'automation_throttled' then 3600 else 60 end)
        from generate_series(0, 5 * $2::integer / $3::integer) as n, unnest(array['automation_throttled', 'automation_resumed']) as what
    ) as told
"""
_AT_ONCE = 100_000


async def main(sizes: list[int], daily: int, asks: int, folder: Path, *, replayed: bool) -> dict[str, Any]:
    """What was measured, by how many events there are."""
    found = {}
    for events in sizes:

        async def fill(sql: asyncpg.Connection, events: int = events) -> None:
            await _fill(sql, events, daily)

        async with filled("aggregator", fill, folder) as (database, sql):
            await _project(database, sql)
            found[str(events)] = await measure(database, asks, replayed=replayed)
    return found


async def _fill(sql: asyncpg.Connection, events: int, daily: int) -> None:
    await sql.execute("insert into tenant values ($1, 1, '{}', now())", TENANT)
    await tell(sql, events, daily)


async def tell(sql: asyncpg.Connection, events: int, daily: int) -> None:
    """Store so many events of the tenant, as many each day until now."""
    await sql.execute(_MONTHS, events, daily)
    await sql.execute(_FEW, TENANT, events, daily)
    for first in range(0, events, _AT_ONCE):
        last = min(first + _AT_ONCE, events) - 1
        await sql.execute(_EVENTS, TENANT, events, daily, first, last)


async def _project(database: Database, sql: asyncpg.Connection) -> None:
    async with database.begin(TENANT) as uow:
        await replay(uow, TENANT)
    await sql.execute("vacuum (analyze)")  # as Postgres does by itself while a table grows


async def measure(database: Database, asks: int, *, replayed: bool) -> dict[str, float]:
    """Milliseconds of the dashboard; with `replayed` the seconds of a second replay with a check, and the most MiB this process took."""
    numbers: dict[str, float] = {}
    took = []
    for _ in range(asks):
        began = perf_counter()
        async with database.begin(TENANT) as uow:
            await stats(uow, TENANT, datetime.now(UTC))
        took.append(perf_counter() - began)
    cuts = statistics.quantiles(took[5:], n=100)
    numbers |= {"stats_p50_ms": cuts[49] * 1000, "stats_p95_ms": cuts[94] * 1000}
    if replayed:
        began = perf_counter()
        async with database.begin(TENANT, snapshot=True) as uow:
            again = await compare(uow, TENANT)
        numbers["replay_s"] = perf_counter() - began
        began = perf_counter()
        async with database.begin(TENANT, snapshot=True) as uow:
            found = await validate(uow, TENANT, uow.now, Archiving(Archive("")))
        numbers |= {
            "validate_s": perf_counter() - began, "drift": found.drift + len(again.differences), "compared": found.compared,
            "events": found.events, "most_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }  # fmt: skip
    return numbers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", metavar="EVENTS", type=int, nargs="*", default=SIZES, help=f"default: {SIZES}")
    parser.add_argument("--daily", type=int, default=DAILY, help="events a day; default: %(default)s")
    parser.add_argument("--asks", type=int, default=ASKS, help="default: %(default)s")
    parser.add_argument(
        "--folder", type=Path, default=MEMORY, help="where the database's files lie; default: %(default)s"
    )
    parser.add_argument("--replay", action="store_true", help="measure a replay and a check too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    numbers = asyncio.run(
        main(list(arguments.events), arguments.daily, arguments.asks, arguments.folder, replayed=arguments.replay)
    )
    if arguments.json:
        print(json.dumps(numbers))
    else:
        for size, found in numbers.items():
            print(f"{int(size):>10,} events: " + ", ".join(f"{name} {value:,.1f}" for name, value in found.items()))
