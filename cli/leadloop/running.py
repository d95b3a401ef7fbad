"""What runs in a home: the records of its processes, read by commands other than the supervisor that writes them."""

import asyncio
import json
import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

from leadloop.home import Home, HomeError, write_atomically
from leadloop.process import Identity

SUPERVISOR = "supervisor"
STOP_TIMEOUT = 120.0
"""Seconds until a supervisor that was told to stop is killed: more than its children together are given."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """run/<name>.json, there for as long as the process is to run."""

    name: str
    argv: Sequence[str]
    process: Identity | None
    """None while there is none, because it ended and is about to be started again."""
    state: str
    """starting, ready, unready (it runs but does not answer), waiting (it ended) or stopping."""
    stage: int = -1
    stop_signal: int = signal.SIGTERM
    stop_timeout: float = STOP_TIMEOUT
    restarts: int = 0

    def write(self, home: Home) -> None:
        """Replaces the record; a disk that is full is only logged, it must not end what is being recorded."""
        try:
            # After a power cut there is no process that it could be about: no need to force it to the disk.
            write_atomically(home.run / f"{self.name}.json", json.dumps(asdict(self)).encode(), durable=False)
        except OSError as error:
            logger.warning("the record of %s cannot be written: %s", self.name, error)

    def remove(self, home: Home) -> None:
        (home.run / f"{self.name}.json").unlink(missing_ok=True)

    @classmethod
    def read_all(cls, home: Home) -> list[Self]:
        """The records of a home: the supervisor, then its processes in the order of their stages."""
        records = []
        for path in home.run.glob("*.json"):
            try:
                fields = json.loads(path.read_bytes())
            except FileNotFoundError:  # removed since it was listed
                continue
            process = fields.pop("process")
            records.append(cls(**fields, process=process and Identity(**process)))
        return sorted(records, key=lambda record: (record.stage, record.name))

    @property
    def alive(self) -> bool:
        """Whether the recorded process, and not another one with its pid, still runs."""
        return self.process is not None and self.process.alive and self.process.runs(self.argv)


@dataclass(frozen=True)
class Status:
    """One line of `leadloop status`."""

    name: str
    pid: int | None
    state: str
    """A record's state; `orphaned` when it runs without a supervisor, `dead` when neither runs."""
    ready: bool
    uptime: float
    """Seconds; 0 when it does not run."""
    restarts: int


def status(home: Home) -> list[Status]:
    """Every process of a home, the supervisor first; empty when it is down."""
    records = Record.read_all(home)
    supervised = any(record.alive for record in records if record.name == SUPERVISOR)
    return [_status(record, supervised) for record in records]


def _status(record: Record, supervised: bool) -> Status:
    process = record.process if record.alive else None
    state = _state(record, alive=process is not None, supervised=supervised)
    return Status(
        name=record.name,
        pid=process.pid if process else None,
        state=state,
        ready=state == "ready",
        uptime=process.uptime if process else 0.0,
        restarts=record.restarts,
    )


def _state(record: Record, *, alive: bool, supervised: bool) -> str:
    if alive:
        return record.state if supervised else "orphaned"
    # Supervised, it waits, even before the supervisor has noticed.
    return "waiting" if supervised else "dead"


async def until_up(home: Home, timeout: float = STOP_TIMEOUT) -> None:
    """Waits until the supervisor that runs has everything ready.

    Raises HomeError when there is none, when it stops, or when it takes longer than `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        supervisor = next(iter(status(home)), None)
        if supervisor is not None and supervisor.ready:
            return
        if supervisor is None or supervisor.state in ("orphaned", "dead", "stopping"):
            raise HomeError(f"the home {home.root} is not running: start it with `leadloop up`")
        if time.monotonic() > deadline:
            raise HomeError(f"the home {home.root} has not become ready within {timeout:g} s: see {home.logs}")
        await asyncio.sleep(0.1)


async def down(home: Home) -> bool:
    """Stops everything that runs in a home; says whether anything did.

    Raises HomeInUse when another process takes the home meanwhile.
    """
    supervisors = [record for record in Record.read_all(home) if record.name == SUPERVISOR and record.alive]
    for supervisor in supervisors:
        await _stop(supervisor)
    with home.hold():
        return await stop_leftovers(home) or bool(supervisors)


async def stop_leftovers(home: Home) -> bool:
    """Stops what a killed supervisor left behind, in its order; says whether there was anything. The home must be held.

    Only a process that a record names is touched, and only while its pid, its start and its command are those recorded.
    """
    records = Record.read_all(home)
    leftovers = [record for record in records if record.name != SUPERVISOR and record.alive]
    for stage in sorted({record.stage for record in leftovers}, reverse=True):
        await asyncio.gather(*(_stop(record) for record in leftovers if record.stage == stage))
    for record in records:
        record.remove(home)
    return bool(leftovers)


async def _stop(record: Record) -> None:
    process = record.process
    if process is None or not process.send(signal.Signals(record.stop_signal)):
        return
    if not await process.gone(record.stop_timeout):
        process.send(signal.SIGKILL)
        await process.gone(record.stop_timeout)
