"""How long it takes a worker to claim its next messages, among ten thousand that are queued and among a million.

python -m bench.claims [MESSAGES ...] [--claims N] [--json]

A database in memory is filled by SQL with what campaigns would have put there: one tenant, a thousand accounts, each with messages
of four campaigns. Then the service's own role claims, under row-level security, with every gate asked and everything committed;
what it claimed is queued again before too little is left. The planner is told nothing of what was filled in, as when a campaign has just begun.
"""

import argparse
import asyncio
import json
import statistics
from random import Random
from time import perf_counter
from typing import Any

import asyncpg

from bench.filled import TENANT, filled, seed
from chassis import tenants
from chassis.unit_of_work import Database
from contracts.outreach.accounts import AccountSettings
from contracts.outreach.campaigns import BusinessHours, CampaignSettings
from contracts.taxonomy import SendKind
from outreach.sending.claiming import claim
from outreach.sending.sender import CLAIMED_AT_ONCE

SIZES = (10_000, 100_000, 1_000_000)
ACCOUNTS, CAMPAIGNS, CLAIMS = 1_000, 4, 400

_ALWAYS = BusinessHours(opens="00:00", closes="24:00", weekdays=frozenset(range(1, 8)), holidays="none")
_SEED = """
    insert into tenant (tenant_id, version, settings, created_at) values ($1, 1, '{}', now());
    insert into account (tenant_id, account_id, title, channel, address, transport, settings, state, health, blocked, created_at)
    select $1, md5('account' || n)::uuid, 'Sales ' || n, 'email', 'sales@example.com', 'sandbox', $2, 'active', 100, false, now()
    from generate_series(1, $5) as n;
    insert into campaign (tenant_id, campaign_id, title, state, settings, steps, created_at)
    select $1, md5('campaign' || n)::uuid, 'Campaign ' || n, 'running', $3, '[{"kind": "email", "delay_days": 0}]', now()
    from generate_series(1, $6) as n;
    insert into lead (tenant_id, lead_id, version, names, channels, time_zone, attribution, metadata, erased)
    select $1, md5('lead' || n)::uuid, 1, array['email:' || md5('e' || n), 'person:' || md5('lead' || n)], array['email'],
           (array['America/New_York', 'Europe/Paris', null])[1 + n % 3], '{"tier": "A"}', '{}', false
    from generate_series(1, $4) as n;
    insert into enrollment (tenant_id, enrollment_id, campaign_id, lead_id, holds, started_at)
    select $1, md5('enrollment' || n)::uuid, md5('campaign' || 1 + n % $6)::uuid, md5('lead' || n)::uuid, false, now()
    from generate_series(1, $4) as n;
    insert into send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id, state, queued_at, due_at)
    select $1, uuidv7(), md5('enrollment' || n)::uuid, md5('campaign' || 1 + n % $6)::uuid, md5('lead' || n)::uuid, 1, 'email',
           md5('account' || 1 + (n / $6) % $5)::uuid, 'queued', now(), now() - make_interval(secs => $4 - n)
    from generate_series(1, $4) as n;
    insert into lane (tenant_id, account_id, campaign_id, kind, ready_at)
    select distinct tenant_id, account_id, campaign_id, kind, now() from send_queue where tenant_id = $1
"""
_QUEUE_AGAIN = """
    update send_queue set state = 'queued', token = null, lease_until = null, spent_at = null where state = 'claimed';
    update lane set ready_at = now();
    update enrollment set holds = false where holds;
    delete from hold
"""


async def main(sizes: list[int], claims: int) -> dict[str, Any]:
    """Milliseconds of the claims, by how many messages are queued."""
    numbers = {}
    for messages in sizes:
        async with filled("outreach", lambda sql, messages=messages: _fill(sql, messages)) as (database, sql):
            numbers[str(messages)] = await measure(database, sql, messages, claims)
    return numbers


async def measure(database: Database, sql: asyncpg.Connection, messages: int, claims: int) -> dict[str, float]:
    """p50 and p99 in milliseconds, and messages claimed a second."""
    chance, took, claimed, left = Random(0), [], 0, messages
    for _ in range(claims):
        if left < messages // 2:
            await sql.execute(_QUEUE_AGAIN)
            await sql.execute("vacuum")
            left = messages
        began = perf_counter()
        async with database.begin() as uow:
            names = await tenants.all_tenants(uow)
            await uow.act_for(names)
            batch = await claim(uow, names, CLAIMED_AT_ONCE, chance)
        took.append(perf_counter() - began)
        claimed, left = claimed + len(batch.messages), left - len(batch.messages)
    cuts = statistics.quantiles(took, n=100)
    return {"p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000, "messages_per_s": claimed / sum(took)}


async def _fill(sql: asyncpg.Connection, messages: int) -> None:
    account = AccountSettings(daily_limits={SendKind.EMAIL: 1_000_000}, least_gap_minutes=0, most_gap_minutes=0)
    campaign = CampaignSettings(daily_cap=100_000, hours=_ALWAYS)
    await seed(sql, _SEED, TENANT, account.model_dump_json(), campaign.model_dump_json(), messages, ACCOUNTS, CAMPAIGNS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("messages", metavar="MESSAGES", type=int, nargs="*", default=SIZES, help=f"default: {SIZES}")
    parser.add_argument("--claims", type=int, default=CLAIMS, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    numbers = asyncio.run(main(list(arguments.messages), arguments.claims))
    if arguments.json:
        print(json.dumps(numbers))
    else:
        for size, found in numbers.items():
            print(f"{int(size):>9,} queued: " + ", ".join(f"{name} {value:,.1f}" for name, value in found.items()))
