"""An installation for one purpose, in a folder of its own, which is gone afterwards."""

import asyncio
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from leadloop.home import Home
from leadloop.installation import Installation
from leadloop.supervisor import STOP_SIGNALS, Stage, Supervisor

_OURS = "LEADLOOP_"


@contextmanager
def scratch_home(folder: Path | None = None) -> Iterator[Home]:
    """A home below `folder`, or below where temporary files are; whatever runs in it must have ended when the block does."""
    with tempfile.TemporaryDirectory(prefix="leadloop-scratch-", dir=folder) as path:
        os.chmod(path, 0o711)  # noqa: PTH101 - the database's user must be able to pass
        home = Home.open(Path(path) / "home")
        try:
            yield home
        finally:
            home.remove()


@asynccontextmanager
async def scratch_installation(
    services: Collection[str], environment: Mapping[str, str]
) -> AsyncIterator[Installation]:
    """One of some services, whose processes are ours: they end when the block does, or this process, however it ends.

    None of our settings (``LEADLOOP_…``) is theirs, so that they share neither keys nor servers with another installation.

    Parameters:
        environment: settings of the services' own.

    Raises:
        KeyboardInterrupt: this process was told to stop, by whatever signal; all is cleaned up.
        ProcessFailed: a process did not become ready.
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with _stopping_in_order(), scratch_home() as home:
        installation = Installation(home, {**others, **environment})

        async def provision() -> None:
            await installation.provision()

        async def plan() -> Sequence[Stage]:
            servers, _, all_services = await installation.plan()
            assert not callable(all_services)
            # Nobody needs to read what a new installation lacks.
            return [servers, provision, [each for each in all_services if each.name in services]]

        async with Supervisor(home, plan):
            yield installation


@contextmanager
def _stopping_in_order() -> Iterator[None]:
    """Whatever signal is to end this process ends the block, and no second one breaks off what cleans up after it."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if told:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
