"""How many leads four workers give to 50 agents at once: assignments a second, on the database of a running home.

python bench/assignments.py PG_DSN [N] [--json]
"""

import argparse
import asyncio
import json
import secrets
from time import perf_counter

import asyncpg
from uuid_utils.compat import uuid7

from chassis.received import Received, Wire, encode
from chassis.unit_of_work import Database
from contracts.intake.distribution import GetWorkload
from contracts.message import Envelope
from intake.distribution import handlers, store_agents
from intake.distribution.assigning import fill
from leadloop.bench import forget

AGENTS, WORKERS, BATCH = 50, 4, 250


async def measure(dsn: str, leads: int) -> dict[str, float]:
    """Assignments a second, Jain's index at the end, and how many leads were given out twice or not at all."""
    tenant = f"bench-{secrets.token_hex(6)}"
    database = Database("intake", dsn.replace("postgresql://", "postgresql+asyncpg://", 1))
    connection = await asyncpg.connect(dsn)
    try:
        await _prepare(database, tenant, leads)
        began = perf_counter()
        given = sum(await asyncio.gather(*(_work(database, tenant) for _ in range(WORKERS))))
        seconds = perf_counter() - began
        async with database.begin(tenant) as uow:
            request = GetWorkload(workspace="desk")
            envelope = Envelope(uuid7(), request.topic.type, tenant, uow.now, uuid7())
            wire = Wire(envelope.subject, {}, encode(request), uow.now)
            seen = await handlers.get_workload(uow, Received(envelope, request, wire))
        return {
            "assignments_per_s": leads / seconds, "leads": leads, "seconds": seconds, "fairness": seen.fairness,
            "collisions": abs(leads - given) + abs(leads - seen.active_leads),
        }  # fmt: skip
    finally:
        await forget(connection, tenant)
        await connection.close()
        await database.close()


async def _work(database: Database, tenant: str) -> int:
    given = 0
    while True:
        async with database.begin(tenant) as uow:
            batch = len((await fill(uow, tenant, ["desk"], BATCH))[0])
        given += batch
        if not batch:
            return given


async def _prepare(database: Database, tenant: str, leads: int) -> None:
    """Agents of capacities in the proportion 1 to 4, a quarter more than is needed, and leads that wait."""
    configuration = {"workspaces": {"desk": {"chain": [{"kind": "load_balanced"}], "sla_minutes": 60}}}
    async with database.begin(tenant) as uow:
        await uow.execute(
            "insert into tenant (tenant_id, version, settings, created_at) values (:tenant, 1, '{}', now())",
            tenant=tenant,
        )
        await uow.execute(
            """insert into routing_version (tenant_id, version, status, configuration, created_by, published_at)
               values (:tenant, 1, 'published', cast(:configuration as jsonb), 'bench', now())""",
            tenant=tenant, configuration=json.dumps(configuration),
        )  # fmt: skip
        for number in range(AGENTS):
            profile = {
                "user_id": f"agent_{number:02}", "workspaces": ["desk"], "weight": 1, "roles": [], "regions": [],
                "capacity": max(1, leads * (number % 4 + 1) // (AGENTS * 2)), "working_hours": None, "time_zone": "UTC",
                "active": True,
            }  # fmt: skip
            await store_agents.keep(uow, tenant, profile)
        ids = [uuid7() for _ in range(leads)]
        await uow.execute(
            """insert into lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest,
                                 field_digests, created_at, warnings, metadata)
               select :tenant, id, 'bench', id::text, 1, id, id, '', '{}', now(), '[]', '{}'
               from unnest(cast(:ids as uuid[])) as given (id)""",
            tenant=tenant, ids=ids,
        )  # fmt: skip
        await uow.execute(
            """insert into work (tenant_id, lead_id, status, workspace, waiting_since)
               select :tenant, id, 'routed', 'desk', now() from unnest(cast(:ids as uuid[])) as given (id)""",
            tenant=tenant, ids=ids,
        )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("leads", type=int, nargs="?", default=1_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.dsn, arguments.leads))
    print(json.dumps(found) if arguments.json else f"assignments_per_s {found['assignments_per_s']:,.0f}")
