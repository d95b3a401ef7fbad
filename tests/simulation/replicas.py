"""The processes of outreach that the simulation runs, and kills."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import IO

from tests.platform import Platform

_ANSWERS_WITHIN = 30.0
"""Seconds from an order to a process until it has been carried out."""


class Replica:
    """A process that goes by the moved clock, and that is started again when it was killed."""

    def __init__(self, launcher: asyncio.subprocess.Process, seed: int) -> None:
        self._launcher = launcher
        self._chance = Random(seed)
        self._process: int | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, platform: Platform, clock: Path, log: IO[bytes], seed: int) -> AsyncIterator["Replica"]:
        """A replica that has been started; nothing of it is left when the block ends.

        Parameters:
            seed: of the gaps between messages that it draws.
        """
        settings = platform.settings("outreach")
        assert settings.nats_seed
        environment = {
            "LEADLOOP_DATABASE_URL": settings.database_url,
            "LEADLOOP_NATS_URL": settings.nats_url,
            "LEADLOOP_NATS_SEED": settings.nats_seed.get_secret_value(),
            "LEADLOOP_KMS_URI": settings.kms_uri,
            "LEADLOOP_MOVED_CLOCK": str(clock),
            "LEADLOOP_LOG_LEVEL": "WARNING",
        }
        launcher = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.simulation.replica", env=os.environ | environment, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
        replica = cls(launcher, seed)
        try:
            await replica.start()
            yield replica
        finally:
            os.killpg(launcher.pid, signal.SIGKILL)
            await launcher.wait()

    async def start(self) -> None:
        assert self._launcher.stdin
        self._launcher.stdin.write(f"{self._chance.random()}\n".encode())
        self._process = int(await self._said())

    async def kill(self) -> None:
        """End the process where it stands."""
        assert self._process
        os.kill(self._process, signal.SIGKILL)
        assert await self._said() == "over"
        self._process = None

    async def _said(self) -> str:
        assert self._launcher.stdout
        async with asyncio.timeout(_ANSWERS_WITHIN):
            line = await self._launcher.stdout.readline()
        assert line, "the replica's launcher is gone"
        return line.decode().strip()
