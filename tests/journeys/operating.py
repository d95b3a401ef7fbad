"""``leadloop`` as its user runs it, each command a process, and the running installation behind it."""

import asyncio
import json
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
from nats.aio.client import Client

from chassis.caller import Caller
from leadloop.commands_tenants import create
from leadloop.home import Home
from leadloop.installation import Installation


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


class Operator:
    """Somebody at the command line, with one home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @cached_property
    def installation(self) -> Installation:
        """What runs in the home; there must be one."""
        return Installation(Home.open(self.home, create=False))

    async def start(self, *words: str | Path) -> Process:
        """Begin a command, and leave it running."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "leadloop", *words,
            env={**os.environ, "LEADLOOP_HOME": str(self.home)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *words: str | Path, stdin: bytes = b"") -> Ran:
        """Carry out a command."""
        process = await self.start(*words)
        out, err = await process.communicate(stdin)
        assert process.returncode is not None
        ran = Ran(process.returncode, out.decode(), err.decode())
        assert "Traceback" not in ran.err, ran.err
        return ran

    async def say(self, *words: str | Path, stdin: bytes = b"") -> str:
        """What a command that succeeds says to people."""
        ran = await self.run(*words, stdin=stdin)
        assert ran.status == 0, ran
        return ran.out

    async def ask(self, *words: str | Path, stdin: bytes = b"") -> Any:
        """What a command that succeeds answers in JSON."""
        ran = await self.run(*words, "--json", stdin=stdin)
        assert ran.status == 0, ran
        return json.loads(ran.out)

    async def all_refused(self, uses: Mapping[tuple[str | Path, ...], str]) -> None:
        """Check that each command is refused in a line that says this."""
        lines = await asyncio.gather(*(self.refused(*words) for words in uses))
        assert not [line for line, said in zip(lines, uses.values(), strict=True) if said not in line]

    async def refused(self, *words: str | Path, stdin: bytes = b"") -> str:
        """The one line in which a command says why it did not do what was asked."""
        ran = await self.run(*words, stdin=stdin)
        assert ran.status != 0, ran
        assert ran.out == ""
        assert ran.err.startswith("leadloop: "), ran.err
        assert ran.err.count("\n") == 1, ran.err
        return ran.err.removeprefix("leadloop: ").rstrip("\n")

    async def win_rates(self, tenant: str, by: str) -> str:
        """The win rates as CSV."""
        return await self.say("win-rates", "--tenant", tenant, "--by", by, "--format", "csv")

    async def introduce(self, tenant: str, **settings: str) -> None:
        """Create a tenant without a process of its own."""
        async with self.caller() as caller:
            await create(caller, tenant, **settings)

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Caller]:
        """Asks the services with the operator's credential."""
        async with self.installation.connected() as client:
            yield Caller(client)

    @asynccontextmanager
    async def upstream(self, tenant: str, refusals: list[str] | None = None) -> AsyncIterator[Client]:
        """A broker connection with a new upstream's credential; what the broker refuses is noted in `refusals`."""
        credential = await self.ask("key", "create", tenant, "--nats")

        async def note(error: Exception) -> None:
            if refusals is not None:
                refusals.append(str(error))

        client = await nats.connect(
            credential["url"], nkeys_seed_str=credential["seed"], inbox_prefix=credential["inbox_prefix"], error_cb=note
        )
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def http(self, tenant: str) -> AsyncIterator[httpx.AsyncClient]:
        """The tenant's HTTP API with a new key."""
        key = await self.ask("key", "create", tenant)
        headers = {"Authorization": f"Bearer {key['secret']}"}
        async with httpx.AsyncClient(base_url=key["url"], headers=headers, timeout=30) as client:
            yield client

    @asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        """The superuser's database session."""
        connection = await asyncpg.connect(self.installation.database_dsn)
        try:
            yield connection
        finally:
            await connection.close()
