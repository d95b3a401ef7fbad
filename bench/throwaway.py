"""An installation to measure in, which is gone afterwards."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from leadloop import running, supervisor
from leadloop.home import Home
from leadloop.installation import Installation


@asynccontextmanager
async def installation(folder: Path | None = None) -> AsyncIterator[Installation]:
    """One that runs, in a folder of its own below `folder`, or below where temporary files are."""
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-", dir=folder) as path:
        os.chmod(path, 0o711)  # noqa: PTH101 - the database's user must be able to pass
        home = Home.open(Path(path) / "home")
        try:
            await start(home)
            yield Installation(home)
        finally:
            await running.down(home)
            home.remove()


async def start(home: Home) -> None:
    """Start what runs in the home; returns when all is ready."""
    argv = [sys.executable, "-m", "leadloop", "up", "--home", str(home.root)]
    await asyncio.to_thread(supervisor.detach, home, argv)
