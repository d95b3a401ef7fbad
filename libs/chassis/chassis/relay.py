"""The outbox relay: publishes what units of work committed, in order, under the ids they were written with.

One replica of a service relays at a time, under an advisory lock of its session. A broker that is away costs a row
nothing: it is published when the broker is back. Only a row the broker can never take (too large) is parked.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.failures import describe, is_transient
from chassis.logs import get_logger
from chassis.metrics import OUTBOX_AGE, OUTBOX_UNSENT, PUBLISHED
from chassis.outlet import Outgoing, Outlet, TooLargeError
from chassis.unit_of_work import Database
from contracts.message import Envelope

log = get_logger("relay")

_PIPELINE = 1000
_POLL_SECONDS = 0.1
_STANDBY_SECONDS = 0.5
_TRY_LOCK = text("select pg_try_advisory_lock(hashtextextended(:name, 0))")
_UNSENT = text(f"""
    select seq, id, type, tenant, time, correlation_id, causation_id, traceparent, body from outbox
    where sent_at is null and parked is null order by seq limit {_PIPELINE}
""")
_SENT = text("update outbox set sent_at = now() where seq = any(cast(:seqs as bigint[]))")
_PARK = text("update outbox set parked = :reason where seq = :seq")
_WAITING = text("""
    select count(*) as unsent, min(time) as oldest from outbox where sent_at is null and parked is null
""")


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
                async with self._session() as session:
                    await self._lock(session)
                    async with Outlet.open(self._address) as outlet:
                        await self._relay(session, outlet)
            except Exception as error:
                log.warning("the relay pauses", exc_info=None if is_transient(error) else error, error=describe(error))
                await asyncio.sleep(_STANDBY_SECONDS)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncConnection]:
        """A session of its own: it ends with the block, and the lock and the setting with it, instead of going back to
        the pool with both."""
        async with self._database.engine.connect() as connection:
            try:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(text("set idle_session_timeout = '15s'"))
                yield connection
            finally:
                await connection.invalidate()

    async def _lock(self, session: AsyncConnection) -> None:
        """Wait until no other replica relays."""
        name = f"{self._database.service}/relay"
        while True:
            locked = await session.execute(_TRY_LOCK, {"name": name})
            if locked.scalar_one():
                return
            await asyncio.sleep(_STANDBY_SECONDS)

    async def _relay(self, session: AsyncConnection, outlet: Outlet) -> None:
        while True:
            self._wake.clear()
            rows = (await session.execute(_UNSENT)).all()
            if not rows:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._wake.wait()
                continue
            errors = await outlet.publish([_outgoing(row) for row in rows])
            # Up to the first that was refused for now: what was stored behind it is published again, for the order's
            # sake, and known by its id.
            outcome = zip(rows, errors, strict=True)
            settled = list(takewhile(lambda pair: pair[1] is None or isinstance(pair[1], TooLargeError), outcome))
            sent = [row.seq for row, error in settled if error is None]
            await session.execute(_SENT, {"seqs": sent})
            PUBLISHED.labels(self._database.service).inc(len(sent))
            for row, error in settled:
                if error is not None:
                    log.error("an event is too large for the broker; parked", message_id=str(row.id), type=row.type)
                    await session.execute(_PARK, {"seq": row.seq, "reason": "too large for the broker"})
            if len(settled) < len(rows):
                refusal = errors[len(settled)]
                assert refusal is not None
                raise refusal


def _outgoing(row: Row[Any]) -> Outgoing:
    envelope = Envelope(row.id, row.type, row.tenant, row.time, row.correlation_id, row.causation_id, row.traceparent)
    return Outgoing(envelope.subject, envelope.headers, row.body)


async def waiting(connection: AsyncConnection, service: str) -> tuple[int, datetime | None]:
    """How many events wait to be published, and since when the oldest does."""
    row = (await connection.execute(_WAITING)).one()
    OUTBOX_UNSENT.labels(service).set(row.unsent)
    OUTBOX_AGE.labels(service).set((datetime.now(UTC) - row.oldest).total_seconds() if row.oldest else 0.0)
    return row.unsent, row.oldest
