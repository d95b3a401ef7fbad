"""How long it takes to find whose a phone number or an e-mail address is, among five million leads of one tenant.

python -m bench.lookup [LEADS] [--lookups N] [--json]

The installation is made in memory and gone afterwards. Its tables are filled by SQL, with what submitting those leads would have
put there; then the service's own role looks up, under row-level security, persons that are there and persons that are not.
"""

import argparse
import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg

from bench import throwaway
from chassis.caller import Caller
from chassis.keys import TenantKey, TenantKeys, key_service
from chassis.unit_of_work import Database
from contracts.intake.people import FindLeads
from intake.people import store
from intake.people.tokens import every_token
from leadloop.commands_tenants import create
from leadloop.installation import Installation

LEADS, LOOKUPS, AT_ONCE = 5_000_000, 4_000, 4
BATCH = 500_000
MEMORY = Path("/dev/shm")
TABLES = ("intake.lead", "intake.person_token")
TENANTS = ("large", "other-1", "other-2", "other-3")
"""The first has the leads; the others a fiftieth each, of persons who are reached by the same contacts."""

LookUp = Callable[[FindLeads], Awaitable[tuple[int | None, float]]]
"""Looks somebody up; returns how many leads it found, and in how many seconds."""

_TOKEN = """
    create function pg_temp.token(kind text, value text, inner_pad bytea, outer_pad bytea) returns text
    language sql immutable as $$
        select encode(sha256(outer_pad || sha256(inner_pad || convert_to(kind || ':' || value, 'UTF8'))), 'hex')
    $$
"""
_PERSONS = """
    create temp table person as
    select n, md5($1 || n)::uuid as person_id,
           pg_temp.token('phone_token', '+1614' || 2000000 + n, $4, $5) as phone_token,
           pg_temp.token('email_token', 'jane.' || n || '@example.com', $4, $5) as email_token
    from generate_series($2::int, $3::int) as n where n % 5 <> 0
"""
_PERSON_TOKENS = """
    insert into intake.person_token (tenant_id, token, person_id)
    select $1, token, person_id from person, lateral (values (phone_token), (email_token)) as each (token)
"""
_LEADS = """
    insert into intake.lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest,
        field_digests, phone_token, email_token, source_key, geo_key, intent, timeline, tier, product_interest, created_at,
        warnings, metadata)
    select $1, uuidv7(), 'web', 's' || lead, 1, person_id, gen_random_uuid(), sha256(lead::text::bytea),
        (select jsonb_object_agg(name, left(md5(name || lead), 16))
         from unnest(array['full_name', 'phone', 'email', 'source', 'geo', 'intent', 'tier', 'metadata']) as name),
        phone_token, email_token, 'source_' || lead % 20, 'town_' || lead % 500, (array['buyer', 'seller'])[1 + lead % 2],
        '31-90', (array['A', 'B', 'C', 'D'])[1 + lead % 4], 'home_loan', now(), '[]',
        jsonb_build_object('utm_campaign', 'campaign ' || lead % 1000)
    from person, lateral generate_series(n, n + (n % 5 = 4)::int) as lead
"""


async def measure(installation: Installation, leads: int, lookups: int) -> dict[str, Any]:
    """Milliseconds, the tables' sizes, and the plan.

    `lookup_ms` is what the lookup takes within a unit of work, `unit_of_work_ms` with that, `request_ms` by way of the broker;
    `select_nothing_ms` is a statement without any work, by which to judge how busy the machine was.
    """
    database = Database("intake", _url(installation))
    sql = await asyncpg.connect(installation.database_dsn)
    try:
        async with installation.asking() as caller:
            for tenant in TENANTS:
                await create(caller, tenant)
        keys = await _keys(installation, database)
        filling = perf_counter()
        async with _indexed_at_the_end(sql):
            for tenant in TENANTS:
                await fill(sql, keys[tenant], leads if tenant == TENANTS[0] else leads // 50)
        found: dict[str, Any] = {"leads": leads, "fill_seconds": perf_counter() - filling}
        key = keys[TENANTS[0]]
        found["plan_before_analyse"] = await plan(database, key)
        for table in TABLES:
            await sql.execute(f"vacuum analyze {table}")
        await sql.execute("checkpoint")
        found["plan"] = await plan(database, key)
        found["mib"] = {
            table: await sql.fetchval("select pg_total_relation_size($1::text::regclass) / 2 ^ 20", table)
            for table in TABLES
        }
        asked = contacts(leads, lookups)
        found["lookup_ms"] = await _both(asked, lambda each: look_up(database, key, each))
        found["select_nothing_ms"] = await _both(asked, lambda _: _select_nothing(database))
        found["unit_of_work_ms"] = await _both(asked, lambda each: _in_a_unit(database, key, each))
        async with installation.asking() as caller:
            found["request_ms"] = await _both(asked, lambda each: _ask(caller, each))
        return found
    finally:
        await sql.close()
        await database.close()


@asynccontextmanager
async def _indexed_at_the_end(sql: asyncpg.Connection) -> AsyncIterator[None]:
    """Keep no index of the two tables while they are filled, and make each anew, which is many times as fast."""
    await sql.execute("set maintenance_work_mem to '1GB'")
    for table in TABLES:
        await sql.execute(
            f"update pg_index set indisready = false, indisvalid = false where indrelid = '{table}'::regclass"
        )
    yield
    for table in TABLES:
        await sql.execute(f"reindex table {table}")


async def fill(sql: asyncpg.Connection, key: TenantKey, leads: int) -> None:
    """Leads and tokens of a tenant as if submitted: four persons have five leads, each is reached by phone and e-mail."""
    padded = key.token_key.ljust(64, b"\0")  # HMAC (RFC 2104) with SHA-256, whose block is of 64 bytes
    pads = [bytes(byte ^ mask for byte in padded) for mask in (0x36, 0x5C)]
    await sql.execute("set synchronous_commit to off")
    await sql.execute("drop function if exists pg_temp.token")
    await sql.execute(_TOKEN)
    for first in range(1, leads + 1, BATCH):
        await sql.execute(_PERSONS, key.tenant, first, min(first + BATCH - 1, leads), *pads)
        await sql.execute(_PERSON_TOKENS, key.tenant)
        await sql.execute(_LEADS, key.tenant)
        await sql.execute("drop table person")


def contacts(leads: int, count: int) -> list[tuple[FindLeads, bool]]:
    """What to look up, each with whether there is such a person: half by phone, a third of them of nobody's."""
    drawn = random.Random(5).sample([n for n in range(1, leads) if n % 5], count)
    asked = []
    for number, person in enumerate(drawn):
        known = number % 3 > 0
        n = person if known else person + leads + 10
        asked.append((FindLeads(phone=phone(n)) if number % 2 else FindLeads(email=email(n)), known))
    return asked


def phone(person: int) -> str:
    return f"+1614{2_000_000 + person}" if person <= 7_999_999 else f"+1212{2_000_000 + person % 5_000_000}"


def email(person: int) -> str:
    return f"jane.{person}@example.com"


async def look_up(database: Database, key: TenantKey, ask: FindLeads) -> tuple[int, float]:
    async with database.begin(key.tenant) as uow:
        began = perf_counter()
        values = {"phone_token": ask.phone, "email_token": ask.email}
        tokens = every_token(key, {kind: value for kind, value in values.items() if value})
        found = await store.find_leads(uow, key.tenant, tokens, None, 51)
        return len(found), perf_counter() - began


async def _select_nothing(database: Database) -> tuple[None, float]:
    """What a statement costs here that does nothing: the way to the database and back, and what else the machine does."""
    async with database.begin(TENANTS[0]) as uow:
        began = perf_counter()
        await uow.execute("select 1")
        return None, perf_counter() - began


async def _in_a_unit(database: Database, key: TenantKey, ask: FindLeads) -> tuple[int, float]:
    began = perf_counter()
    found, _ = await look_up(database, key, ask)
    return found, perf_counter() - began


async def _ask(caller: Caller, ask: FindLeads) -> tuple[int, float]:
    began = perf_counter()
    page = await caller.ask(TENANTS[0], ask)
    return len(page.leads), perf_counter() - began


async def plan(database: Database, key: TenantKey) -> list[str]:
    """How the database looks up two persons who are there."""
    tokens = every_token(key, {"email_token": email(1), "phone_token": phone(2)})
    statement = f"explain (analyze, buffers, costs off, timing off, summary off) {store.FIND_LEADS}"
    async with database.begin(key.tenant) as uow:
        rows = await uow.execute(statement, tenant=key.tenant, tokens=tokens, before=None, limit=51)
        return list(rows.scalars())


async def _both(asked: Sequence[tuple[FindLeads, bool]], look_up: LookUp) -> dict[str, dict[str, float]]:
    """One after the other, and several at once."""
    return {"one": await _timed(asked, look_up, 1), f"{AT_ONCE}_at_once": await _timed(asked, look_up, AT_ONCE)}


async def _timed(asked: Sequence[tuple[FindLeads, bool]], look_up: LookUp, workers: int) -> dict[str, float]:
    took: list[float] = []
    waiting = iter(asked)

    async def work() -> None:
        for ask, known in waiting:
            found, seconds = await look_up(ask)
            took.append(1000 * seconds)
            if found is not None and bool(found) is not known:
                raise SystemExit(f"a lookup found {found} leads, and there is {'a' if known else 'no'} such person")

    began = perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    seconds = perf_counter() - began
    took.sort()
    return {
        "p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "max": took[-1], "per_s": len(took) / seconds,
    }  # fmt: skip


async def _keys(installation: Installation, database: Database) -> dict[str, TenantKey]:
    """The tenants' keys, as intake has them."""
    keys = TenantKeys(key_service(f"file://{installation.home.keys / 'kms.json'}"))
    async with database.begin(*TENANTS) as uow:
        return {tenant: await keys.of(uow, tenant) for tenant in TENANTS}


def _url(installation: Installation) -> str:
    return installation.postgres.dsn("leadloop_intake").replace("postgresql://", "postgresql+asyncpg://", 1)


async def main(leads: int = LEADS, lookups: int = LOOKUPS) -> dict[str, Any]:
    async with throwaway.installation(MEMORY if os.access(MEMORY, os.W_OK) else None) as installation:
        return await measure(installation, leads, lookups)


def show(found: dict[str, Any]) -> None:
    print(f"{found['leads']:,} leads, filled in {found['fill_seconds']:,.0f} s")
    print(", ".join(f"{table} {mib:,.0f} MiB" for table, mib in found["mib"].items()))
    print("\n".join(found["plan"]))
    for what in ("lookup_ms", "select_nothing_ms", "unit_of_work_ms", "request_ms"):
        for how, numbers in found[what].items():
            print(f"{what} {how}", *(f"{name} {value:,.2f}" for name, value in numbers.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("leads", type=int, nargs="?", default=LEADS)
    parser.add_argument("--lookups", type=int, default=LOOKUPS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = asyncio.run(main(arguments.leads, arguments.lookups))
    print(json.dumps(result)) if arguments.json else show(result)
