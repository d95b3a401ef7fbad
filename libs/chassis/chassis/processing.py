"""A batch handled in one unit of work: every good message once, every poison one buried, none in another's way."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any
from uuid import UUID

from chassis import inbox
from chassis.dead_letters import DeadLetters
from chassis.failures import TenantKeyError, describe, is_transient
from chassis.logs import get_logger
from chassis.metrics import DEAD_LETTERED, HANDLED
from chassis.received import Handler, Received, Wire, decode
from chassis.tenants import NO_SUCH_TENANT, Tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import Message, UnreadableError

log = get_logger("processing")

FAILURES_ALLOWED = 3
"""How often a message may fail, or take the process down, while it is handled alone."""

_BEGIN = """
    insert into attempt (message_id, count) select distinct id, 1 from unnest(cast(:ids as uuid[])) as begun (id) order by id
    on conflict (message_id) do update
        set count = attempt.count + cast(attempt.message_id <> all (cast(:counted as uuid[])) as integer)
    returning count
"""
_NOT_SURVIVED = """
    select exists (
        select from attempt
        where message_id = any(cast(:ids as uuid[])) and message_id <> all (cast(:counted as uuid[]))
    )
"""
_FORGET = "delete from attempt where message_id = any(cast(:ids as uuid[]))"


class Processor:
    """Hands decoded batches to a service's handlers."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[type[Message], Handler],
        dead_letters: DeadLetters,
        tenants: Tenants,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._dead_letters = dead_letters
        self._tenants = tenants
        self._counted: set[UUID] = set()

    async def handle(self, uow: UnitOfWork, wires: Sequence[Wire], *, suspicious: bool = False) -> None:
        """Handle a batch: decode, skip what was handled before, call each handler with its messages, bury the poison.

        A batch is `suspicious` when it was delivered so often that it may be what takes processes down, or may just
        have been in hand when they were stopped. It is noted before it is tried; a batch that was noted and not
        survived is then handled one message at a time, each noted before it is tried.

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
        if absent := await self._tenants.admit(uow, decoded):
            decoded = await self._bury_those_of(uow, absent, decoded, NO_SUCH_TENANT)
        new, reused = await inbox.admit(uow, decoded)
        for message in reused:
            await self._bury(uow, message.wire, "the id was used before by a message with another body")
        by_handler: dict[Handler, list[Received[Any]]] = {handler: [] for handler in self._handlers.values()}
        for message in new:
            if handler := self._handlers.get(type(message.body)):
                by_handler[handler].append(message)
            else:
                await self._bury(uow, message.wire, "this service has no handler for it")
        ids = [message.id for message in new]
        one_by_one = suspicious and await self._not_survived(ids)
        noted = ids if suspicious and not one_by_one else []
        await self._begin(noted)
        try:
            for handler, messages in by_handler.items():
                if messages:
                    await self._call(uow, handler, messages, one_by_one)
        finally:
            await self._survived(noted)

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
            await self._call_alone(uow, handler, message, crashed_before=one_by_one)

    async def _call_alone(
        self, uow: UnitOfWork, handler: Handler, message: Received[Any], crashed_before: bool
    ) -> None:
        noted = [message.id] if crashed_before else []
        if await self._begin(noted) > FAILURES_ALLOWED:
            await self._bury(uow, message.wire, f"took the process down {FAILURES_ALLOWED} times")
            await uow.execute(_FORGET, ids=noted)
            return
        try:
            await self._try_alone(uow, handler, message)
        finally:
            await self._survived(noted)

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

    async def _not_survived(self, ids: Sequence[UUID]) -> bool:
        """Whether a process began any of these messages and was not there afterwards to say that it survived."""
        async with self._database.begin() as uow:
            found = await uow.execute(_NOT_SURVIVED, ids=list(ids), counted=list(self._counted))
            return bool(found.scalar_one())

    async def _begin(self, ids: Sequence[UUID]) -> int:
        """Note that messages are begun; returns how often one of them was, at most, and was not survived, now included.

        Noted in a transaction of its own, so that it outlives what the attempt may do to the process; and not twice by
        one process, which may have survived an attempt when the database that should have noted it had not.
        """
        if not ids:
            return 0
        async with self._database.begin() as uow:
            counts = await uow.execute(_BEGIN, ids=list(ids), counted=list(self._counted))
            self._counted.update(ids)
            return max(int(count) for count in counts.scalars())

    async def _survived(self, ids: Sequence[UUID]) -> None:
        """Whatever came of the attempt, an error that passes included, the process is still there."""
        if not ids:
            return
        async with self._database.begin() as uow:
            await uow.execute(_FORGET, ids=list(ids))
        self._counted.difference_update(ids)
