"""The floor: the lead path written by hand, with nothing but nats-py, asyncpg and the domain libraries.

A command is fetched in a batch, normalised, tokenised and sealed; lead, vault and outbox rows are written in one
transaction; a relay publishes the outbox; a second process writes the events to its own table. Nothing here survives a
redelivery, an outage or a bad message: it is how fast the work can be done, not how it should be.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import orjson
from lead import TENANT, SubmitLead, VaultEntry, protect
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from protocol import Peer, connect, main

BATCH = 500

SCHEMA = """
create table floor_intake.inbox (id uuid primary key);
create table floor_intake.vault (tenant_id text, token bytea, sealed bytea, primary key (tenant_id, token));
create table floor_intake.lead (
    tenant_id text, id uuid, source_system text, source_id text, phone_token bytea, email_token bytea,
    product_interest text, metadata jsonb,
    primary key (tenant_id, id), unique (tenant_id, source_system, source_id));
create index on floor_intake.lead (tenant_id, email_token);
create index on floor_intake.lead (tenant_id, phone_token);
create table floor_intake.outbox (
    seq bigint generated always as identity primary key, id uuid not null, body bytea, sent_at timestamptz);
create index on floor_intake.outbox (seq) where sent_at is null;
create table floor_store.event (
    id uuid primary key, tenant_id text, kind text, body jsonb, stored_at timestamptz default now());
create index on floor_store.event (tenant_id, stored_at);
"""


async def prepare(nats_url: str, dsn: str) -> None:
    """Make the tables and the two durables."""
    database = await asyncpg.connect(dsn)
    await database.execute(SCHEMA)
    await database.close()
    client = await connect(nats_url)
    for stream, durable in (("floor_commands", "floor_intake"), ("floor_events", "floor_store")):
        config = ConsumerConfig(durable_name=durable, ack_policy=AckPolicy.EXPLICIT, max_ack_pending=5000)
        await client.jetstream().add_consumer(stream, config)
    await client.close()


async def intake(nats_url: str, dsn: str) -> None:
    """Turn commands into leads and events, batch after batch."""
    jetstream = (await connect(nats_url)).jetstream(publish_async_max_pending=4000)
    database = await asyncpg.connect(dsn)
    committed = asyncio.Event()
    subscription = await jetstream.pull_subscribe_bind(consumer="floor_intake", stream="floor_commands")
    async with asyncio.TaskGroup() as tasks:  # an error in either task ends the process
        tasks.create_task(relay(jetstream, await asyncpg.connect(dsn), committed))
        async for messages in batches(subscription):
            await accept(database, [SubmitLead.model_validate_json(message.data) for message in messages])
            committed.set()
            for message in messages:
                await message.ack()


async def accept(database: asyncpg.Connection, commands: Sequence[SubmitLead]) -> None:
    """Write everything that follows from a batch of commands in one transaction."""
    leads: list[tuple[Any, ...]] = []
    events: list[tuple[uuid.UUID, bytes]] = []
    vault: list[VaultEntry] = []
    for command in commands:
        contact = protect(command)
        vault.extend(contact.vault)
        lead_id = uuid.uuid4()
        leads.append(
            (
                command.tenant_id,
                lead_id,
                command.source_system,
                command.source_id,
                contact.phone_token,
                contact.email_token,
                command.product_interest,
                orjson.dumps(command.metadata).decode(),
            )
        )
        event = {
            "lead_id": str(lead_id),
            "tenant_id": command.tenant_id,
            "phone_token": contact.phone_token.hex(),
            "email_token": contact.email_token.hex(),
            "source_key": command.source_system,
            "product_interest": command.product_interest,
            "metadata": command.metadata,
        }
        events.append((uuid.uuid4(), orjson.dumps(event)))
    async with database.transaction():
        await database.execute(
            "insert into floor_intake.inbox select unnest($1::uuid[]) on conflict do nothing",
            [command.message_id for command in commands],
        )
        await database.execute(
            "insert into floor_intake.vault select * from unnest($1::text[], $2::bytea[], $3::bytea[])"
            " on conflict do nothing",
            *columns(vault),
        )
        await database.execute(
            "insert into floor_intake.lead select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[],"
            " $5::bytea[], $6::bytea[], $7::text[], $8::jsonb[]) on conflict do nothing",
            *columns(leads),
        )
        await database.execute(
            "insert into floor_intake.outbox (id, body) select * from unnest($1::uuid[], $2::bytea[])",
            *columns(events),
        )


async def relay(jetstream: JetStreamContext, database: asyncpg.Connection, committed: asyncio.Event) -> None:
    """Publish the outbox in order, pipelined, and mark what the broker acknowledged."""
    while True:
        rows = await database.fetch(
            "select seq, id, body from floor_intake.outbox where sent_at is null order by seq limit 1000"
        )
        if not rows:
            committed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(committed.wait(), 0.2)
            continue
        acks = [
            await jetstream.publish_async("floor_events.lead", row["body"], headers={"Nats-Msg-Id": str(row["id"])})
            for row in rows
        ]
        await asyncio.gather(*acks)
        await database.execute(
            "update floor_intake.outbox set sent_at = now() where seq = any($1::bigint[])", [row["seq"] for row in rows]
        )


async def store(nats_url: str, dsn: str) -> None:
    """Write events to the event table, batch after batch."""
    jetstream = (await connect(nats_url)).jetstream()
    database = await asyncpg.connect(dsn)
    subscription = await jetstream.pull_subscribe_bind(consumer="floor_store", stream="floor_events")
    async for messages in batches(subscription):
        rows = [
            (uuid.UUID((message.headers or {})["Nats-Msg-Id"]), TENANT, message.subject, message.data.decode())
            for message in messages
        ]
        async with database.transaction():
            await database.execute(
                "insert into floor_store.event (id, tenant_id, kind, body)"
                " select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[]) on conflict do nothing",
                *columns(rows),
            )
        for message in messages:
            await message.ack()


async def batches(subscription: JetStreamContext.PullSubscription) -> AsyncIterator[list[Msg]]:
    """What is there, at most BATCH at once; when nothing comes for a second, nats-py raises or returns an empty list."""
    while True:
        try:
            messages = await subscription.fetch(BATCH, timeout=1)
        except TimeoutError:
            continue
        if messages:
            yield messages


def columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


if __name__ == "__main__":
    main(Peer("floor", 30_000, prepare, intake, store), "Measure the lead path written by hand.")
