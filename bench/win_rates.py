"""How long the weekly job takes, and how long the pages wait for what they show, over a million outcomes of one tenant.

python -m bench.win_rates [OUTCOMES ...] [--json]

A database in memory is filled by SQL with what the events would have been projected into: leads of 26 weeks, forty sources and two
hundred places, each with outcomes over the weeks after it came, every fiftieth voided. Then the service's own role, under row-level
security, counts: the job with every week stale, while the planner knows nothing of what was filled in; then, once the database has
looked at its tables as it does by itself in time, the job with every week stale again, and what a page asks for.
"""

import argparse
import asyncio
import json
import statistics
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import asyncpg

from aggregator.win_rates import store
from aggregator.win_rates.domain_week import Window
from aggregator.win_rates.handlers import refresh_weekly
from bench.filled import TENANT, filled, seed
from chassis.unit_of_work import Database
from contracts.aggregator.win_rates import Dimension, TableTerms, View

SIZES = (100_000, 1_000_000)
WEEKS, OUTCOMES_PER_LEAD, TIMES = 26, 4, 5

_SEED = """
    insert into tenant (tenant_id, version, settings, created_at) values ($1, 1, '{}', now());
    insert into arrival (tenant_id, lead_id, week, source_key, geo_key, intent)
    select $1, md5('lead' || n)::uuid, date_trunc('week', now() at time zone 'UTC')::date - 7 * (n % $3::integer),
           'source_' || (n * 7919::bigint) % 40, 'place_' || (n * 104729::bigint) % 200, (array['buyer', 'seller', 'unknown'])[1 + n % 3]
    from generate_series(1, $2::integer / $4::integer) as n;
    insert into outcome (tenant_id, outcome_id, lead_id, type, week, source_key, geo_key, intent, voided)
    select $1, gen_random_uuid(), lead_id,
           (array['contacted', 'appointment_set', 'contacted', case when random() < 0.3 then 'closed_won' else 'closed_lost' end])[1 + step],
           least(week + 7 * step, date_trunc('week', now() at time zone 'UTC')::date), source_key, geo_key, intent, random() < 0.02
    from arrival, generate_series(0, $4::integer - 1) as step order by random();
    insert into stale_week (tenant_id, week) select distinct tenant_id, week from outcome where tenant_id = $1
"""


async def main(sizes: list[int]) -> dict[str, Any]:
    """Seconds by what was asked, by how many outcomes there are."""
    numbers = {}
    for outcomes in sizes:
        async with filled("aggregator", lambda sql, outcomes=outcomes: _fill(sql, outcomes)) as (database, sql):
            numbers[str(outcomes)] = await measure(database, sql)
    return numbers


async def measure(database: Database, sql: asyncpg.Connection) -> dict[str, float]:
    """Seconds: each job once, for its weeks are stale only once, and the median of each question."""
    numbers = {"job": await _seconds(lambda: refresh_weekly(database, datetime.now(UTC)))}
    numbers["job again"] = await _seconds(lambda: refresh_weekly(database, datetime.now(UTC)))
    await sql.execute("insert into stale_week (tenant_id, week) select distinct tenant_id, week from outcome")
    await sql.execute("vacuum analyze")
    numbers["job known"] = await _seconds(lambda: refresh_weekly(database, datetime.now(UTC)))
    window = Window.of(datetime.now(UTC), WEEKS, None)
    for view in View:
        terms = TableTerms(by=Dimension.GEO, view=view)
        for name, query in (("table", store.win_rates), ("trend", store.trend)):

            async def ask(query: Any = query, terms: TableTerms = terms) -> None:
                async with database.begin(TENANT) as uow:
                    await query(uow, TENANT, terms, window)

            numbers[f"{name} {view}"] = statistics.median([await _seconds(ask) for _ in range(TIMES)])
    return numbers


async def _seconds(work: Callable[[], Awaitable[Any]]) -> float:
    began = perf_counter()
    await work()
    return perf_counter() - began


async def _fill(sql: asyncpg.Connection, outcomes: int) -> None:
    await seed(sql, _SEED, TENANT, outcomes, WEEKS, OUTCOMES_PER_LEAD)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outcomes", metavar="OUTCOMES", type=int, nargs="*", default=SIZES, help=f"default: {SIZES}")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    numbers = asyncio.run(main(list(arguments.outcomes)))
    if arguments.json:
        print(json.dumps(numbers))
    else:
        for size, found in numbers.items():
            print(f"{int(size):>9,} outcomes: " + ", ".join(f"{name} {value:,.2f} s" for name, value in found.items()))
