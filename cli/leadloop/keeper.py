"""Keeping one process alive: start it, watch it, start it again when it ends."""

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any, Never

from leadloop.home import Home
from leadloop.process import Child, ChildSpec, ProcessFailed, cap
from leadloop.running import Record

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
STEADY_AFTER = 30.0
"""Seconds, as the two above."""
START_TIMEOUT = 120.0
"""Seconds; a database that recovers from a crash may need many."""
START_ATTEMPTS = 5
"""How often a process may end before it was ready once: then it is a mistake to report, not an accident."""
PROBE_EVERY = 5.0
"""Seconds between two looks at a process that is ready."""

logger = logging.getLogger(__name__)


class Keeper:
    """Keeps the process of `spec` alive from now until `stop`, and its record in the home up to date.

    The pause before it is started again doubles from FIRST_PAUSE to LONGEST_PAUSE, and is short again once the process
    has lived for STEADY_AFTER.
    """

    def __init__(self, home: Home, stage: int, spec: ChildSpec) -> None:
        self._home = home
        self._spec = spec
        self._log = home.logs / f"{spec.name}.log"
        self._child: Child | None = None
        self._was_ready = asyncio.Event()
        self._record = Record(
            name=spec.name,
            argv=list(spec.argv),
            process=None,
            state="starting",
            stage=stage,
            stop_signal=spec.stop_signal,
            stop_timeout=spec.stop_timeout,
        )
        self.task = asyncio.create_task(self._keep(), name=f"keep {spec.name}")
        """Ends only with an error."""

    async def ready(self) -> None:
        """Waits until the process has been ready once.

        Raises ProcessFailed when it cannot be started, keeps ending, or takes longer than START_TIMEOUT.
        """
        was_ready = asyncio.create_task(self._was_ready.wait())
        try:
            await asyncio.wait({was_ready, self.task}, timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            was_ready.cancel()
        if self.task.done():
            self.task.result()
        if not self._was_ready.is_set():
            raise ProcessFailed(f"{self._spec.name} is not ready after {START_TIMEOUT:g} s", self._log)

    async def stop(self) -> None:
        """Stops the process for good; `task` must have ended or been cancelled."""
        if self._child is not None:
            await self._child.stop()
        self._record.remove(self._home)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            begun = time.monotonic()
            try:
                await self._run()
            except ProcessFailed as failure:
                restarts = self._record.restarts + 1
                if restarts == START_ATTEMPTS and not self._was_ready.is_set():
                    raise
                if time.monotonic() - begun >= STEADY_AFTER:
                    pause = FIRST_PAUSE
                logger.warning("%s; it is started again in %.1f s", failure.what, pause)
            self._note(state="waiting", process=None, restarts=restarts)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run(self) -> Never:
        """Runs the process once. Raises ProcessFailed when it ends."""
        child = self._child = await Child.spawn(self._spec, self._log)
        self._note(state="starting", process=child.identity)
        while True:
            await child.until_ready()
            self._was_ready.set()
            self._note(state="ready")
            while await child.is_ready():
                if await child.exited(PROBE_EVERY):
                    raise child.failure()
                cap(self._log)
            self._note(state="unready")

    def _note(self, **changes: Any) -> None:
        self._record = replace(self._record, **changes)
        self._record.write(self._home)
