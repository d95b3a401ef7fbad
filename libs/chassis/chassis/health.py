"""Whether a service lives, and whether it can work.

Live: its event loop turns, and its broker connection has not given up; otherwise the process ends, for a supervisor to
start it again.
Ready: each durable heard from the broker lately (a connection's own flag can lie), and the database answers.
"""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import ASGIApp, Scope
from nats.aio.client import Client
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chassis.logs import get_logger

log = get_logger("health")

_BEAT_SECONDS = 1.0
_STUCK_SECONDS = 30.0
_GIVEN_UP_BEATS = 5
"""More than the two seconds that a handshake may take."""
_EXIT_STATUS = 70


class Watchdog:
    """Ends the process when the event loop has not turned for half a minute."""

    def __init__(self) -> None:
        self._beat = time.monotonic()
        self._over = threading.Event()

    async def run(self) -> None:
        """Keep the loop's pulse until cancelled; from then on nobody watches it."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        try:
            while True:
                self._beat = time.monotonic()
                await asyncio.sleep(_BEAT_SECONDS)
        finally:
            self._over.set()

    def _watch(self) -> None:
        missed = 0
        while not self._over.wait(_STUCK_SECONDS / 3):
            # Counted rather than measured, so that a process that was stopped and continued is not taken for stuck.
            missed = missed + 1 if time.monotonic() - self._beat > _STUCK_SECONDS / 3 else 0
            if missed >= 3:
                _exit()


async def exit_when_given_up(client: Client) -> None:
    """End the process when its broker connection has given up: it neither is one nor tries to become one.

    However often it is cut off, the client connects again; but certain refusals end that for good, such as an
    authorization that a broker under load does not get done in time. Nothing would ever reach such a process.
    """
    missed = 0
    while missed < _GIVEN_UP_BEATS:
        await asyncio.sleep(_BEAT_SECONDS)
        missed = 0 if client.is_connected or client.is_reconnecting else missed + 1
    log.error("the broker connection has given up; ending, to be started again")
    _exit()


def _exit() -> None:
    """At once: what would end it in order waits for the loop or the broker."""
    os._exit(_EXIT_STATUS)


Check = Callable[[], Awaitable[str]]
"""Returns what is wrong, or an empty string."""


def routes(checks: Sequence[Check]) -> list[tuple[str, ASGIApp]]:
    """The ASGI routes /healthz, /readyz and /metrics."""

    @get
    async def healthz(_: Scope) -> AsgiResponse:
        return AsgiResponse(b"ok\n", 200)

    @get
    async def readyz(_: Scope) -> AsgiResponse:
        wrong = [text for text in await asyncio.gather(*(check() for check in checks)) if text]
        return AsgiResponse(("\n".join(wrong) or "ready").encode() + b"\n", 503 if wrong else 200)

    @get
    async def metrics(_: Scope) -> AsgiResponse:
        return AsgiResponse(generate_latest(), 200, headers={"content-type": CONTENT_TYPE_LATEST})

    return [("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)]
