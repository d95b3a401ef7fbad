"""Answering requests over core NATS: a typed reply or a typed error, never silence.

A refusal travels as a `Problem` with the error headers of the NATS services framework (ADR-32).
"""

from datetime import UTC, datetime

from faststream.nats import NatsBroker, NatsMessage, NatsResponse
from pydantic import ValidationError

from chassis.caller import ERROR, ERROR_CODE, INBOX, RELAYED, Caller
from chassis.failures import TenantKeyError, is_transient, is_unstorable, lost_a_race
from chassis.logs import get_logger
from chassis.metrics import REQUESTS
from chassis.received import Answer, Received, Wire, encode, explain, place
from chassis.tenants import NO_SUCH_TENANT, Tenants
from chassis.unit_of_work import Database
from contracts.catalogue import Entry
from contracts.message import Envelope, Problem, ProblemCode, ProblemError, Reply, UnreadableError
from contracts.operations import RunJob

__all__ = ["Caller", "serve"]

log = get_logger("requests")

_AT_ONCE = 4
"""How many requests of one topic a replica answers at once, so that a slow one does not hold up every tenant."""
_ATTEMPTS = 3
"""How often a request is tried that another unit of work got in the way of."""


def serve(broker: NatsBroker, database: Database, tenants: Tenants, entry: Entry, answer: Answer) -> None:
    """Answer the requests of one topic, shared among the service's replicas, each in a unit of work of its own.

    Running a job is answered when the job has ended, however long that takes: it gets no unit, which would have to lie
    idle meanwhile, and makes its own.
    """

    async def respond(message: NatsMessage) -> NatsResponse:
        raw = message.raw_message
        if not raw.reply.startswith((INBOX, RELAYED)):
            # Who asks chooses where the reply is published, and we may publish where he may not: into our own events.
            log.warning("a request for which there is no inbox to answer to", type=entry.topic.type)
            message.reply_to = ""
            return NatsResponse(None)
        try:
            reply = await _answer(Wire(raw.subject, raw.headers or {}, raw.data, datetime.now(UTC)))
            result = "answered"
        except ProblemError as refusal:
            reply, result = refusal.problem, refusal.problem.code.value
        except TenantKeyError as error:
            reply, result = Problem(code=ProblemCode.UNAVAILABLE, message=str(error)), "unavailable"
        except UnreadableError as error:
            reply, result = Problem(code=ProblemCode.INVALID, message=str(error)), "invalid"
        except Exception as error:
            if is_unstorable(error):
                reply = Problem(code=ProblemCode.INVALID, message="a value is one that no database field can hold")
            elif is_transient(error):
                reply = Problem(code=ProblemCode.UNAVAILABLE, message="try again in a moment")
            else:
                reply = Problem(code=ProblemCode.INTERNAL, message="this should not have happened; it was logged")
                log.error("a request failed", type=entry.topic.type, exc_info=error)
            result = reply.code.value
        REQUESTS.labels(database.service, entry.topic.type, result).inc()
        headers = {ERROR: reply.code.value, ERROR_CODE: "400"} if isinstance(reply, Problem) else {}
        return NatsResponse(encode(reply), headers=headers)

    async def _answer(wire: Wire) -> Reply:
        envelope = Envelope.read(wire.subject, wire.headers, wire.body, wire.received)
        try:
            body = entry.message.model_validate_json(wire.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise ProblemError(ProblemCode.INVALID, explain(error), place(first["loc"])) from None
        received = Received(envelope, body, wire)
        if entry.message is RunJob:
            return await answer(None, received)  # type: ignore[arg-type]
        for attempt in range(_ATTEMPTS):
            try:
                async with database.begin() as uow:
                    if await tenants.admit(uow, [received]):
                        raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
                    return await answer(uow, received)
            except Exception as error:
                if not lost_a_race(error) or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    broker.subscriber(entry.topic.every_tenant, queue=entry.topic.owner, max_workers=_AT_ONCE)(respond)
