"""What the notifier does with what it hears and is asked."""

from collections.abc import Sequence
from uuid import UUID

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts import notifier as messages
from contracts.gateway.access import AccessRefused
from contracts.gateway.users import UserChanged
from contracts.intake.privacy import RevealLimitReached
from contracts.message import ProblemCode, ProblemError
from notifier import domain, domain_stops, raising, store
from notifier.domain_stops import StopEvent


async def alert_of_reveals(uow: UnitOfWork, received: Sequence[Received[RevealLimitReached]]) -> None:
    """Alert people that somebody asks to see very many persons: one open alert per caller, kept up to date."""
    for message in received:
        await raising.alert(uow, message.tenant, domain.reveals_notice(message.body), message.envelope)


async def alert_of_refusals(uow: UnitOfWork, received: Sequence[Received[AccessRefused]]) -> None:
    """Alert people that somebody is refused again and again: one open alert each, kept up to date."""
    for message in received:
        await raising.alert(uow, message.tenant, domain.refusals_notice(message.body), message.envelope)


async def alert_of_keys(uow: UnitOfWork, received: Sequence[Received[UserChanged]]) -> None:
    """Alert people that somebody who may no longer sign in left keys: one open alert each."""
    for message in received:
        if message.body.keys_left:
            await raising.alert(uow, message.tenant, domain.keys_notice(message.body), message.envelope)


async def alert_of_stops(uow: UnitOfWork, received: Sequence[Received[StopEvent]]) -> None:
    """Alert people of accounts and campaigns that stopped: one open alert for each reason, until all of them go on."""
    for tenant in dict.fromkeys(message.tenant for message in received):
        told = [message for message in received if message.tenant == tenant]
        change = domain_stops.change(message.body for message in told)
        joined = await store.keep_stops(uow, tenant, change)
        for code in change.codes:
            found = await store.stopped(uow, tenant, code, joined=code in joined)
            await raising.bring_up_to_date(uow, tenant, code, found, told[-1].envelope)


async def list_alerts(uow: UnitOfWork, request: Received[messages.ListAlerts]) -> messages.AlertPage:
    ask = request.body
    before = paging.after(ask.cursor, UUID)
    alerts = await store.alerts(uow, request.tenant, ask, before)
    page = alerts[: ask.limit]
    return messages.AlertPage(alerts=page, next_cursor=str(page[-1].alert_id) if len(alerts) > ask.limit else None)


async def acknowledge_alert(uow: UnitOfWork, request: Received[messages.AcknowledgeAlert]) -> messages.AlertView:
    """Note who sees to an open alert; one that somebody sees to, or that is closed, stays as it is, and nothing is published."""
    tenant, ask = request.tenant, request.body
    acknowledged = await store.acknowledge(uow, tenant, ask.alert_id, ask.acknowledged_by)
    alert = await _alert(uow, tenant, ask.alert_id)
    if acknowledged:
        event = messages.AlertAcknowledged(
            alert_id=alert.alert_id, code=alert.code, acknowledged_by=ask.acknowledged_by, occurred_at=uow.now
        )
        uow.publish(tenant, event, request.envelope)
    return alert


async def dismiss_alert(uow: UnitOfWork, request: Received[messages.DismissAlert]) -> messages.AlertView:
    """Close an open alert; one that is closed already stays as it is, and nothing is published."""
    tenant, ask = request.tenant, request.body
    dismissed = await store.dismiss(uow, tenant, ask.alert_id, ask.dismissed_by)
    alert = await _alert(uow, tenant, ask.alert_id)
    if dismissed:
        event = messages.AlertDismissed(
            alert_id=alert.alert_id, code=alert.code, dismissed_by=ask.dismissed_by, occurred_at=uow.now
        )
        uow.publish(tenant, event, request.envelope)
    return alert


async def _alert(uow: UnitOfWork, tenant: str, alert_id: UUID) -> messages.AlertView:
    """An alert as it is now.

    Raises:
        ProblemError: `not_found`.
    """
    alert = await store.alert(uow, tenant, alert_id)
    if alert is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND, "this tenant has no such alert; list_alerts shows those it has", "alert_id"
        )
    return alert
