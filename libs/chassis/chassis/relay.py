"""The outbox relay: publishes what units of work committed, in order, under the ids they were written with.

One replica of a service relays at a time, under an advisory lock of its session. A broker that is away costs a row
nothing: it is published when the broker is back. Only a row the broker can never take (too large) is parked.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import PubAck
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.failures import describe, is_transient
from chassis.logs import get_logger
from chassis.metrics import OUTBOX_AGE, OUTBOX_UNSENT, PUBLISHED
from chassis.unit_of_work import Database
from contracts.catalogue import EVENTS
from contracts.message import Envelope

log = get_logger("relay")

_PIPELINE = 1000
_ACK_SECONDS = 10.0
_POLL_SECONDS = 0.1
_STANDBY_SECONDS = 0.5
_MESSAGE_TOO_LARGE = 10054
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
    """Runs until it is cancelled; `wake` tells it that something was committed."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Relay whenever this replica holds the lock; wait for it, and through every outage, otherwise."""
        while True:
            try:
                async with self._database.engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await connection.execute(text("set idle_session_timeout = '15s'"))
                    if await self._locked(connection):
                        await self._relay(connection)
                await asyncio.sleep(_STANDBY_SECONDS)
            except Exception as error:
                log.warning("the relay pauses", exc_info=None if is_transient(error) else error, error=describe(error))
                await asyncio.sleep(_STANDBY_SECONDS)

    async def _locked(self, connection: AsyncConnection) -> bool:
        locked = await connection.execute(
            text("select pg_try_advisory_lock(hashtextextended(:name, 0))"), {"name": f"{self._database.service}/relay"}
        )
        return bool(locked.scalar_one())

    async def _relay(self, connection: AsyncConnection) -> None:
        while True:
            self._wake.clear()
            rows = (await connection.execute(_UNSENT)).all()
            if not rows:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _POLL_SECONDS)
                continue
            js = self._client.jetstream(publish_async_max_pending=_PIPELINE)
            futures: list[asyncio.Future[PubAck] | Exception] = []
            for row in rows:
                envelope = Envelope(
                    row.id, row.type, row.tenant, row.time, row.correlation_id, row.causation_id, row.traceparent
                )
                try:
                    futures.append(
                        await js.publish_async(
                            envelope.subject, row.body, headers=envelope.headers, wait_stall=_ACK_SECONDS
                        )
                    )
                except nats.errors.MaxPayloadError as error:
                    futures.append(error)
            acks = await asyncio.wait_for(_settled(futures), _ACK_SECONDS)
            sent = [row.seq for row, ack in zip(rows, acks, strict=True) if _is_stored(ack)]
            await connection.execute(_SENT, {"seqs": sent})
            PUBLISHED.labels(self._database.service).inc(len(sent))
            for row, ack in zip(rows, acks, strict=True):
                if _is_permanent(ack):
                    log.error("an event is too large for the broker; parked", message_id=str(row.id), type=row.type)
                    await connection.execute(_PARK, {"seq": row.seq, "reason": "too large for the broker"})
                elif isinstance(ack, Exception):
                    raise ack


async def waiting(connection: AsyncConnection, service: str) -> tuple[int, datetime | None]:
    """How many events wait to be published, and since when the oldest does."""
    row = (await connection.execute(_WAITING)).one()
    OUTBOX_UNSENT.labels(service).set(row.unsent)
    OUTBOX_AGE.labels(service).set((datetime.now(UTC) - row.oldest).total_seconds() if row.oldest else 0.0)
    return row.unsent, row.oldest


async def _settled(futures: list[asyncio.Future[PubAck] | Exception]) -> list[PubAck | BaseException]:
    async def one(future: asyncio.Future[PubAck] | Exception) -> PubAck:
        if isinstance(future, Exception):
            raise future
        return await future

    return await asyncio.gather(*(one(future) for future in futures), return_exceptions=True)


def _is_stored(ack: PubAck | BaseException) -> bool:
    return isinstance(ack, PubAck) and ack.stream == EVENTS.name


def _is_permanent(ack: PubAck | BaseException) -> bool:
    if isinstance(ack, nats.js.errors.APIError):
        return ack.err_code == _MESSAGE_TOO_LARGE
    return isinstance(ack, nats.errors.MaxPayloadError)
