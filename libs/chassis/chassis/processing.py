"""A batch handled in one unit of work: every good message once, every poison one buried, none in another's way."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any

from chassis import attempts, inbox
from chassis.attempts import Attempts
from chassis.dead_letters import DeadLetters
from chassis.failures import TenantKeyError, describe, is_transient
from chassis.ids import MessageIds
from chassis.logs import get_logger
from chassis.metrics import DEAD_LETTERED, HANDLED
from chassis.pieces import pieces
from chassis.received import Handler, Read, Received, Wire, decode, read
from chassis.tenants import NO_SUCH_TENANT, Tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import Message, UnreadableError

log = get_logger("processing")

FAILURES_ALLOWED = 3
"""How often a message may fail, or take the process down, while it is handled alone."""


class Processor:
    """Hands decoded batches to a service's handlers."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[type[Message], Handler],
        dead_letters: DeadLetters,
        ids: MessageIds,
        tenants: Tenants,
        admit: inbox.Admit = inbox.admit,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._dead_letters = dead_letters
        self._ids = ids
        self._tenants = tenants
        self._admit = admit
        self._attempts = Attempts(database)

    async def handle(self, uow: UnitOfWork, batch: Sequence[Read], *, suspicious: bool = False) -> None:
        """Handle a batch: skip what was handled before, call each handler with its messages, bury the poison.

        A batch is `suspicious` when it was delivered so often that it may be what takes processes down, or may just
        have been in hand when they were stopped. It is noted before it is tried; a batch that was noted and not
        survived is then handled one message at a time, each noted before it is tried.

        Raises:
            Exception: only transient errors; the unit of work must be rolled back and the same batch tried again.
        """
        decoded = await self._readable(uow, batch)
        if not decoded:
            return
        new, reused = await self._admit(uow, decoded)
        for message in reused:
            await self._bury(uow, message.wire, inbox.REUSED)
        await self._give(uow, new, suspicious)

    async def handle_kept(self, uow: UnitOfWork, wires: Sequence[Wire]) -> None:
        """Handle messages that were handled once by being kept for later; the inbox knows them already.

        Nobody counts how often they are tried, so each is noted before, as those of a suspicious batch are.

        Raises:
            Exception: only transient errors, as `handle`.
        """
        await self._give(uow, await self._readable(uow, [read(wire) for wire in wires]), suspicious=True)

    async def _readable(self, uow: UnitOfWork, batch: Sequence[Read]) -> list[Received[Any]]:
        """What can be read and is of a tenant; the rest is buried."""
        decoded: list[Received[Any]] = []
        for wire, found in await self._read(uow, batch):
            if isinstance(found, UnreadableError):
                await self._bury(uow, wire, str(found))
            elif found:
                decoded.append(found)
        if decoded and (absent := await self._tenants.admit(uow, decoded)):
            decoded = await self._bury_those_of(uow, absent, decoded, NO_SUCH_TENANT)
        return decoded

    async def _read(self, uow: UnitOfWork, batch: Sequence[Read]) -> Sequence[Read]:
        """The batch with what it takes the service's secret to read read as well."""
        if all(message for _, message in batch):
            return batch  # at once: whoever gives way here waits for all that reads the next batch meanwhile
        whole: list[Read] = []
        async for some in pieces(batch):
            for wire, message in some:
                try:
                    whole.append(Read(wire, message or decode(wire, await self._ids.of(uow, wire))))
                except UnreadableError as error:
                    whole.append(Read(wire, error))
        return whole

    async def _give(self, uow: UnitOfWork, new: Sequence[Received[Any]], suspicious: bool) -> None:
        """Call each handler with its messages, and bury the poison among them."""
        by_handler: dict[Handler, list[Received[Any]]] = {handler: [] for handler in self._handlers.values()}
        for message in new:
            if handler := self._handlers.get(type(message.body)):
                by_handler[handler].append(message)
            else:
                await self._bury(uow, message.wire, "this service has no handler for it")
        ids = [message.id for message in new]
        one_by_one = suspicious and await self._attempts.any_not_survived(ids)
        noted = ids if suspicious and not one_by_one else []
        await self._attempts.begin(noted)
        try:
            for handler, messages in by_handler.items():
                if messages:
                    await self._call(uow, handler, messages, one_by_one)
        finally:
            await self._attempts.survived(noted)

    async def _call(self, uow: UnitOfWork, handler: Handler, messages: list[Received[Any]], one_by_one: bool) -> None:
        if not one_by_one:
            try:
                async with uow.savepoint():
                    await handler(uow, messages)
            except TenantKeyError as error:
                if others := await self._bury_those_of(uow, {error.tenant}, messages, describe(error)):
                    await self._call(uow, handler, others, one_by_one)
                return
            except Exception as error:
                if is_transient(error):
                    raise
                log.warning("a batch failed; trying its messages alone", count=len(messages), exc_info=error)
            else:
                for type_, count in Counter(message.envelope.type for message in messages).items():
                    HANDLED.labels(self._database.service, type_).inc(count)
                return
        for message in messages:
            if one_by_one:
                await self._call_suspect(uow, handler, message)
            else:
                await self._call_alone(uow, handler, message)

    async def _call_suspect(self, uow: UnitOfWork, handler: Handler, message: Received[Any]) -> None:
        """Call the handler with one of those of which some message took the process down."""
        if await self._attempts.begin([message.id]) > FAILURES_ALLOWED:
            await self._bury(uow, message.wire, f"took the process down {FAILURES_ALLOWED} times")
            await attempts.forget(uow, message.id)
            return
        try:
            await self._call_alone(uow, handler, message)
        finally:
            await self._attempts.survived([message.id])

    async def _call_alone(self, uow: UnitOfWork, handler: Handler, message: Received[Any]) -> None:
        reason = ""
        for _ in range(FAILURES_ALLOWED):
            try:
                async with uow.savepoint():
                    await handler(uow, [message])
            except UnreadableError as error:
                reason = str(error)
                break
            except Exception as error:
                if is_transient(error):
                    raise
                reason = f"failed {FAILURES_ALLOWED} times: {describe(error)}"
                log.warning("a message failed", message_id=str(message.id), type=message.envelope.type, exc_info=error)
            else:
                HANDLED.labels(self._database.service, message.envelope.type).inc()
                return
        await self._bury(uow, message.wire, reason)

    async def _bury_those_of(
        self, uow: UnitOfWork, tenants: Set[str], messages: Sequence[Received[Any]], reason: str
    ) -> list[Received[Any]]:
        """Bury what was sent to these tenants; returns the other messages."""
        for message in messages:
            if message.tenant in tenants:
                await self._bury(uow, message.wire, reason)
        return [message for message in messages if message.tenant not in tenants]

    async def _bury(self, uow: UnitOfWork, wire: Wire, reason: str) -> None:
        if await self._dead_letters.bury(uow, wire, reason):
            DEAD_LETTERED.labels(self._database.service).inc()
            log.warning("dead letter", type=wire.type, reason=reason)
