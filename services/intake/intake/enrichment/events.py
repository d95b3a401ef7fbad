"""What a run tells: its events, which belong to the request that started it."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import Row, UnitOfWork
from contracts.message import Envelope, Event


def cause_of(envelope: Envelope) -> dict[str, Any]:
    """What is kept of the request that starts or resumes a run."""
    return {
        "id": str(envelope.id), "type": envelope.type, "correlation_id": str(envelope.correlation_id),
        "traceparent": envelope.traceparent,
    }  # fmt: skip


def publish(uow: UnitOfWork, tenant: str, run: Row, event: Event) -> None:
    """Publish an event as one that follows from the run's start."""
    kept = run["cause"]
    cause = Envelope(
        UUID(kept["id"]), kept["type"], tenant, uow.now, UUID(kept["correlation_id"]), None, kept["traceparent"]
    )
    uow.publish(tenant, event, cause)


def of_run(uow: UnitOfWork, run: RowMapping) -> dict[str, Any]:
    """What every event of a run holds."""
    return {"run_id": run["run_id"], "occurred_at": uow.now, "cost": run["cost"], "currency": run["currency"]}
