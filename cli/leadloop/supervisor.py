"""The supervisor: starts every process of a home in order, keeps each alive, and stops them in reverse.

Processes are started in stages: all of a stage at once, and the next stage when all of them are ready. A stage may also be
an async function (provisioning).
"""

import asyncio
import json
import os
import select
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Self

from leadloop.home import Home, HomeInUse
from leadloop.keeper import START_TIMEOUT, Keeper
from leadloop.process import ChildSpec, Identity, ProcessFailed, cap
from leadloop.running import SUPERVISOR, Record, stop_leftovers

Stage = Sequence[ChildSpec] | Callable[[], Awaitable[None]]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READY_DESCRIPTOR = "LEADLOOP_READY_FD"
"""Environment variable: the descriptor on which a detached supervisor reports to the one who started it."""


class Supervisor:
    """Runs one home. `plan` gives the stages; it is called when the home is held and nothing of it runs any more, so
    that it may claim ports and prepare files.
    """

    def __init__(self, home: Home, plan: Callable[[], Awaitable[Sequence[Stage]]]) -> None:
        self._home = home
        self._plan = plan
        self._stages: list[list[Keeper]] = []
        self._held = ExitStack()
        self._record: Record | None = None
        self._parent: int | None = None
        """The descriptor on which the one who detached this supervisor waits to hear how it went."""

    async def run(self, started: Callable[[], Awaitable[None]] | None = None) -> None:
        """Starts everything, calls `started`, and keeps it running until SIGINT, SIGTERM or SIGHUP; then stops it.

        Raises what `start` raises, after everything has been stopped.
        """
        if (descriptor := os.environ.pop(READY_DESCRIPTOR, None)) is not None:
            self._parent = int(descriptor)
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, told.set)
        work, stop = asyncio.create_task(self._work(started)), asyncio.create_task(told.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        except BaseException as error:
            self._report({"error": str(error), "in_use": isinstance(error, HomeInUse)})
            raise
        finally:
            work.cancel()
            stop.cancel()
            await asyncio.wait({work, stop})
            await self.stop()
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)

    async def start(self) -> None:
        """Takes the home, stops what an earlier supervisor left behind, and starts every stage.

        Raises HomeInUse when another process runs the home, ProcessFailed when a process does not become ready, and
        whatever the plan raises. `stop` must be called even then.
        """
        self._held.enter_context(self._home.hold())
        await stop_leftovers(self._home)
        self._note("starting")
        for number, stage in enumerate(await self._plan()):
            if callable(stage):
                await stage()
            else:
                await self._start_stage(number, stage)
        self._note("ready")

    async def stop(self) -> None:
        """Stops every process, the last stage first, and lets go of the home."""
        if self._record is not None:
            self._note("stopping")
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._stages:
            await asyncio.gather(*(keeper.stop() for keeper in self._stages.pop()))
        if self._record is not None:
            self._record.remove(self._home)
            self._record = None
        self._held.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _work(self, started: Callable[[], Awaitable[None]] | None) -> None:
        await self.start()
        self._report({})
        if started is not None:
            await started()
        # A keeper ends only with an error that it does not know: then all must end, and not go on unkept.
        await asyncio.gather(*self._tasks(), asyncio.Event().wait())

    async def _start_stage(self, number: int, specs: Sequence[ChildSpec]) -> None:
        stage = [Keeper(self._home, number, spec) for spec in specs]
        self._stages.append(stage)
        await asyncio.gather(*(keeper.ready() for keeper in stage))

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [keeper.task for stage in self._stages for keeper in stage]

    def _report(self, answer: dict[str, object]) -> None:
        descriptor, self._parent = self._parent, None
        if descriptor is not None:
            with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as parent:
                parent.write(json.dumps(answer).encode())

    def _note(self, state: str) -> None:
        if self._record is None:
            me = Identity.of(os.getpid())
            self._record = Record(SUPERVISOR, me.argv if me else [], me, state)
        self._record = replace(self._record, state=state)
        self._record.write(self._home)


def detach(home: Home, argv: list[str], timeout: float = 2 * START_TIMEOUT) -> None:
    """Runs `argv`, a command that ends in `Supervisor.run` on this home, as a daemon; returns when all is ready.

    `argv` begins with the program's path, and names the home absolutely.

    Raises HomeInUse when the home runs already, ProcessFailed with the reason when it does not come up.
    """
    log = home.logs / f"{SUPERVISOR}.log"
    log.touch(mode=0o600)
    cap(log)
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        # posix_spawn, because nothing here is to own the process, or to end it when this one ends.
        pid = os.posix_spawn(
            argv[0],
            argv,
            os.environ | {READY_DESCRIPTOR: str(writing)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_APPEND, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        if not select.select([answers], [], [], timeout)[0]:
            raise ProcessFailed(
                f"{home.root} is not ready after {timeout:g} s: see {log}, and stop it with `leadloop down`"
            )
        # Nothing but the end of the pipe: it ended before it could say why.
        answer = json.loads(answers.read() or "null")
    if answer == {}:
        return
    os.waitpid(pid, 0)
    if answer is None:
        raise ProcessFailed(f"{' '.join(argv)} ended", log)
    raise (HomeInUse if answer["in_use"] else ProcessFailed)(answer["error"])
