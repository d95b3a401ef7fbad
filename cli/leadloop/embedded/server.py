"""What the embedded servers have in common: each is one process, which a test or a tool can run by itself."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

from leadloop.process import Child, ChildSpec, ProcessFailed

START_TIMEOUT = 30.0
"""Seconds; a database that recovers from a crash may need several."""
START_ATTEMPTS = 8
START_PAUSE = 0.5
"""Seconds."""


class Server(ABC):
    """One server, not running yet. Its output goes to `log`.

    `leadloop up` gives its `spec` to the supervisor; `start` and `stop` are for the ones who run it themselves.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._child: Child | None = None

    @property
    @abstractmethod
    def spec(self) -> ChildSpec:
        """How to run the server."""

    @property
    def pid(self) -> int:
        """The process id of the server that `start` started."""
        return self._running.pid

    async def start(self) -> None:
        """Starts the server and waits until it works. Raises ProcessFailed when it does not.

        One that ends at once is started again: what a crash left behind, a backend that still holds the shared memory,
        goes by itself.
        """
        for attempt in range(START_ATTEMPTS):
            self._child = await Child.spawn(self.spec, self.log)
            try:
                await self._child.until_ready(START_TIMEOUT)
                return
            except ProcessFailed:
                await self.stop()
                if attempt == START_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(START_PAUSE)
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Stops the server in order; nothing happens when it does not run."""
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """Ends the server with SIGKILL, as a crash would; `start` brings it back with the same data."""
        await self._running.kill()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError(f"{self.spec.name} has not been started")
        return self._child
