"""An installation to measure in, which is gone afterwards."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from leadloop import running, supervisor
from leadloop.home import Home
from leadloop.installation import Installation
from leadloop.scratch import scratch_home


@asynccontextmanager
async def installation(folder: Path | None = None) -> AsyncIterator[Installation]:
    """One that runs, in a folder of its own below `folder`, or below where temporary files are."""
    with scratch_home(folder) as home:
        try:
            await start(home)
            yield Installation(home)
        finally:
            await running.down(home)


async def start(home: Home) -> None:
    """Start what runs in the home; returns when all is ready."""
    argv = [sys.executable, "-m", "leadloop", "up", "--home", str(home.root)]
    await asyncio.to_thread(supervisor.detach, home, argv)
