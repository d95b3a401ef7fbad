"""How a peer is measured: every command is preloaded while the consumers are paused, then the clock runs from the first
lead stored to the last event stored.

A peer is two processes, *intake* (command in, lead and event out) and *store* (event in, row out), on two streams and
two schemas named after it. All of them are dropped at the end, whatever the end is.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import nats
import nkeys
import uvloop
from lead import commands
from nats.aio.client import Client
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

ROLES = ("intake", "store")

NKEYS_SEED = os.environ.get("FLOOR_NKEYS_SEED")
INBOX_PREFIX = os.environ.get("FLOOR_INBOX_PREFIX", "_INBOX")


class BenchError(Exception):
    """A measurement that cannot be finished; the message says what was wrong."""


@dataclass(frozen=True)
class Peer:
    """One way to write the lead path. Each callable takes NATS_URL and PG_DSN.

    `prepare` makes the tables in the new schemas `<name>_intake` (with a table `lead`) and `<name>_store` (with a table
    `event`), and the durable consumers that the peer wants to exist beforehand; `intake` and `store` run until they
    are killed, reading from `<name>_commands.lead` and `<name>_events.lead`, streams `<name>_commands` and `<name>_events`.
    """

    name: str
    default_leads: int
    prepare: Callable[[str, str], Coroutine[Any, Any, None]]
    intake: Callable[[str, str], Coroutine[Any, Any, None]]
    store: Callable[[str, str], Coroutine[Any, Any, None]]


async def connect(nats_url: str) -> Client:
    """Connect to the broker, and fail at once if that is impossible: a run through an outage measures nothing.

    Raises:
        nats.errors.NoServersError: nobody answers there, or the credential is refused; the reason is on standard error.
    """

    async def report(error: Exception) -> None:
        print(f"broker: {error or type(error).__name__}", file=sys.stderr)

    return await nats.connect(
        nats_url,
        error_cb=report,
        nkeys_seed_str=NKEYS_SEED,
        inbox_prefix=INBOX_PREFIX,
        connect_timeout=5,
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0,
    )


class Race:
    """One run of one peer over `leads` commands, given up after `deadline` seconds."""

    def __init__(self, peer: Peer, nats_url: str, dsn: str, leads: int, deadline: float) -> None:
        self.peer, self.nats_url, self.dsn, self.leads, self.deadline = peer, nats_url, dsn, leads, deadline
        self.step = "connecting"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    async def run(self) -> float:
        """Preload, start both processes, time them and leave nothing behind.

        Returns:
            The seconds from the first lead stored to the last event stored.

        Raises:
            BenchError: a process ended early or the deadline passed.
        """
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with AsyncExitStack() as cleanup:  # last in, first out; every callback runs even when one of them fails
            self.step = "connecting to Postgres (PG_DSN)"
            self._database = await asyncpg.connect(self.dsn)
            cleanup.push_async_callback(self._database.close)
            self.step = "connecting to NATS (NATS_URL, FLOOR_NKEYS_SEED)"
            client = await connect(self.nats_url)
            cleanup.push_async_callback(client.close)
            self._jetstream = client.jetstream(publish_async_max_pending=4000)
            self.step = "asking JetStream and Postgres to drop what an earlier run left behind"
            await self._drop()
            cleanup.push_async_callback(self._drop)
            cleanup.callback(self._kill)
            try:
                async with asyncio.timeout(self.deadline) as limit:
                    await self._preload()
                    for role in ROLES:
                        self._start(role)
                    return await self._clock()
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise BenchError(f"{self.deadline:.0f} s have passed (--deadline)") from error

    async def _drop(self) -> None:
        for role in ROLES:
            await self._database.execute(f"drop schema if exists {self.peer.name}_{role} cascade")
        for kind in ("commands", "events"):
            try:
                await self._jetstream.delete_stream(f"{self.peer.name}_{kind}")
            except NotFoundError:
                continue

    async def _preload(self) -> None:
        self.step = "making the streams and tables"
        name = self.peer.name
        for stream in (
            StreamConfig(name=f"{name}_commands", retention=RetentionPolicy.WORK_QUEUE),
            StreamConfig(name=f"{name}_events", duplicate_window=600),
        ):
            await self._jetstream.add_stream(stream, subjects=[f"{stream.name}.>"], storage=StorageType.FILE)
        for role in ROLES:
            await self._database.execute(f"create schema {name}_{role}")
        await self.peer.prepare(self.nats_url, self.dsn)
        self.step = "preloading the commands"
        acks = [await self._jetstream.publish_async(f"{name}_commands.lead", body) for body in commands(self.leads)]
        await asyncio.gather(*acks)

    def _start(self, role: str) -> None:
        command = [sys.executable, sys.argv[0], self.nats_url, self.dsn, str(self.leads), "--role", role]
        # A session of its own keeps Ctrl-C from it, so that it is this process that ends it; the pipe ends it if we die.
        self._processes[role] = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def _kill(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    async def _clock(self) -> float:
        self.step = "waiting for the first lead"
        while not await self._database.fetchval(f"select exists (select from {self.peer.name}_intake.lead)"):
            self._expect_alive()
            await asyncio.sleep(0.005)
        started = time.perf_counter()
        while (
            stored := await self._database.fetchval(f"select count(*) from {self.peer.name}_store.event")
        ) < self.leads:
            self.step = f"waiting for the last event ({stored} of {self.leads} are stored)"
            self._expect_alive()
            await asyncio.sleep(0.05)
        return time.perf_counter() - started

    def _expect_alive(self) -> None:
        for role, process in self._processes.items():
            if process.poll() is not None:
                raise BenchError(f"the {role} process ended with status {process.returncode}; its error is above")


def main(peer: Peer, description: str) -> None:
    """Run `peer` from the command line and print the result; exit with a message when it cannot be had."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="The environment may hold FLOOR_NKEYS_SEED (an nkey seed) and FLOOR_INBOX_PREFIX.",
    )
    parser.add_argument("nats_url", metavar="NATS_URL")
    parser.add_argument("pg_dsn", metavar="PG_DSN", help="postgresql://… of a role that may create schemas")
    parser.add_argument(
        "leads", metavar="N", type=int, nargs="?", default=peer.default_leads, help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--deadline", type=float, default=300, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.leads < 1:
        parser.error("N must be at least 1")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if args.role:
            _exit_with_parent()
            runner.run({"intake": peer.intake, "store": peer.store}[args.role](args.nats_url, args.pg_dsn))
            return
        race = Race(peer, args.nats_url, args.pg_dsn, args.leads, args.deadline)
        try:
            seconds = runner.run(race.run())
        except (
            BenchError,
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            nats.errors.Error,
            nkeys.NkeysError,
        ) as error:
            sys.exit(f"{peer.name}: failed while {race.step}: {error or type(error).__name__}")
        except (KeyboardInterrupt, asyncio.CancelledError):
            sys.exit(f"{peer.name}: stopped while {race.step}")
    rate = args.leads / seconds
    if args.json:
        result = {"leads_per_s": round(rate, 1), "leads": args.leads, "seconds": round(seconds, 3), "peer": peer.name}
        print(json.dumps(result))
    else:
        print(f"{peer.name}_leads_per_s {rate:.0f}")


def _exit_with_parent() -> None:
    def wait_for_end_of_input() -> None:
        os.read(sys.stdin.fileno(), 1)  # unbuffered: a lock on sys.stdin would abort the interpreter's own shutdown
        os._exit(1)

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
