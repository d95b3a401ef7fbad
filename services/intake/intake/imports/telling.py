"""What an import tells: its events, which belong to the request that made it, under its id as their correlation id."""

from typing import Any
from uuid import UUID

from chassis.unit_of_work import Row, UnitOfWork
from contracts.intake import imports as messages
from contracts.intake.imports import ImportState
from contracts.message import Envelope, Event


def cause_of(envelope: Envelope) -> dict[str, Any]:
    """What is kept of the request that makes an import."""
    return {"id": str(envelope.id), "type": envelope.type, "traceparent": envelope.traceparent}


def cause(uow: UnitOfWork, tenant: str, run: Row) -> Envelope:
    """The request that made an import, as the cause of what follows from it."""
    kept = run["cause"]
    return Envelope(UUID(kept["id"]), kept["type"], tenant, uow.now, run["run_id"], None, kept["traceparent"])


def publish(uow: UnitOfWork, tenant: str, run: Row, event: type[Event], **told: Any) -> None:
    """Publish an event of an import."""
    body = event.model_validate({"run_id": run["run_id"], "occurred_at": uow.now, **told})
    uow.publish(tenant, body, cause(uow, tenant, run))


def ended(uow: UnitOfWork, tenant: str, run: Row) -> None:
    """Publish that an import came to its end, was stopped, or stands still: as it stands now."""
    counts = {"counts": run["counts"]}
    match run["state"]:
        case ImportState.COMPLETED:
            publish(uow, tenant, run, messages.ImportCompleted, **counts)
        case ImportState.CANCELLED:
            publish(uow, tenant, run, messages.ImportCancelled, actor=run["ordered_by"], **counts)
        case ImportState.FAILED:
            publish(uow, tenant, run, messages.ImportFailed, **counts)
