"""Alerts: what needs somebody."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from contracts.notifier import AcknowledgeAlert, AlertPage, AlertView, DismissAlert, ListAlerts
from gateway.gate import Admitted

router = APIRouter(tags=["alerts"])


@router.get("/alerts")
async def list_alerts(principal: Admitted, query: Annotated[ListAlerts, Query()]) -> AlertPage:
    """Open alerts that match everything given, newest first, a page at a time; with `all`, those that are no longer open too."""
    return await principal.ask(query)


@router.post("/alerts/{alert_id}/acknowledge")
async def acknowledge_alert(principal: Admitted, alert_id: UUID) -> AlertView:
    """Say that you see to an open alert, so that nobody else does; it stays open, and who said so first stays."""
    return await principal.ask(AcknowledgeAlert(alert_id=alert_id, acknowledged_by=principal.actor))


@router.post("/alerts/{alert_id}/dismiss")
async def dismiss_alert(principal: Admitted, alert_id: UUID) -> AlertView:
    """Close an open alert by hand."""
    return await principal.ask(DismissAlert(alert_id=alert_id, dismissed_by=principal.actor))
