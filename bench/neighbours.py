"""Whether one tenant's flood is felt by another: how long its leads take, alone, beside 5,000 that a neighbour submits at once, and
beside the same amount of other work.

python -m bench.neighbours [LEADS] [--seconds N] [--folder FOLDER] [--json]

The neighbour submits them with an upstream's credential and all of one source, so that nearly all of them are parked by its rate
limit; what the operator sends would have none. What is measured is the time from a lead's submission on the bus to its verdict, 20 a
second. On a machine with few cores whatever else runs makes everything slower: so it is measured once more beside processes that do
nothing but count, as many as there are cores, for as long as the flood took. What the flood adds beyond that is the tenants' queueing for each other.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import nats
from nats.aio.client import Client

from bench import throwaway
from chassis.caller import Caller, inbox_prefix
from contracts.catalogue import COMMANDS
from contracts.intake.leads import SubmitLead, SubmitLeadNow
from leadloop.commands_tenants import create

REQUESTS_PER_SECOND = 20
_SETTLED_SECONDS = 2.0


async def main(leads: int, seconds: float, folder: Path | None) -> dict[str, dict[str, float]]:
    """Milliseconds, by what ran beside."""
    found = {}
    # Another process publishes the flood: what this one measures must not be held up by it.
    publisher = ProcessPoolExecutor(1, get_context("spawn"))
    async with (
        throwaway.installation(folder) as installation,
        installation.connected() as client,
        installation.asking() as caller,
    ):
        await create(caller, "measured", leads_per_minute=1_000_000)
        await create(caller, "flooding")
        name, seed = await installation.admit_upstream("flooding")
        upstream = {"servers": [installation.broker.url], "nkeys_seed_str": seed, "inbox_prefix": inbox_prefix(name)}
        loop = asyncio.get_running_loop()

        def publish(number: int) -> Awaitable[None]:
            return loop.run_in_executor(publisher, _publish, upstream, number)

        await publish(0)
        await measure(caller, _for(seconds / 4))  # plans and pools as they are in use
        found["alone"] = await measure(caller, _for(seconds))
        began = monotonic()
        found["beside_a_flood"] = await measure(caller, _flood(client, publish(leads)))
        took = monotonic() - began
        await asyncio.sleep(_SETTLED_SECONDS)
        async with counting():
            found["beside_as_much_else"] = await measure(caller, _for(took))
    publisher.shutdown()
    return found


async def measure(caller: Caller, meanwhile: Awaitable[None]) -> dict[str, float]:
    """How long leads take until something is over: p50, p99 and the longest, in milliseconds."""
    took: list[float] = []

    async def one() -> None:
        began = monotonic()
        order = SubmitLeadNow(source_system="bench", source_id=secrets.token_hex(8), full_name="Jane Roe")
        await caller.ask("measured", order, seconds=30)
        took.append(1000 * (monotonic() - began))

    until = asyncio.ensure_future(meanwhile)
    async with asyncio.TaskGroup() as group:
        while not until.done():
            group.create_task(one())
            await asyncio.sleep(1 / REQUESTS_PER_SECOND)
    await until
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "max": took[-1]}


async def _for(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _flood(client: Client, publishing: Awaitable[None]) -> None:
    """Over when all that is published is accepted or parked."""
    await publishing
    js = client.jetstream()
    while True:
        info = await js.consumer_info(COMMANDS.name, "intake")
        if not info.num_pending and not info.num_ack_pending:
            return
        await asyncio.sleep(0.05)


def _publish(address: dict[str, Any], leads: int) -> None:
    async def publish() -> None:
        client = await nats.connect(**address)
        js = client.jetstream(publish_async_max_pending=4000)
        subject = SubmitLead.topic.subject("flooding")
        for number in range(leads):
            lead = {"source_system": "web", "source_id": f"s{number}", "full_name": "Jane Roe"}
            await js.publish_async(subject, json.dumps(lead).encode())
        await js.publish_async_completed()
        await client.close()

    asyncio.run(publish())


@asynccontextmanager
async def counting() -> AsyncIterator[None]:
    """As many processes as there are cores that do nothing but count."""
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        await asyncio.gather(*(process.wait() for process in processes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("leads", metavar="LEADS", type=int, nargs="?", default=5_000, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=20, help="how long alone; default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where the installation is to lie; /dev/shm spares it the disk")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    numbers: dict[str, Any] = asyncio.run(main(arguments.leads, arguments.seconds, arguments.folder))
    if arguments.json:
        print(json.dumps(numbers))
    else:
        for beside, found in numbers.items():
            print(f"{beside:<20} " + ", ".join(f"{name} {value:,.0f} ms" for name, value in found.items()))
