"""A durable consumer: pulls batches and handles each in one transaction, in the stream's order.

A batch is committed only when every message that the broker has delivered and not seen acknowledged is held here. Replicas
therefore take turns, under the durable's advisory lock, and a dead replica's messages are handled before newer ones. Losing
the database session loses the lock and the transaction together, so there is nothing to fence.

The broker takes its time over acknowledgements. A batch is handled while those of the last one are unconfirmed, and
committed when they are confirmed.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo

from chassis.failures import LostRaceError, describe, is_transient
from chassis.logs import get_logger
from chassis.metrics import BATCH_SECONDS, LAG
from chassis.processing import Processor
from chassis.pull import Pull
from chassis.received import Wire
from chassis.unit_of_work import Database, UnitOfWork
from contracts.catalogue import Durable
from contracts.message import read_signed

log = get_logger("consumer")

BATCH = 500
MAX_UNACKNOWLEDGED = 4 * BATCH
"""Room for this replica's batch, the last one while its acknowledgements are unconfirmed, and what a dead peer left."""
ACK_WAIT = timedelta(seconds=5)
"""How long the broker waits for an acknowledgement or a sign of life before it delivers a message again."""
_IDLE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 2.0
_GATHER_SECONDS = 0.1
_LINGER_SECONDS = 0.01
"""How long, twice, a part-filled batch waits for company: a turn costs the same for one message as for many."""
_ACK_SECONDS = 5.0
_SIGN_OF_LIFE_SECONDS = ACK_WAIT.total_seconds() / 3
_SUSPICIOUS_DELIVERIES = 4
"""A message delivered this often may be what takes the process down."""


class _PendingAcks:
    """The acknowledgements of a batch; the broker confirms the last, which it takes after the others."""

    def __init__(self, batch: Sequence[Msg] = ()) -> None:
        self._count = len(batch)
        self._confirmation = asyncio.create_task(self._confirm(batch[-1])) if batch else None

    @property
    def unconfirmed(self) -> int:
        """Acknowledgements sent and not yet confirmed; 0 once they are, or timed out.

        In that case the broker delivers again, and the inbox skips.
        """
        return self._count if self._confirmation and not self._confirmation.done() else 0

    async def confirmed(self) -> None:
        """Wait until none is unconfirmed."""
        if self._confirmation:
            await asyncio.wait([self._confirmation])

    async def _confirm(self, last: Msg) -> None:
        with suppress(nats.errors.Error, OSError, TimeoutError):
            await last.ack_sync(_ACK_SECONDS)


class Consumer:
    """Runs one durable until it is cancelled."""

    def __init__(self, durable: Durable, client: Client, database: Database, processor: Processor) -> None:
        self.stream = durable.stream
        self._durable = durable
        self._client = client
        self._database = database
        self._processor = processor
        self._stopping = asyncio.Event()
        self._asked_at: float | None = None
        self._pending_acks = _PendingAcks()

    async def run(self) -> None:
        """Pull and handle batches until `stop`; errors that pass are waited out."""
        delay = 0.1
        pull: Pull | None = None
        while not self._stopping.is_set():
            try:
                pull = pull or await Pull.open(self._client, self._durable)
                await self._take_turn(pull)
                delay = 0.1
            except Exception as error:
                log.warning(
                    "a batch was put back" if is_transient(error) else "the consumer failed",
                    durable=self._durable.name, stream=self._durable.stream.name, error=describe(error),
                    exc_info=None if is_transient(error) else error,
                )  # fmt: skip
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)
                delay = min(delay * 2, _LONGEST_PAUSE_SECONDS)
        await self._pending_acks.confirmed()
        if pull is not None:
            await pull.close()

    @property
    def silence(self) -> float:
        """Seconds for which the broker has been asked in vain; one that handles a batch or awaits its turn asks nothing."""
        return monotonic() - self._asked_at if self._asked_at else 0.0

    async def behind(self) -> int:
        """How many of the durable's messages are not handled; noted as the service's lag."""
        return _lag(await self._state())

    def stop(self) -> None:
        """Let the batch under way end, and take no other."""
        self._stopping.set()

    async def _take_turn(self, pull: Pull) -> None:
        """Wait for the durable's lock, pull a batch, handle it, commit, acknowledge."""
        held: list[Msg] = []
        try:
            async with self._database.begin() as uow:
                await uow.execute("select pg_advisory_xact_lock(hashtextextended(:name, 0))", name=self._lock)
                for message in pull.left_over():  # while another replica may have had its turn
                    await message.nak()
                held = await self._fetch(pull)
                if not held:
                    if not self._stopping.is_set():
                        await self.behind()
                    return
                started = monotonic()
                async with self._kept_alive(held):
                    assumed = await self._gather_unacknowledged(uow, pull, held)
                    held.sort(key=lambda message: message.metadata.sequence.stream)
                    uow.now = datetime.now(UTC)  # waiting for the lock and for messages was no part of the work
                    suspicious = any(message.metadata.num_delivered >= _SUSPICIOUS_DELIVERIES for message in held)
                    await self._processor.handle(uow, [_wire(message) for message in held], suspicious=suspicious)
                    if assumed:
                        await self._pending_acks.confirmed()
                        if await self._unacknowledged_elsewhere(held):
                            raise LostRaceError("an older message may lie with another replica")
        except BaseException:
            for message in held:
                await message.nak()
            raise
        # In order, so on a stream that keeps its messages the last acknowledgement stands for all before it.
        for message in held[:-1] if self._durable.stream.work_queue else []:
            await message.ack()
        self._pending_acks = _PendingAcks(held)
        BATCH_SECONDS.labels(self._database.service, self._durable.stream.name).observe(monotonic() - started)

    async def _fetch(self, pull: Pull) -> list[Msg]:
        self._asked_at = self._asked_at or monotonic()
        messages = await self._unless_stopped(pull.take(BATCH, _IDLE_SECONDS))
        if messages and len(messages) < BATCH:
            await asyncio.sleep(_LINGER_SECONDS)
            messages += await pull.take(BATCH - len(messages), _LINGER_SECONDS)
        self._asked_at = None
        return messages

    async def _unless_stopped(self, fetching: Coroutine[Any, Any, list[Msg]]) -> list[Msg]:
        """What is fetched, or nothing once `stop` was called: an idle replica leaves at once."""
        fetch, stop = asyncio.ensure_future(fetching), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((fetch, stop), return_when=asyncio.FIRST_COMPLETED)
            return fetch.result() if fetch.done() else []
        finally:
            fetch.cancel()
            stop.cancel()

    async def _gather_unacknowledged(self, uow: UnitOfWork, pull: Pull, held: list[Msg]) -> int:
        """Take in what was delivered and is unacknowledged: what a dead peer left comes here in time.

        Returns:
            How many of these are not held, on the assumption that they are the last batch's, whose acknowledgements
            the broker has not confirmed; to be looked at again once it has.
        """
        while elsewhere := await self._unacknowledged_elsewhere(held):
            if elsewhere <= self._pending_acks.unconfirmed:
                break
            # Raises when the session is lost, and the lock with it: two that gathered would wait for each other.
            await uow.execute("select 1")
            held += await pull.take(BATCH, _GATHER_SECONDS)
        return elsewhere

    async def _unacknowledged_elsewhere(self, held: Sequence[Msg]) -> int:
        """How many messages were delivered, not acknowledged as far as the broker knows, and are not held here."""
        info = await self._state()
        # What is held and below the floor was acknowledged meanwhile, by a peer that had paused: it must not stand
        # in the count for another message, which acknowledging a later one would then drop.
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        sequences = {message.metadata.sequence.stream for message in held}
        return max(0, (info.num_ack_pending or 0) - sum(sequence > floor for sequence in sequences))

    async def _state(self) -> ConsumerInfo:
        """The durable as the broker sees it; how far it lags behind is noted on the way."""
        info: ConsumerInfo = await self._client.jetstream().consumer_info(self._durable.stream.name, self._durable.name)
        LAG.labels(self._database.service, self._durable.stream.name).set(_lag(info))
        return info

    @asynccontextmanager
    async def _kept_alive(self, held: Sequence[Msg]) -> AsyncIterator[None]:
        """Tell the broker that the messages are being worked on, while they are."""

        async def tell() -> None:
            while True:
                await asyncio.sleep(_SIGN_OF_LIFE_SECONDS)
                for message in held:
                    await message.in_progress()

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()

    @property
    def _lock(self) -> str:
        return f"{self._durable.stream.name}/{self._durable.name}"


def _lag(info: ConsumerInfo) -> int:
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


def _wire(message: Msg) -> Wire:
    subject, upstream = read_signed(message.subject)
    return Wire(subject, message.headers or {}, message.data, message.metadata.timestamp, upstream)
