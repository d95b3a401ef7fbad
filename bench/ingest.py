"""How many events a second the aggregator takes in alone, and how soon an event can be read at a steady rate.

python -m bench.ingest [EVENTS] [--rate N] [--seconds N] [--folder FOLDER] [--json]

EVENTS of outreach are published before the clock runs; it runs until the last of them is stored. Then RATE events a second are published
for so many seconds, by another process, while a reader asks the database every few milliseconds for what is new: an event is visible
when a transaction of another connection first sees it, and its time runs from the moment when it was made, before it was published.
Only the aggregator reads events meanwhile; it shares the machine with the broker, the database, the publisher and the reader.
"""

import argparse
import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import nats
from nats.aio.client import Client
from uuid_utils.compat import uuid7

from bench import throwaway
from chassis.received import encode
from contracts.catalogue import EVENTS, SERVICES
from contracts.message import Envelope, Event
from contracts.outreach.replies import ReplyReceived
from contracts.outreach.sending import FollowupScheduled, MessageQueued, MessageSent
from contracts.taxonomy import Channel, SendKind
from leadloop.bench import forget, paused
from leadloop.commands_tenants import create

_OTHERS = tuple(service for service in SERVICES if service != "aggregator")
_TICK_SECONDS = 0.01
_PROBE_SECONDS = 0.01
_DEADLINE_SECONDS = 300.0
_WARM_UP = 5_000
_EVENTS = "select told_at, event_id from aggregator.event where tenant_id = $1"
"""One process publishes them, one after the other, and they are handled in that order: so they can be followed by it."""


async def main(events: int, rate: int, seconds: float, folder: Path | None) -> dict[str, float]:
    """The numbers, from a throw-away home below a folder."""
    async with throwaway.installation(folder) as installation:
        tenant = f"bench-{secrets.token_hex(6)}"
        database = await asyncpg.connect(installation.database_dsn)
        publisher = ProcessPoolExecutor(1, get_context("spawn"))
        address = installation.address_of("outreach")
        loop = asyncio.get_running_loop()

        def publish(count: int, at_rate: int) -> Awaitable[None]:
            return loop.run_in_executor(publisher, _publish, address, tenant, count, at_rate)

        try:
            async with installation.asking() as caller:
                await create(caller, tenant)
            async with installation.connected() as client, paused(client, _OTHERS):
                await _alone(client, database, tenant, partial(publish, _WARM_UP))  # plans and pools as they are in use
                alone = await _alone(client, database, tenant, partial(publish, events))
                steady = await _steady(database, tenant, publish(round(rate * seconds), rate))
        finally:
            publisher.shutdown()
            await forget(database, tenant)
            await database.close()
    return {"events_per_s": alone, **steady}


async def _alone(client: Client, database: asyncpg.Connection, tenant: str, publish: Any) -> float:
    """Events stored a second, of those that were published before."""
    before = await _count(database, tenant)
    async with paused(client, ["aggregator"]):
        await publish(0)
        info = await client.jetstream().consumer_info(EVENTS.name, "aggregator")
        waiting = info.num_pending or 0
    began = time.monotonic()
    while info.num_pending or info.num_ack_pending:
        await asyncio.sleep(0.02)
        info = await client.jetstream().consumer_info(EVENTS.name, "aggregator")
        if time.monotonic() > began + _DEADLINE_SECONDS:
            raise SystemExit("the events were not stored in time: see the aggregator's log")
    took = time.monotonic() - began
    stored = await _count(database, tenant) - before
    if not 0 < stored <= waiting:
        raise SystemExit(f"of {waiting} events {stored} were stored: what was measured is not what was promised")
    return float(stored / took)


async def _steady(database: asyncpg.Connection, tenant: str, publishing: Awaitable[None]) -> dict[str, float]:
    """How long it takes until an event can be read, in milliseconds, and how many cannot."""
    took: list[float] = []
    last = await database.fetchrow(f"{_EVENTS} order by told_at desc, event_id desc limit 1", tenant)
    published, quiet_since = asyncio.ensure_future(publishing), time.monotonic()
    while not published.done() or time.monotonic() < quiet_since + 5:
        rows = await database.fetch(
            f"{_EVENTS} and (told_at, event_id) > ($2, $3) order by told_at, event_id", tenant, *last
        )
        now = datetime.now(UTC)
        if rows:
            last, quiet_since = rows[-1], time.monotonic()
            took += [1000 * (now - row["told_at"]).total_seconds() for row in rows]
        await asyncio.sleep(_PROBE_SECONDS)
    count = await published
    took.sort()
    return {"steady_events": len(took), "steady_lost": count - len(took), "steady_p50_ms": took[len(took) // 2],
            "steady_p99_ms": took[int(len(took) * 0.99)], "steady_max_ms": took[-1]}  # fmt: skip


async def _count(database: asyncpg.Connection, tenant: str) -> int:
    return int(await database.fetchval("select count(*) from aggregator.event where tenant_id = $1", tenant))


def _publish(address: dict[str, Any], tenant: str, count: int, rate: int) -> int:
    """Publish so many events as outreach does, so many a second, or as quickly as the broker takes them."""

    async def publish() -> None:
        client = await nats.connect(**address)
        js = client.jetstream(publish_async_max_pending=4000)
        began = time.monotonic()
        for number, event in enumerate(_events(count), 1):
            id_ = uuid7()
            envelope = Envelope(id_, event.topic.type, tenant, datetime.now(UTC), id_)
            await js.publish_async(envelope.subject, encode(event), headers=envelope.headers)
            ahead = began + number / rate - time.monotonic() if rate else 0
            if ahead > _TICK_SECONDS:
                await asyncio.sleep(ahead)
        await js.publish_async_completed()
        await client.close()

    asyncio.run(publish())
    return count


def _events(count: int) -> Iterator[Event]:
    """What a sequence tells: messages queued and sent, follow-ups scheduled, now and then a reply."""
    chance = Random(17)
    campaigns, accounts = [uuid4() for _ in range(5)], [uuid4() for _ in range(20)]
    for number in range(count):
        now = datetime.now(UTC)
        about = {
            "campaign_id": chance.choice(campaigns), "account_id": chance.choice(accounts), "message_id": _uuid(chance),
            "lead_id": _uuid(chance), "enrollment_id": _uuid(chance), "channel": Channel.EMAIL, "variant": _uuid(chance),
            "occurred_at": now,
        }  # fmt: skip
        if number % 10 == 9:
            yield ReplyReceived(**about, reply_id=_uuid(chance), received_at=now)
        elif number % 3 == 0:
            yield FollowupScheduled(**about, step=2, kind=SendKind.EMAIL, due_at=now)
        else:
            type_ = (MessageQueued, MessageSent)[number % 2]
            yield type_(**about, step=1, kind=SendKind.EMAIL)


def _uuid(chance: Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", metavar="EVENTS", type=int, nargs="?", default=100_000, help="default: %(default)s")
    parser.add_argument("--rate", type=int, default=1_000, help="events a second, then; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=600, help="for how long; default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where the installation is to lie; /dev/shm spares it the disk")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    numbers = asyncio.run(main(arguments.events, arguments.rate, arguments.seconds, arguments.folder))
    if arguments.json:
        print(json.dumps(numbers))
    else:
        print("\n".join(f"{name} {number:,.0f}" for name, number in numbers.items()))
