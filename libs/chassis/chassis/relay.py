"""The outbox relay: publishes what units of work committed, in order, under the ids they were written with.

One replica of a service relays at a time, under an advisory lock of its session. While the broker stores some events, the next
are read and published. A broker that is away costs a row nothing: it is published when the broker is back. Only a row the broker
can never take (too large) is parked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.failures import describe, is_transient
from chassis.logs import get_logger
from chassis.metrics import PUBLISHED
from chassis.outbox import Unsent
from chassis.outlet import Answer, Outgoing, Outlet, TooLargeError
from chassis.unit_of_work import Database, try_lock

log = get_logger("relay")

_PIPELINE = 1000
_POLL_SECONDS = 0.1
_STANDBY_SECONDS = 0.5


class Relay:
    """Runs until it is cancelled; `wake` tells it that something was committed.

    Parameters:
        address: what `nats.connect` needs to reach the broker.
    """

    def __init__(self, database: Database, address: Mapping[str, Any]) -> None:
        self._database = database
        self._address = address
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Relay whenever this replica holds the lock; wait for it, and through every outage, otherwise."""
        while True:
            try:
                async with self._database.session() as session:
                    await self._lock(session)
                    await session.execution_options(isolation_level="AUTOCOMMIT")
                    async with Outlet.open(self._address) as outlet:
                        await self._relay(session, outlet)
            except Exception as error:
                log.warning("the relay pauses", exc_info=None if is_transient(error) else error, error=describe(error))
                await asyncio.sleep(_STANDBY_SECONDS)

    async def _lock(self, session: AsyncConnection) -> None:
        """Wait until no other replica relays."""
        while True:
            if await try_lock(session, f"{self._database.service}/relay"):
                return
            await asyncio.sleep(_STANDBY_SECONDS)

    async def _relay(self, session: AsyncConnection, outlet: Outlet) -> None:
        rows: Sequence[Unsent] = []
        answers: Sequence[Answer] = []
        any_waits = await outbox.lookout(session)
        while True:
            self._wake.clear()
            following = await outbox.unsent(session, _PIPELINE, but=[row.seq for row in rows])
            sent = await outlet.send(
                [Outgoing(row.envelope.subject, row.envelope.headers, row.body) for row in following]
            )
            if rows:
                if refusal := await self._settle(session, rows, await outlet.answers(answers)):
                    raise refusal
            elif not following:
                await self._wait(any_waits)
            rows, answers = following, sent

    async def _wait(self, any_waits: Callable[[], Awaitable[bool]]) -> None:
        """Wait until an event waits: whoever committed it here wakes the relay, and what another replica committed is looked for."""
        while not self._wake.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            if await any_waits():
                return

    async def _settle(
        self, session: AsyncConnection, rows: Sequence[Unsent], errors: Sequence[Exception | None]
    ) -> Exception | None:
        """Note what was published and what never can be, up to the first event that was refused for now.

        What was stored behind that one already stays where it is: it is published again, and known by its id.

        Returns:
            What it was refused for.
        """
        sent = []
        refusal = None
        for row, error in zip(rows, errors, strict=True):
            if error is None:
                sent.append(row.seq)
            elif isinstance(error, TooLargeError):
                log.error(
                    "an event is too large for the broker; parked",
                    message_id=str(row.envelope.id), type=row.envelope.type,
                )  # fmt: skip
                await outbox.park(session, row.seq, "too large for the broker")
            else:
                refusal = error
                break
        await outbox.mark_sent(session, sent)
        PUBLISHED.labels(self._database.service).inc(len(sent))
        return refusal
