"""Answering requests over core NATS: a typed reply or a typed error, never silence.

A refusal travels as a `Problem` with the error headers of the NATS services framework (ADR-32).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from faststream.nats import NatsBroker, NatsMessage, NatsResponse
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from chassis.caller import ERROR, ERROR_CODE, INBOX, RELAYED, asker
from chassis.failures import lost_a_race, problem_of
from chassis.logs import get_logger
from chassis.metrics import REQUESTS
from chassis.received import Answer, Received, Wire, encode, explain, place
from chassis.tenants import NO_SUCH_TENANT, Tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts.catalogue import Entry
from contracts.message import Envelope, Problem, ProblemCode, ProblemError, Reply

log = get_logger("requests")

_AT_ONCE = 4
"""How many requests of one topic a replica answers at once, so that a slow one does not hold up every tenant."""
_ATTEMPTS = 3
"""How often a request is tried that another unit of work got in the way of."""

_HEADERS = 1024
"""Bytes that an answer's headers take at most."""

Respond = Callable[[Received[Any]], Awaitable[Reply]]
"""Answers one request, or raises what it is refused for."""


@dataclass(frozen=True, slots=True)
class InOneSnapshot:
    """An answer whose unit of work sees one snapshot of the database throughout: for what reads much and compares it."""

    answer: Answer

    async def __call__(self, uow: UnitOfWork, request: Received[Any]) -> Reply:
        return await self.answer(uow, request)


@dataclass(frozen=True, slots=True)
class InOwnUnits:
    """An answer that begins its units of work itself, for one would hold up others, or say nothing for longer than it may."""

    answer: Callable[[Received[Any]], Awaitable[Reply]]

    async def __call__(self, _: UnitOfWork, request: Received[Any]) -> Reply:
        return await self.answer(request)


def serve(broker: NatsBroker, service: str, entry: Entry, respond: Respond) -> None:
    """Answer the requests of one topic, shared among the service's replicas."""

    async def hear(message: NatsMessage) -> NatsResponse:
        raw = message.raw_message
        if not raw.reply.startswith((INBOX, RELAYED)):
            # Who asks chooses where the reply is published, and we may publish where it may not: into our own events.
            log.warning("a request for which there is no inbox to answer to", type=entry.topic.type)
            message.reply_to = ""
            return NatsResponse(None)
        try:
            wire = Wire(raw.subject, raw.headers or {}, raw.data, datetime.now(UTC), asker(raw.reply))
            reply = await respond(_read(entry, wire))
        except ProblemError as refusal:
            reply = refusal.problem
        except Exception as error:
            reply = problem_of(error)
            if reply.code is ProblemCode.INTERNAL:
                log.error("a request failed", type=entry.topic.type, exc_info=error)
        answer = encode(reply)
        if len(answer) > broker.connection.max_payload - _HEADERS:
            # The client would refuse to publish it, and the caller wait for nothing.
            log.error("an answer is larger than a message may be", type=entry.topic.type, count=len(answer))
            reply = Problem(
                code=ProblemCode.INVALID, message="the answer is larger than a message may be: ask for less"
            )
            answer = encode(reply)
        result, headers = "answered", {}
        if isinstance(reply, Problem):
            result, headers = reply.code.value, {ERROR: reply.code.value, ERROR_CODE: "400"}
        REQUESTS.labels(service, entry.topic.type, result).inc()
        return NatsResponse(answer, headers=headers)

    broker.subscriber(entry.topic.every_tenant, queue=entry.topic.owner, max_workers=_AT_ONCE)(hear)


def in_unit_of_work(database: Database, tenants: Tenants, answer: Answer) -> Respond:
    """Give each request a unit of work of its own, and another one when it lost a race; one that is answered `InOwnUnits` is admitted in it
    only."""

    async def once(request: Received[Any]) -> Reply:
        async with database.begin(snapshot=isinstance(answer, InOneSnapshot)) as uow:
            if await tenants.admit(uow, [request]):
                raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
            if not isinstance(answer, InOwnUnits):
                return await answer(uow, request)
        return await answer(uow, request)

    async def again_if_a_race_was_lost(request: Received[Any]) -> Reply:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await once(request)
            except Exception as error:
                if not lost_a_race(error):
                    raise
        return await once(request)

    return again_if_a_race_was_lost


def _read(entry: Entry, wire: Wire) -> Received[Any]:
    """The request. Nobody delivers it a second time, so where it brings no id any will do.

    Raises:
        UnreadableError: its envelope is malformed.
        ProblemError: its body is not what the topic's is to be; the first field at fault is named.
    """
    envelope = Envelope.read(wire.subject, wire.headers, wire.received, unnamed=uuid7())
    try:
        return Received(envelope, entry.message.model_validate_json(wire.body), wire)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ProblemError(ProblemCode.INVALID, explain(error), place(first["loc"])) from None
