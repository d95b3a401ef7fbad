"""A whole installation of real processes, supervised as `leadloop up` does it, and the ways to harm it."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL, Signals

import asyncpg
import httpx
import nats.errors
from nats.aio.client import Client

from chassis.caller import Caller
from contracts.catalogue import SERVICES, STREAMS
from leadloop.commands_tenants import create
from leadloop.home import Home
from leadloop.installation import Installation
from leadloop.process import ChildSpec
from leadloop.running import SUPERVISOR, Record
from leadloop.supervisor import Stage, Supervisor
from tests.waiting import until

SERVERS = ("postgres", "nats")
KEYS = "keys"
HEALED_WITHIN = 120.0
"""Seconds from the end of the harm until nothing waits any more."""
_AWAY = (httpx.HTTPError, nats.errors.Error, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class System:
    """The processes of a home. `client` is connected with the operator's credential."""

    client: Client

    def __init__(self, home: Home, replicas: Mapping[str, int]) -> None:
        self.home = home
        self.installation = Installation(home)
        self._replicas = replicas

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, replicas: Mapping[str, int]) -> AsyncIterator["System"]:
        """An installation in a home of its own, up and ready; nothing of it is left afterwards."""
        system = cls(Home.open(folder), replicas)
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(Supervisor(system.home, system._plan))
                system.client = await stack.enter_async_context(system.installation.connected())
                yield system
        finally:
            system.home.remove()

    @property
    def caller(self) -> Caller:
        return Caller(self.client)

    @property
    def services(self) -> list[str]:
        """The names of the services' processes, a second replica as `intake-2`."""
        return [record.name for record in self._records() if record.name not in SERVERS]

    async def tenant(self, name: str) -> str:
        """A new tenant that every service knows."""
        await create(self.caller, name)
        return name

    def signal(self, name: str, number: Signals = SIGKILL) -> bool:
        """Send a process a signal; says whether there is a process by this name at the moment."""
        process = self._record(name).process
        return process is not None and process.send(number)

    @asynccontextmanager
    async def without(self, what: str) -> AsyncIterator[None]:
        """Kill a server, or take the key file away, and keep it away for the length of the block."""
        keys = self.home.keys / "kms.json"
        if what == KEYS:
            hidden = keys.rename(keys.with_suffix(".away"))
        else:
            gate = self._gate(what)
            gate.touch()
            self.signal(what)
        try:
            yield
        finally:
            if what == KEYS:
                hidden.rename(keys)
            else:
                gate.unlink()

    async def healed(self) -> None:
        """Return when every process works and nothing waits: no message with the broker, no event in an outbox."""

        async def nothing_waits() -> bool:
            try:
                return await self._all_ready() and not await self.backlog()
            except _AWAY:
                return False

        await until(nothing_waits, seconds=HEALED_WITHIN, what="every process being ready and nothing waiting")

    async def backlog(self) -> dict[str, int]:
        """How much is not handled or not published yet, by where it waits."""
        waiting = {}
        for stream in STREAMS:
            for info in await self.client.jetstream().consumers_info(stream.name):
                waiting[f"{info.name}/{stream.name}"] = (info.num_pending or 0) + (info.num_ack_pending or 0)
        async with self.sql() as sql:
            for service in SERVICES:
                unsent = f"select count(*) from {service}.outbox_unsent"
                waiting[f"{service}/outbox"] = await sql.fetchval(unsent)
        return {where: count for where, count in waiting.items() if count}

    async def count_events(self) -> int:
        """How many events an import's commands have caused so far."""
        async with self.sql() as sql:
            return sum([await sql.fetchval(f"select count(*) from {owner}.outbox") for owner in ("intake", "outcomes")])

    async def handled(self, name: str) -> float:
        """How many messages a service's process has handled since it was started, by its own metrics."""
        metrics = (await self._get(name, "/metrics")).text
        lines = re.findall(r"^leadloop_messages_handled_total\{.*\} (\S+)$", metrics, re.MULTILINE)
        return sum(map(float, lines))

    @asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        """A database session of the superuser's."""
        connection = await asyncpg.connect(self.installation.database_dsn, timeout=5)
        try:
            yield connection
        finally:
            await connection.close()

    async def _all_ready(self) -> bool:
        return all([(await self._get(name, "/readyz")).status_code == 200 for name in self.services])

    async def _get(self, name: str, path: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://127.0.0.1:{self.home.ports[name]}{path}")

    def _records(self) -> list[Record]:
        return [record for record in Record.read_all(self.home) if record.name != SUPERVISOR]

    def _record(self, name: str) -> Record:
        return next(record for record in self._records() if record.name == name)

    async def _plan(self) -> Sequence[Stage]:
        """The installation's own, with a gate before each server."""
        servers, *rest = await self.installation.plan(self._replicas)
        assert not callable(servers)
        return [[self._gated(spec) for spec in servers], *rest]

    def _gated(self, spec: ChildSpec) -> ChildSpec:
        """The same process, which begins only while its gate is open."""
        waiting = 'while [ -e "$0" ]; do sleep 0.05; done; exec "$@"'
        return replace(spec, argv=["sh", "-c", waiting, str(self._gate(spec.name)), *spec.argv])

    def _gate(self, name: str) -> Path:
        return self.home.root / f"{name}.closed"
