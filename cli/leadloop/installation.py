"""An installation in a home: which processes it runs, with which credentials, and how a command reaches it.

What only a start needs (alembic, the services' machinery) is imported by the methods that need it: to load it takes longer
than most commands take to run.
"""

import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

from chassis.caller import Caller, inbox_prefix
from contracts.catalogue import OPERATOR, SERVICES
from leadloop import nkey, running
from leadloop.embedded import Nats, Postgres, Valkey
from leadloop.home import Home, write_atomically
from leadloop.process import ChildSpec
from leadloop.supervisor import Stage

DATABASE = "postgres"


class Installation:
    """The processes of one home.

    Parameters:
        environment: what its services find in theirs, beside their own addresses and credentials; ours, if none is given.
    """

    def __init__(self, home: Home, environment: Mapping[str, str] = os.environ) -> None:
        self.home = home
        self._environment = environment
        self.postgres = Postgres(home)
        self.broker = Nats(home)
        self.valkey = Valkey(home)

    async def plan(
        self, replicas: Mapping[str, int] | None = None, port: int | None = None, *, valkey: bool = False
    ) -> Sequence[Stage]:
        """The stages a supervisor starts: the servers, then what they need to hold, then every service.

        `replicas` says how many of a service run, one by default; `port` is where the gateway listens; with `valkey`
        replicas count together.
        """
        from chassis.keys import FileKeyService

        self.postgres.prepare()
        self.broker.prepare(self.authorization())
        FileKeyService.create(self._kms)
        if port is not None:
            self.home.claim_port("gateway", port)
        servers: list[ChildSpec] = [self.postgres.spec, self.broker.spec]
        if valkey:
            self.valkey.prepare()
            servers.append(self.valkey.spec)
        services = [
            self._service(service, number, port, valkey)
            for service in SERVICES
            for number in range(1, (replicas or {}).get(service, 1) + 1)
        ]
        return [servers, self._provision, services]

    async def provision(self) -> list[str]:
        """Bring roles, schemas, streams and durables to what this version needs; returns what was done."""
        from chassis import schema, topology

        done = []
        for service in SERVICES:
            done += await schema.prepare(self._database_url("postgres"), service)
        async with self.connected() as client:
            return done + await topology.declare(client)

    async def _provision(self) -> None:
        for line in await self.provision():
            print(line, file=sys.stderr)

    def _service(self, service: str, number: int, port: int | None, valkey: bool) -> ChildSpec:
        from chassis import schema

        name = service if number == 1 else f"{service}-{number}"
        own = self.home.claim_port(name, port if name == "gateway" else None)
        environment = {
            "LEADLOOP_DATABASE_URL": self._database_url(schema.role_of(service)),
            "LEADLOOP_NATS_URL": self.broker.url,
            "LEADLOOP_NATS_SEED": self._seed(service),
            "LEADLOOP_KMS_URI": self._environment.get("LEADLOOP_KMS_URI", f"file://{self._kms}"),
            "LEADLOOP_HTTP_PORT": str(own),
        }
        if valkey:
            environment["LEADLOOP_VALKEY_URL"] = self.valkey.url
        if service == "aggregator":
            folder = f"file://{self.home.root.absolute()}/archive"
            environment["LEADLOOP_ARCHIVE_URI"] = self._environment.get("LEADLOOP_ARCHIVE_URI", folder)
        return ChildSpec(
            name=name,
            argv=[sys.executable, "-m", service],
            env={**self._environment, **environment},
            ready=f"http://127.0.0.1:{own}/readyz",
        )

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.home.ports['gateway']}"

    @property
    def database_dsn(self) -> str:
        """Where the superuser connects."""
        return self.postgres.dsn("postgres", DATABASE)

    @property
    def address(self) -> dict[str, Any]:
        """What a client of the broker is to connect with, as the operator."""
        return self.address_of(OPERATOR)

    def address_of(self, user: str) -> dict[str, Any]:
        """What a client of the broker is to connect with, as a service or the operator."""
        return {
            "servers": [self.broker.url],
            "name": "leadloop",
            "nkeys_seed_str": self._seed(user),
            "inbox_prefix": inbox_prefix(user),
        }

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """A broker connection with the operator's credential; it outlives the broker's restarts."""
        client = await nats.connect(**self.address, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=_quiet)
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def reached(self) -> AsyncIterator[Client]:
        """The same, once everything is ready.

        Raises:
            HomeError: the home does not run.
        """
        await running.until_up(self.home)
        async with self.connected() as client:
            yield client

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Caller]:
        """The same, for commands that ask the services."""
        async with self.reached() as client:
            yield Caller(client)

    async def admit_upstream(self, tenant: str) -> tuple[str, str]:
        """Make a broker credential for an upstream of one tenant; returns its name and its seed, which is kept nowhere.

        A running broker takes it at once.
        """
        from chassis import topology

        seed = nkey.new_seed()
        upstream = topology.User(f"upstream-{secrets.token_hex(6)}", nkey.public_key(seed), tenant)
        known = [*self._upstreams(), asdict(upstream)]
        write_atomically(self._upstreams_file, json.dumps(known).encode())
        self.broker.configure(self.authorization())
        for process in running.status(self.home):
            if process.name == "nats" and process.pid:
                await self.broker.reload(process.pid)
        return upstream.name, seed

    def authorization(self) -> str:
        """Who is let in at the broker: every service, the operator, and the upstreams admitted so far."""
        from chassis import topology

        users = [topology.User(name, nkey.public_key(self._seed(name))) for name in (*SERVICES, OPERATOR)]
        return topology.authorization([*users, *(topology.User(**upstream) for upstream in self._upstreams())])

    def _upstreams(self) -> list[dict[str, str]]:
        path = self._upstreams_file
        known: list[dict[str, str]] = json.loads(path.read_text()) if path.exists() else []
        return known

    @property
    def _upstreams_file(self) -> Path:
        return self.home.keys / "upstreams.json"

    @property
    def _kms(self) -> Path:
        return self.home.keys / "kms.json"

    def _seed(self, user: str) -> str:
        return self.home.keep(f"nats-{user}.seed", lambda: nkey.new_seed().encode()).read_text()

    def _database_url(self, role: str) -> str:
        return self.postgres.dsn(role, DATABASE).replace("postgresql://", "postgresql+asyncpg://", 1)


async def _quiet(_: Exception) -> None:
    """The library logs a stack trace whenever the broker is away; commands say what they wait for themselves."""
