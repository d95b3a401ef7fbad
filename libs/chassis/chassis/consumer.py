"""A durable consumer: pulls batches and handles each in one transaction; events in the stream's order, commands in their tenant's.

A batch is committed only when every message that the broker has delivered and not seen acknowledged is held here. Replicas
therefore take turns, under the durable's advisory lock, and a dead replica's messages are handled before newer ones. A turn ends
when nothing is held. Its transactions are on the session that has the lock: losing it loses both together, so there is nothing to
fence.

The broker takes its time over deliveries and acknowledgements. While a batch is handled the next messages come in, and the
acknowledgements of the last one are unconfirmed; it is committed when they are confirmed.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.failures import LostRaceError, describe, is_transient
from chassis.held import Delivery, Held
from chassis.logs import get_logger
from chassis.metrics import BATCH_SECONDS, LAG
from chassis.pieces import pieces
from chassis.processing import Processor
from chassis.pull import Pull
from chassis.unit_of_work import Database, UnitOfWork, lock, unlock
from contracts.catalogue import Durable, Stream

log = get_logger("consumer")

BATCH = 500
_LEAST_BATCH = 50
_BATCH_SECONDS = 0.1
"""How long a batch of commands is to take: whoever sends one meanwhile waits for the whole of it, and for the next."""
ACK_WAIT = timedelta(seconds=5)
"""How long the broker waits for an acknowledgement or a sign of life before it delivers a message again."""
_MOST_HELD_BYTES = 16 * 2**20
_MOST_ASKED_BYTES = 4 * 2**20
"""Asked for at once: what takes longer to arrive than the broker waits would be delivered for ever."""
_LEAST_ASKED_BYTES = 2 * 2**20
"""A message of 1 MiB has to fit."""
_IDLE_SECONDS = 2.0
_STANDBY_SECONDS = 60.0
"""How long a turn is awaited in one go: the database logs each time it was in vain."""
_LONGEST_PAUSE_SECONDS = 2.0
_PATIENCE_SECONDS = 3.0
"""How long a replica tries a batch again by itself, before another may try."""
_GATHER_SECONDS = 0.1
_LINGER_SECONDS = 0.01
"""How long, twice, a part-filled batch waits for company: a transaction costs the same for one message as for many."""
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


def batch_after(count: int, seconds: float) -> int:
    """How many commands the next batch may have, after one of `count` that took so long."""
    return min(max(_LEAST_BATCH, int(count * _BATCH_SECONDS / seconds)), BATCH)


def most_held(stream: Stream) -> int:
    """How many messages a replica takes in at most. Of events, a batch and the next; of commands, which are taken in turns by
    tenant, one tenant's burst and whoever comes behind it."""
    return 12 * BATCH if stream.work_queue else 4 * BATCH


def most_unacknowledged(stream: Stream) -> int:
    """How many messages of a durable the broker delivers before it sees some acknowledged: room for the last batches as well, whose
    acknowledgements are unconfirmed."""
    return most_held(stream) + 2 * BATCH


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
        self._pause = 0.1
        self._batch = BATCH

    async def run(self) -> None:
        """Pull and handle batches until `stop`, whenever no other replica does; errors that pass are waited out."""
        pull: Pull | None = None
        while not self._stopping.is_set():
            try:
                pull = pull or await Pull.open(self._client, self._durable)
                async with self._database.session() as session:
                    while await self._wait_for_turn(session):
                        await self._take_turn(session, pull)
                        await unlock(session, self._lock)
            except Exception as error:  # noqa: BLE001 - it is logged, and tried again
                await self._wait_out(error, "the messages were given back")
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

    async def _wait_for_turn(self, session: AsyncConnection) -> bool:
        """Wait for the durable's lock; false when it is time to stop."""
        while not self._stopping.is_set():
            waiting = asyncio.create_task(lock(session, self._lock, _STANDBY_SECONDS))
            stop = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait((waiting, stop), timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    self._asked_at = None  # another replica has its turn, and asks
                    await asyncio.wait((waiting, stop), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stop.cancel()
                if not waiting.done():
                    waiting.cancel()
                    await asyncio.wait([waiting])
            if not waiting.cancelled() and waiting.result():
                return True
        return False

    @property
    def _lock(self) -> str:
        return f"{self._durable.stream.name}/{self._durable.name}"

    async def _take_turn(self, session: AsyncConnection, pull: Pull) -> None:
        """Handle what is there and what comes meanwhile, batch by batch; what is left by `stop` or an error is given back."""
        held = Held(by_tenant=self._durable.stream.work_queue)
        owner = await _driver_of(session)
        try:
            for message in pull.left_over():  # while another replica may have had its turn
                await message.nak()
            async with self._kept_alive(held):
                await self._fetch(pull, held)
                if not held and not self._stopping.is_set():
                    await self.behind()
                patience = monotonic() + _PATIENCE_SECONDS
                while held and not self._stopping.is_set():
                    if await _driver_of(session) is not owner:
                        raise LostRaceError("the session was lost, and the lock with it")
                    try:
                        await self._handle_batch(session, pull, held)
                    except Exception as error:
                        if not is_transient(error) or session.invalidated or monotonic() > patience:
                            raise
                        await self._wait_out(error, "a batch was put back")
                    else:
                        self._pause, patience = 0.1, monotonic() + _PATIENCE_SECONDS
        finally:
            for delivery in held:
                await delivery.message.nak()

    async def _handle_batch(self, session: AsyncConnection, pull: Pull, held: Held) -> None:
        """Handle a batch and commit, while the next messages come in; then acknowledge."""
        started = monotonic()
        batch: list[Delivery] = []
        incoming: asyncio.Task[None] | None = None
        try:
            async with self._database.begin(session=session) as uow:
                assumed, waiting = await self._gather_unacknowledged(uow, pull, held)
                uow.now = self._database.clock()  # waiting for messages was no part of the work
                # Where one acknowledgement stands for all before it, it must not be of a message delivered after what is still
                # held, or the broker takes the next ones for outdated. So what was gathered is one batch.
                batch = held.next(self._batch if self._durable.stream.work_queue else len(held))
                suspicious = any(each.stamp.delivered >= _SUSPICIOUS_DELIVERIES for each in batch)
                incoming = asyncio.create_task(self._take_in(pull, held, waiting))
                await self._processor.handle(uow, [delivery.read for delivery in batch], suspicious=suspicious)
                await asyncio.wait([incoming])
                if held.precedes(batch):
                    raise LostRaceError("an older message came back meanwhile")
                if assumed:
                    await self._pending_acks.confirmed()
                    if (await self._unacknowledged_elsewhere(held))[0]:
                        raise LostRaceError("an older message may lie with another replica")
        except BaseException:
            if incoming is not None:
                incoming.cancel()
                await asyncio.wait([incoming])
            held.put_back(batch)
            raise
        held.done(batch)
        # In order, so on a stream that keeps its messages the last acknowledgement stands for all before it.
        async for some in pieces(batch[:-1] if self._durable.stream.work_queue else []):
            for delivery in some:
                await delivery.message.ack()
        self._pending_acks = _PendingAcks([delivery.message for delivery in batch])
        took = monotonic() - started
        self._batch = batch_after(len(batch), took)
        BATCH_SECONDS.labels(self._database.service, self._durable.stream.name).observe(took)
        incoming.result()

    async def _fetch(self, pull: Pull, held: Held) -> None:
        """Take in what is there, or the first that comes and what comes with it; nothing after two seconds, or on `stop`."""
        self._asked_at = self._asked_at or monotonic()
        await _hold(held, await self._unless_stopped(pull.take(self._most_asked, _IDLE_SECONDS, _MOST_ASKED_BYTES)))
        if held and len(held) < BATCH:
            await asyncio.sleep(_LINGER_SECONDS)
            await self._take_in(pull, held, BATCH - len(held))
        self._asked_at = None

    async def _take_in(self, pull: Pull, held: Held, wanted: int) -> None:
        """Take in what is there and wanted, as far as there is room."""
        room = min(wanted, self._most_asked, most_held(self._durable.stream) - len(held))
        if room > 0 and held.size < _MOST_HELD_BYTES:
            most_bytes = min(max(_MOST_HELD_BYTES - held.size, _LEAST_ASKED_BYTES), _MOST_ASKED_BYTES)
            await _hold(held, await pull.take(room, _LINGER_SECONDS, most_bytes))

    @property
    def _most_asked(self) -> int:
        """How many messages are asked for at once."""
        return 4 * BATCH if self._durable.stream.work_queue else 2 * BATCH

    async def _unless_stopped(self, fetching: Coroutine[Any, Any, list[Msg]]) -> list[Msg]:
        """What is fetched, or nothing once `stop` was called: an idle replica leaves at once."""
        fetch, stop = asyncio.ensure_future(fetching), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((fetch, stop), return_when=asyncio.FIRST_COMPLETED)
            return fetch.result() if fetch.done() else []
        finally:
            fetch.cancel()
            stop.cancel()

    async def _gather_unacknowledged(self, uow: UnitOfWork, pull: Pull, held: Held) -> tuple[int, int]:
        """Take in what was delivered and is unacknowledged, however much: what a dead peer left comes here in time.

        Returns:
            How many of these are not held, on the assumption that they are the last batch's, whose acknowledgements
            the broker has not confirmed; to be looked at again once it has. And how many were not delivered yet.
        """
        while True:
            elsewhere, waiting = await self._unacknowledged_elsewhere(held)
            if elsewhere <= self._pending_acks.unconfirmed:
                return elsewhere, waiting
            # Raises when the session is lost, and the lock with it: two that gathered would wait for each other.
            await uow.execute("select 1")
            await _hold(held, await pull.take(BATCH, _GATHER_SECONDS))

    async def _unacknowledged_elsewhere(self, held: Held) -> tuple[int, int]:
        """How many messages were delivered, not acknowledged as far as the broker knows, and are not held here; and how many were
        not delivered."""
        info = await self._state()
        # What is held and below the floor was acknowledged meanwhile, by a peer that had paused: it must not stand
        # in the count for another message, which acknowledging a later one would then drop.
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        here = sum(delivery.sequence > floor for delivery in held)
        return max(0, (info.num_ack_pending or 0) - here), info.num_pending or 0

    async def _state(self) -> ConsumerInfo:
        """The durable as the broker sees it; how far it lags behind is noted on the way."""
        info: ConsumerInfo = await self._client.jetstream().consumer_info(self._durable.stream.name, self._durable.name)
        LAG.labels(self._database.service, self._durable.stream.name).set(_lag(info))
        return info

    @asynccontextmanager
    async def _kept_alive(self, held: Held) -> AsyncIterator[None]:
        """Tell the broker that the messages are being worked on, while they are."""

        async def tell() -> None:
            while True:
                await asyncio.sleep(_SIGN_OF_LIFE_SECONDS)
                async for some in pieces(list(held)):
                    for delivery in some:
                        if delivery in held:  # of what is acknowledged meanwhile no sign is to be given
                            await delivery.message.in_progress()

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()

    async def _wait_out(self, error: Exception, what: str) -> None:
        """Say what happened, and pause; the longer, the more often in a row."""
        passing = is_transient(error)
        log.warning(
            what if passing else "the consumer failed", durable=self._durable.name, stream=self._durable.stream.name,
            error=describe(error), exc_info=None if passing else error,
        )  # fmt: skip
        await self._sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, or until `stop`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


async def _hold(held: Held, messages: Sequence[Msg]) -> None:
    """Hold all of them, also when it is cancelled meanwhile: what is not held is not given back."""
    count = 0
    try:
        async for some in pieces(messages):
            held.add(some)
            count += len(some)
    finally:
        held.add(messages[count:])


async def _driver_of(session: AsyncConnection) -> object:
    """The connection itself, which is another one if the session was lost and has connected again."""
    return (await session.get_raw_connection()).driver_connection


def _lag(info: ConsumerInfo) -> int:
    return (info.num_pending or 0) + (info.num_ack_pending or 0)
