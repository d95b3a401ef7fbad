"""A batch handled in one unit of work: every good message once, every poison one buried, none in another's way."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis import inbox
from chassis.dead_letters import DeadLetters
from chassis.failures import describe, is_transient
from chassis.logs import get_logger
from chassis.metrics import DEAD_LETTERED, HANDLED
from chassis.received import Handler, Received, Wire, decode
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import Message, UnreadableError

log = get_logger("processing")

FAILURES_ALLOWED = 3
"""How often a message may fail, or take the process down, while it is handled alone."""

_COUNT_ATTEMPT = """
    insert into attempt (message_id, count) values (:id, 1)
    on conflict (message_id) do update set count = attempt.count + :more returning count
"""
_FORGET_ATTEMPTS = "delete from attempt where message_id = :id"


class Processor:
    """Hands decoded batches to a service's handlers."""

    def __init__(
        self, database: Database, handlers: Mapping[type[Message], Handler], dead_letters: DeadLetters
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._dead_letters = dead_letters
        self._counted: set[UUID] = set()

    async def handle(self, uow: UnitOfWork, wires: Sequence[Wire], *, one_by_one: bool = False) -> None:
        """Handle a batch: decode, skip what was handled before, call each handler with its messages, bury the poison.

        With `one_by_one`, for a batch that may have taken a process down, each message is tried alone and counted
        before it is tried.

        Raises:
            Exception: only transient errors; the unit of work must be rolled back and the same batch tried again.
        """
        decoded: list[Received[Any]] = []
        for wire in wires:
            try:
                decoded.append(decode(wire))
            except UnreadableError as error:
                await self._bury(uow, wire, str(error))
        if not decoded:
            return
        await uow.act_for(message.tenant for message in decoded)
        new, reused = await inbox.admit(uow, decoded)
        for message in reused:
            await self._bury(uow, message.wire, "the id was used before by a message with another body")
        by_handler: dict[Handler, list[Received[Any]]] = {handler: [] for handler in self._handlers.values()}
        for message in new:
            if handler := self._handlers.get(type(message.body)):
                by_handler[handler].append(message)
            else:
                await self._bury(uow, message.wire, "this service has no handler for it")
        for handler, messages in by_handler.items():
            if messages:
                await self._call(uow, handler, messages, one_by_one)

    async def _call(self, uow: UnitOfWork, handler: Handler, messages: list[Received[Any]], one_by_one: bool) -> None:
        if not one_by_one:
            try:
                async with uow.savepoint():
                    await handler(uow, messages)
            except Exception as error:
                if is_transient(error):
                    raise
                log.warning("a batch failed; trying its messages alone", count=len(messages), exc_info=error)
            else:
                for type_, count in Counter(message.envelope.type for message in messages).items():
                    HANDLED.labels(self._database.service, type_).inc(count)
                return
        for message in messages:
            await self._call_alone(uow, handler, message, crashed_before=one_by_one)

    async def _call_alone(
        self, uow: UnitOfWork, handler: Handler, message: Received[Any], crashed_before: bool
    ) -> None:
        if crashed_before and await self._count_attempt(message.id) > FAILURES_ALLOWED:
            await self._bury(uow, message.wire, f"took the process down {FAILURES_ALLOWED} times")
            await uow.execute(_FORGET_ATTEMPTS, id=message.id)
            return
        try:
            await self._try_alone(uow, handler, message)
        finally:
            if crashed_before:
                await self._survived(message.id)

    async def _try_alone(self, uow: UnitOfWork, handler: Handler, message: Received[Any]) -> None:
        reason = ""
        for _ in range(FAILURES_ALLOWED):
            try:
                async with uow.savepoint():
                    await handler(uow, [message])
            except Exception as error:
                if is_transient(error):
                    raise
                reason = f"failed {FAILURES_ALLOWED} times: {describe(error)}"
                log.warning("a message failed", message_id=str(message.id), type=message.envelope.type, exc_info=error)
            else:
                HANDLED.labels(self._database.service, message.envelope.type).inc()
                return
        await self._bury(uow, message.wire, reason)

    async def _bury(self, uow: UnitOfWork, wire: Wire, reason: str) -> None:
        if await self._dead_letters.bury(uow, wire, reason):
            DEAD_LETTERED.labels(self._database.service).inc()
            log.warning("dead letter", type=wire.subject.rpartition(".")[0], reason=reason)

    async def _count_attempt(self, message_id: UUID) -> int:
        """How often the message was begun and not survived, this attempt included.

        Counted in a transaction of its own, so that the count outlives what the attempt may do to the process; and not
        twice by one process, which may have survived an attempt when the database that should have noted it had not.
        """
        async with self._database.begin() as uow:
            result = await uow.execute(_COUNT_ATTEMPT, id=message_id, more=int(message_id not in self._counted))
            self._counted.add(message_id)
            return int(result.scalar_one())

    async def _survived(self, message_id: UUID) -> None:
        """Whatever came of the attempt, an error that passes included, the process is still there."""
        async with self._database.begin() as uow:
            await uow.execute(_FORGET_ATTEMPTS, id=message_id)
        self._counted.discard(message_id)
