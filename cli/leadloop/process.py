"""One process that we keep: how it is started, known to be ready, found again and stopped."""

import asyncio
import logging
import math
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from chassis.exports.errors import LeadLoopError

PROBE_TIMEOUT = 2.0
"""Seconds that a process has to answer whether it is ready."""
LOG_LIMIT = 10 * 1024 * 1024
"""Bytes of a log file before it becomes `<name>.log.1`."""

logger = logging.getLogger(__name__)


class ProcessFailed(LeadLoopError):
    """A process cannot be started, has ended, or was not ready in time; the message has the end of its log."""

    def __init__(self, what: str, log: Path | None = None) -> None:
        super().__init__(f"{what}; the end of {log}:\n{tail(log)}" if log else what)
        self.what = what
        """The message without the log."""


@dataclass(frozen=True)
class ChildSpec:
    """What to run, and how to tell that it works.

    `ready` is an http:// address that answers 200, or an async callable; it may raise OSError for "not yet".
    `env` is the whole environment, None for ours. `user` is a system user to run as. The child is asked to stop with
    `stop_signal` and killed `stop_timeout` seconds later; it gets the same signal when the one who started it dies.
    """

    name: str
    argv: Sequence[str]
    ready: str | Callable[[], Awaitable[bool]]
    env: Mapping[str, str] | None = field(default=None, repr=False)
    cwd: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0


@dataclass(frozen=True)
class Identity:
    """A process for as long as it lives: its pid alone may be given to another process after it."""

    pid: int
    started: int
    """Clock ticks from the machine's boot to the process's start (proc_pid_stat(5), field 22)."""
    boot: str

    @classmethod
    def of(cls, pid: int, *, zombie: bool = False) -> Self | None:
        """The process that has `pid` now; None when there is none or it is a zombie, unless a `zombie` will do."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is the command's name in parentheses, and may hold blanks and parentheses itself.
        state, *rest = stat.rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if state in "ZX" and not zombie else cls(pid, int(rest[18]), boot)

    @property
    def alive(self) -> bool:
        return Identity.of(self.pid) == self

    @property
    def uptime(self) -> float:
        """Seconds since the process started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / os.sysconf("SC_CLK_TCK")

    @property
    def argv(self) -> list[str]:
        """The command that the process was started with; empty when it is gone."""
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [os.fsdecode(word) for word in command.removesuffix(b"\0").split(b"\0")]

    def runs(self, argv: Sequence[str]) -> bool:
        """Whether the process was started with the command `argv`, possibly through a wrapper such as setpriv."""
        return self.argv[-len(argv) :] == list(argv)

    def send(self, number: signal.Signals) -> bool:
        """Sends a signal to this process and to no other that got its pid meanwhile; false when it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive:
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    async def gone(self, timeout: float) -> bool:
        """Waits until the process has ended; false when it still runs after `timeout` seconds."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            # A killed process is a zombie while other threads of it still end, and hold its files and locks until then.
            if Identity.of(self.pid, zombie=True) == self:
                await asyncio.wait_for(ended.wait(), timeout)
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return True


class Child:
    """A running child process. Its output goes to `log`."""

    def __init__(self, spec: ChildSpec, log: Path, process: asyncio.subprocess.Process) -> None:
        self.spec = spec
        self.log = log
        self._process = process
        self.identity = Identity.of(process.pid)
        """None when the process had already ended."""
        self._exit = asyncio.create_task(process.wait())

    @classmethod
    async def spawn(cls, spec: ChildSpec, log: Path) -> Self:
        """Starts the process, in a session of its own: a terminal's Ctrl-C is for the one who stops them in order.

        Raises ProcessFailed when the command cannot be run at all.
        """
        # setpriv, not preexec_fn: Python code between fork and exec can deadlock once there are threads.
        wrapper = ["setpriv", f"--pdeathsig={spec.stop_signal.name.removeprefix('SIG')}", *run_as(spec.user)]
        try:
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *wrapper,
                    "--",
                    *spec.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=spec.cwd,
                    env=spec.env,
                    start_new_session=True,
                )
        except OSError as error:
            raise ProcessFailed(f"{spec.name} cannot be started: {error}") from error
        return cls(spec, log, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status (negative: the signal that ended it); None while the process runs."""
        return self._process.returncode

    async def exited(self, timeout: float | None = None) -> bool:
        """Waits for the process to end, at most `timeout` seconds; says whether it has."""
        await asyncio.wait({self._exit}, timeout=timeout)
        return self._exit.done()

    async def is_ready(self) -> bool:
        """Whether the process does its work at this moment."""
        ready = self.spec.ready
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await (answers_ok(ready) if isinstance(ready, str) else ready())
        except (OSError, TimeoutError):
            return False

    async def until_ready(self, timeout: float = math.inf) -> None:
        """Waits until the process is ready.

        Raises ProcessFailed when it ends before, or is not ready after `timeout` seconds.
        """
        deadline, pause = time.monotonic() + timeout, 0.02
        while not await self.is_ready():
            if await self.exited(pause) or time.monotonic() > deadline:
                raise self.failure()
            pause = min(pause * 1.5, 0.25)
            cap(self.log)

    def failure(self) -> ProcessFailed:
        """What is wrong with a process that has ended, or is not ready."""
        how = "is not ready" if self.status is None else f"ended with exit status {self.status}"
        return ProcessFailed(f"{self.spec.name} {how}", self.log)

    async def stop(self) -> None:
        """Asks the process to stop; kills it, and all that it started, when it has not in time."""
        asked = self.identity is not None and self.identity.send(self.spec.stop_signal)
        if asked and not await self.exited(self.spec.stop_timeout):
            os.killpg(self.pid, signal.SIGKILL)
        await self.exited()

    async def kill(self) -> None:
        """Ends the process at once, as a crash would."""
        if self.identity is not None:
            self.identity.send(signal.SIGKILL)
        await self.exited()


def run_as(user: str | None) -> list[str]:
    """The options of setpriv(1) for a command that is to run as `user`, in no group but its own; none for ourselves."""
    return [] if user is None else [f"--reuid={user}", f"--regid={user}", "--clear-groups"]


async def answers_ok(url: str) -> bool:
    """Whether GET `url` (http, no TLS) answers 200. Raises OSError when nobody listens there.

    A few lines instead of an HTTP client: this runs while everything starts, and a client's import alone takes half a
    second of it.
    """
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        target = f"{address.path or '/'}{'?' + address.query if address.query else ''}"
        writer.write(f"GET {target} HTTP/1.0\r\nHost: {address.netloc}\r\n\r\n".encode())
        return (await reader.read(len("HTTP/1.1 200"))).endswith(b" 200")
    finally:
        writer.close()


def cap(log: Path) -> None:
    """Moves what is in a log that has grown past LOG_LIMIT to `<name>.log.1`.

    It is copied and emptied, not renamed: the writer keeps its open file, which is in append mode. A full disk is only
    reported: it must not end the one who looks after the process.
    """
    try:
        if log.stat().st_size > LOG_LIMIT:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)
    except OSError as error:
        logger.warning("%s cannot be moved to %s.1: %s", log, log.name, error)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
