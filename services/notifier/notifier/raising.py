"""An alert is raised, or the one that is open brought up to date."""

from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.notifier import AlertRaised
from notifier import store
from notifier.domain import Notice


async def alert(uow: UnitOfWork, tenant: str, notice: Notice, cause: Envelope | None = None) -> bool:
    """Whether an alert was raised; an open one was brought up to date otherwise, which is no event."""
    alert_id = uuid7()
    raised = await store.keep_open(uow, tenant, alert_id, notice)
    if raised:
        event = AlertRaised(
            alert_id=alert_id,
            category=notice.category,
            code=notice.code,
            severity=notice.severity,
            occurred_at=uow.now,
        )
        uow.publish(tenant, event, cause)
    return raised
