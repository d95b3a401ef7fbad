"""The ledger service as a process of its own (see `replica`), with what it has logged."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chassis import ledger
from tests.platform import Platform
from tests.waiting import until


class Process:
    """A replica that is started again when it dies."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    @asynccontextmanager
    async def running(cls, platform: Platform) -> AsyncIterator["Process"]:
        settings = platform.settings(ledger.NAME)
        assert settings.nats_seed
        environment = {
            "LEADLOOP_DATABASE_URL": settings.database_url,
            "LEADLOOP_NATS_URL": settings.nats_url,
            "LEADLOOP_NATS_SEED": settings.nats_seed.get_secret_value(),
            "LEADLOOP_KMS_URI": settings.kms_uri,
        }
        log = platform.path / "replica.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.chassis.replica", env=os.environ | environment, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
        running = cls(process, log)
        try:
            yield running
        finally:
            await running.kill()

    @property
    def output(self) -> str:
        """All that it has written so far: its log, and the words of the ledger and of its own."""
        return self._log.read_text()

    async def says(self, word: str) -> None:
        """Return when it has written this as a line."""

        async def said() -> bool:
            assert self._process.returncode is None, self.output
            return word in self.output.splitlines()

        await until(said, seconds=20, what=f"a replica that says {word}")

    async def kill(self) -> None:
        """End it and its children with SIGKILL, for good."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
