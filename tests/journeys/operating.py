"""``leadloop`` as its user runs it, and the running installation behind it."""

import asyncio
import io
import json
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg
import httpx
import nats
from nats.aio.client import Client

from chassis.caller import Caller
from leadloop.commands_tenants import create
from leadloop.home import Home
from leadloop.installation import Installation
from leadloop.main import run


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


class Operator:
    """Somebody at the command line, with one home.

    Most commands are carried out in this process, from their words to what they print, because to start a process for
    each takes longer than all that it does; `process=True` starts one.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    @cached_property
    def installation(self) -> Installation:
        """What runs in the home; there must be one."""
        return Installation(Home.open(self.home, create=False))

    async def start(self, *words: str | Path) -> Process:
        """Begin a command in a process of its own, and leave it running."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "leadloop", *words, env={**os.environ, "LEADLOOP_HOME": str(self.home)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *words: str | Path, stdin: bytes = b"", process: bool = False) -> Ran:
        """Carry out a command."""
        if not process:
            home = [] if "--home" in words else ["--home", str(self.home)]
            return await asyncio.to_thread(_run_here, [*map(str, words), *home], stdin)
        started = await self.start(*words)
        out, err = await started.communicate(stdin)
        assert started.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return Ran(started.returncode, out.decode(), err.decode())

    async def say(self, *words: str | Path, stdin: bytes = b"", process: bool = False) -> str:
        """What a command that succeeds says to people."""
        ran = await self.run(*words, stdin=stdin, process=process)
        assert ran.status == 0, ran
        return ran.out

    async def ask(self, *words: str | Path, stdin: bytes = b"", process: bool = False) -> Any:
        """What a command that succeeds answers in JSON."""
        return json.loads(await self.say(*words, "--json", stdin=stdin, process=process))

    async def refused(self, *words: str | Path, stdin: bytes = b"", process: bool = False) -> str:
        """The one line in which a command says why it did not do what was asked."""
        ran = await self.run(*words, stdin=stdin, process=process)
        assert ran.status != 0, ran
        assert ran.out == ""
        assert ran.err.startswith("leadloop: "), ran.err
        assert ran.err.count("\n") == 1, ran.err
        return ran.err.removeprefix("leadloop: ").rstrip("\n")

    async def win_rates(self, tenant: str, by: str) -> str:
        """The win rates as CSV."""
        return await self.say("win-rates", "--tenant", tenant, "--by", by, "--format", "csv")

    async def introduce(self, tenant: str, **settings: object) -> None:
        """Create a tenant without a process of its own."""
        async with self.caller() as caller:
            await create(caller, tenant, **settings)

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Caller]:
        """Asks the services with the operator's credential."""
        async with self.installation.connected() as client:
            yield Caller(client, patience=30)  # other tests load the machine meanwhile

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
    async def http(self, tenant: str, scopes: Iterable[str] = ()) -> AsyncIterator[httpx.AsyncClient]:
        """The tenant's HTTP API with a new key, which allows what programs need unless it is said what."""
        key = await self.ask("key", "create", tenant, *(("--scope", *scopes) if scopes else ()))
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


def _run_here(words: list[str], stdin: bytes) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))):
        status = run(words)
    return Ran(status, out.getvalue(), err.getvalue())
