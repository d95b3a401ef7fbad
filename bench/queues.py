"""How fast two well-kept job queues on PostgreSQL drain jobs that do nothing: what sending is compared with.

python bench/queues.py PG_DSN [N] [--json]

Each has a database of its own, is filled before the clock runs, and is drained by one worker in one process, with as many jobs at once as
a worker of outreach has messages on the wire. The clock runs until the last job is done.
"""

import argparse
import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from pgqueuer import Job, PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.types import QueueExecutionMode
from procrastinate import App, PsycopgConnector

from outreach.sending import sender

AT_ONCE = sender.AT_ONCE
_LOADED_AT_ONCE = 1000


async def procrastinate(dsn: str, jobs: int) -> float:
    """Jobs a second, by procrastinate's own worker."""
    app = App(connector=PsycopgConnector(conninfo=dsn, max_size=16))

    @app.task(name="nothing")
    async def nothing(number: int) -> None:
        pass

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, jobs, _LOADED_AT_ONCE):
            numbers = range(start, min(start + _LOADED_AT_ONCE, jobs))
            await nothing.batch_defer_async(*({"number": number} for number in numbers))
        began = perf_counter()
        await app.run_worker_async(wait=False, concurrency=AT_ONCE, listen_notify=False, install_signal_handlers=False)
        return jobs / (perf_counter() - began)


async def pgqueuer(dsn: str, jobs: int) -> float:
    """Jobs a second, by pgqueuer's own worker."""
    connection = await asyncpg.connect(dsn)
    pool = await asyncpg.create_pool(dsn, min_size=4, max_size=16)
    try:
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        worker = PgQueuer(AsyncpgPoolDriver(pool))

        @worker.entrypoint("nothing")
        async def nothing(job: Job) -> None:
            pass

        for start in range(0, jobs, _LOADED_AT_ONCE):
            count = min(_LOADED_AT_ONCE, jobs - start)
            await queries.enqueue(["nothing"] * count, [None] * count, [0] * count)
        began = perf_counter()
        await worker.run(batch_size=AT_ONCE, mode=QueueExecutionMode.drain)
        return jobs / (perf_counter() - began)
    finally:
        await pool.close()
        await connection.close()


PEERS: dict[str, Callable[[str, int], Awaitable[float]]] = {"procrastinate": procrastinate, "pgqueuer": pgqueuer}


async def measure(dsn: str, jobs: int) -> dict[str, float]:
    """Jobs a second of each peer."""
    found = {}
    for name, drain in PEERS.items():
        async with _database(dsn, f"bench_{name}") as own:
            found[name] = await drain(own, jobs)
    return found


@asynccontextmanager
async def _database(dsn: str, name: str) -> AsyncIterator[str]:
    """A database of a name, dropped afterwards."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.execute(f"create database {name}")
        try:
            yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
        finally:
            await connection.execute(f"drop database if exists {name} with (force)")
    finally:
        await connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pg_dsn", metavar="PG_DSN", help="postgresql://… of a role that may create databases")
    parser.add_argument("jobs", metavar="N", type=int, nargs="?", default=10_000, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    rates = asyncio.run(measure(arguments.pg_dsn, arguments.jobs))
    print(
        json.dumps(rates)
        if arguments.json
        else "\n".join(f"{name}_jobs_per_s {rate:.0f}" for name, rate in rates.items())
    )
