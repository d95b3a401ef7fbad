"""An alert is raised, the one that is open brought up to date, or resolved."""

from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.notifier import AlertRaised, AlertResolved
from notifier import store
from notifier.domain import Condition, Notice, Step, step


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


async def bring_up_to_date(
    uow: UnitOfWork, tenant: str, code: str, found: Condition, cause: Envelope | None = None
) -> str:
    """Have a condition's alert say what was found; returns what was done, as a word for counts."""
    match step(found, await store.lock_standing(uow, tenant, code)):
        case Step.ALERT:
            return "raised" if await alert(uow, tenant, found.notice, cause) else "updated"
        case Step.RESOLVE:
            ended = await store.resolve(uow, tenant, code)
            for alert_id in ended:
                uow.publish(tenant, AlertResolved(alert_id=alert_id, code=code, occurred_at=uow.now), cause)
            return "resolved" if ended else "unchanged"
        case Step.LEAVE:
            return "unchanged"
