"""The lead path of a running home, measured with a throw-away tenant.

The protocol is the hand-written floor's (bench/floor.py): the commands are preloaded while the consumers are paused, the
clock runs from the first lead stored to the last event handled.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

import asyncpg
from nats.aio.client import Client

from chassis.caller import Caller
from contracts.catalogue import COMMANDS, SERVICES, STREAMS, durables_of
from contracts.intake.distribution import MOST_HELD, UpsertAgent
from contracts.intake.leads import SubmitLead
from contracts.intake.routing import DryRunRouting, NewRoutingConfiguration, PublishRouting, SaveRoutingDraft
from leadloop.commands_tenants import create
from leadloop.installation import Installation
from leadloop.output import CommandError
from leadloop.patience import settle

_DEADLINE_SECONDS = 600.0
_PAUSE = timedelta(minutes=2)


async def pipeline(
    installation: Installation, leads: int, services: Sequence[str], *, owned: bool = False
) -> dict[str, Any]:
    """Leads a second from the first lead stored until every durable of these services has handled the last event.

    The durables of all other services are paused meanwhile. If the leads are to be `owned`, each is routed by the last of twenty
    rules and given to one of fifty agents, in turns, while it is stored.
    Returns leads_per_s, leads, seconds, services.

    Raises:
        CommandError: not done within ten minutes, or a lead has no owner that was to have one.
    """
    tenant = f"bench-{secrets.token_hex(6)}"
    async with installation.asking() as caller:
        await create(caller, tenant)
        if owned:
            await _publish_rules(caller, tenant)
    database = await asyncpg.connect(installation.database_dsn)
    try:
        async with installation.connected() as client:
            await settle(client, Caller(client))
            try:
                async with paused(client, [service for service in SERVICES if service not in services]):
                    async with paused(client, services):
                        await preload(client, tenant, leads)
                    seconds = await _measure(client, database, tenant, services)
                    if owned:
                        await _check_owners(database, tenant, leads)
                    await purge(client, tenant)
            finally:
                await purge(client, tenant)
                await forget(database, tenant)
                await database.execute("vacuum")  # or the server does, while something else is measured
    finally:
        await database.close()
    return {"leads_per_s": leads / seconds, "leads": leads, "seconds": seconds, "services": list(services)}


async def dry_run(installation: Installation, leads: int) -> float:
    """Seconds that a dry run of forty rules takes over so many leads."""
    tenant = f"bench-{secrets.token_hex(6)}"
    async with installation.asking() as caller:
        await create(caller, tenant)
        database = await asyncpg.connect(installation.database_dsn)
        try:
            await fill(database, tenant, leads)
            rules = NewRoutingConfiguration.model_validate(FORTY_RULES)
            began = monotonic()
            await caller.ask(tenant, DryRunRouting(configuration=rules, last=leads), seconds=_DEADLINE_SECONDS)
            return monotonic() - began
        finally:
            await forget(database, tenant)
            await database.close()


async def fill(database: asyncpg.Connection, tenant: str, leads: int) -> None:
    """Leads of 50 places, 20 sources and 1,000 campaigns, which all wait in a workspace."""
    await database.execute(
        """insert into intake.lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id,
               digest, field_digests, source_key, geo_key, intent, timeline, tier, product_interest, created_at,
               warnings, metadata)
           select $1, uuidv7(), 'web', n::text, 1, gen_random_uuid(), gen_random_uuid(), '', '{}',
               'source_' || n % 20, 'town_' || n % 50 || case when n % 3 = 0 then '_oh' else '_tx' end,
               (array['buyer', 'seller', null])[1 + n % 3], '31-90', (array['A', 'B', 'C', 'D'])[1 + n % 4],
               'home_loan', now(), '[]', jsonb_build_object('utm_campaign', 'campaign ' || n % 1000)
           from generate_series(1, $2::int) as n""",
        tenant, leads,
    )  # fmt: skip
    await database.execute(
        """insert into intake.work (tenant_id, lead_id, status, workspace, rule, routing_version, waiting_since)
           select tenant_id, lead_id, 'routed', 'texas', 'texas', 1, now() from intake.lead where tenant_id = $1""",
        tenant,
    )


def _rule(name: str, workspace: str, **when: Any) -> dict[str, Any]:
    return {"name": name, "workspace": workspace, "when": when}


FORTY_RULES: Final = {
    "rules": [
        *(
            _rule(f"ohio_{n}", "ohio", geo=[f"town_{n}_oh"], metadata={"utm_campaign": [f"campaign {n}*"]})
            for n in range(20)
        ),
        *(_rule(f"source_{n}", "online", source=[f"source_{n}"], tier=["A", "B"]) for n in range(19)),
        _rule("texas", "texas", geo=["*_tx"]),
    ],
    "workspaces": {"ohio": {}, "online": {}, "texas": {}},
}
"""Some of them match leads that `fill` makes."""


async def _publish_rules(caller: Caller, tenant: str) -> None:
    places = [_rule(f"place_{n}", "places", geo=[f"town_{n}", f"{n}_*"], intent=["buyer"]) for n in range(19)]
    rules = [*places, _rule("loans", "loans", product=["home_*"])]
    configuration = {"rules": rules, "workspaces": {"places": {}, "loans": {"chain": [{"kind": "round_robin"}]}}}
    draft = await caller.ask(
        tenant, SaveRoutingDraft.model_validate({"configuration": configuration, "actor": "service:bench"})
    )
    await caller.ask(tenant, PublishRouting(version=draft.version, expected=None, actor="service:bench"))
    for number in range(50):
        await caller.ask(tenant, UpsertAgent(user_id=f"agent_{number}", workspaces=["loans"], capacity=MOST_HELD))


async def _check_owners(database: asyncpg.Connection, tenant: str, leads: int) -> None:
    owned = await database.fetchval(
        "select count(distinct lead_id) from intake.assignment where tenant_id = $1 and ended_at is null", tenant
    )
    if owned != leads:
        raise CommandError(f"{owned} of {leads} leads have an owner: what was measured is not what was promised")


@asynccontextmanager
async def paused(client: Client, services: Sequence[str]) -> AsyncIterator[None]:
    """No durable of these services is given anything for as long as the block lasts, or 2 minutes after a kill."""
    durables = [durable for service in services for durable in durables_of(service)]

    async def pause() -> None:
        until = (datetime.now(UTC) + _PAUSE).isoformat()
        for durable in durables:
            await _pause(client, durable.stream.name, durable.name, {"pause_until": until})

    async def keep_pausing() -> None:
        while True:
            await asyncio.sleep(_PAUSE.total_seconds() / 4)
            await pause()

    await pause()
    pausing = asyncio.create_task(keep_pausing())
    try:
        yield
    finally:
        pausing.cancel()
        for durable in durables:
            await _pause(client, durable.stream.name, durable.name, {})


async def _pause(client: Client, stream: str, name: str, how: dict[str, str]) -> None:
    reply = await client.request(f"$JS.API.CONSUMER.PAUSE.{stream}.{name}", json.dumps(how).encode(), timeout=10)
    if "error" in (answer := json.loads(reply.data)):
        raise CommandError(f"the broker does not pause {stream}/{name}: {answer['error']['description']}")


async def preload(client: Client, tenant: str, leads: int) -> None:
    """Publish so many leads, each with a name, a phone and an e-mail address, as an operator does."""
    js = client.jetstream(publish_async_max_pending=4000)
    subject = SubmitLead.topic.subject(tenant)
    for number in range(leads):
        lead = {
            "source_system": f"web{number % 7}",
            "source_id": f"s{number}",
            "full_name": "Jane Roe",
            "phone": f"(614) 4{number % 90 + 10:02d}-{number % 10000:04d}",
            "email": f"Jane.{number}@Example.com",
            "product_interest": "home_loan",
            "metadata": {"utm_source": "google", "city": "Dublin OH"},
        }
        await js.publish_async(subject, json.dumps(lead).encode())
    await js.publish_async_completed()


async def _measure(client: Client, database: asyncpg.Connection, tenant: str, services: Sequence[str]) -> float:
    deadline = monotonic() + _DEADLINE_SECONDS
    while not await database.fetchval("select exists (select from intake.lead where tenant_id = $1)", tenant):
        await asyncio.sleep(0.005)
        if monotonic() > deadline:
            raise CommandError("no lead was stored within ten minutes: see `leadloop status`")
    began = monotonic()
    while not await _all_handled(client, database, tenant, services):
        await asyncio.sleep(0.05)
        if monotonic() > deadline:
            raise CommandError("the leads were not handled within ten minutes: see `leadloop status`")
    return monotonic() - began


async def _all_handled(client: Client, database: asyncpg.Connection, tenant: str, services: Sequence[str]) -> bool:
    """Commands first, then the outbox, then every durable of events: in this order, nothing can slip past."""
    js = client.jetstream()
    commands = await js.consumer_info(COMMANDS.name, "intake")
    if commands.num_pending or commands.num_ack_pending:
        return False
    if await database.fetchval(
        "select exists (select from intake.outbox_unsent join intake.outbox using (seq) where tenant = $1)", tenant
    ):
        return False
    for durable in (durable for service in services for durable in durables_of(service)):
        info = await js.consumer_info(durable.stream.name, durable.name)
        if info.num_pending or info.num_ack_pending:
            return False
    return True


async def purge(client: Client, tenant: str) -> None:
    """Take the tenant's messages out of the streams."""
    js = client.jetstream()
    for stream in STREAMS:
        for service in SERVICES:
            await js.purge_stream(stream.name, subject=f"{service}.{stream.kind}.*.*.{tenant}")


async def forget(database: asyncpg.Connection, tenant: str) -> None:
    """Take a tenant's rows out of every schema, append-only ones too; only the superuser may."""
    await database.execute("set session_replication_role = replica")  # no trigger refuses it
    for service in SERVICES:
        await database.execute(
            f"""delete from {service}.outbox_unsent using {service}.outbox
                where outbox.seq = outbox_unsent.seq and outbox.tenant = $1""",
            tenant,
        )
    columns = await database.fetch(
        """select table_schema, table_name, column_name from information_schema.columns
           where table_schema = any($1::text[]) and column_name in ('tenant_id', 'tenant')""",
        list(SERVICES),
    )
    for row in columns:
        await database.execute(
            f"delete from {row['table_schema']}.{row['table_name']} where {row['column_name']} = $1", tenant
        )
