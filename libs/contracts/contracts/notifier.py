"""Messages of the notifier: alerts."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import AlertCategory, Severity
from contracts.values import Actor

AlertCode = Annotated[str, Field(examples=["OUTCOME_MISSING"])]
"""The condition, as a word for programs."""


class AlertRaised(Event):
    """A condition began; it has one open alert however often it is found."""

    topic: ClassVar = Topic("notifier", Kind.EVENT, "alert_raised")
    alert_id: UUID
    category: AlertCategory
    code: AlertCode
    severity: Severity
    occurred_at: datetime


class AlertResolved(Event):
    """The condition of an open alert ended by itself."""

    topic: ClassVar = Topic("notifier", Kind.EVENT, "alert_resolved")
    alert_id: UUID
    code: AlertCode
    occurred_at: datetime


class AlertAcknowledged(Event):
    """Somebody sees to an open alert, which stays open."""

    topic: ClassVar = Topic("notifier", Kind.EVENT, "alert_acknowledged")
    alert_id: UUID
    code: AlertCode
    acknowledged_by: Actor
    """Who sees to it."""
    occurred_at: datetime


class AlertDismissed(Event):
    """Somebody closed an open alert."""

    topic: ClassVar = Topic("notifier", Kind.EVENT, "alert_dismissed")
    alert_id: UUID
    code: AlertCode
    dismissed_by: Actor
    occurred_at: datetime


class AlertView(Reply):
    """An alert as people see it."""

    alert_id: UUID
    category: AlertCategory
    code: AlertCode
    severity: Severity
    title: str
    message: str
    """What is wrong and what to do."""
    evidence: dict[str, Any]
    """The numbers and ids that show it."""
    raised_at: datetime
    """When the condition was first found."""
    resolved_at: datetime | None = None
    """When it ended by itself."""
    dismissed_at: datetime | None = None
    """When somebody dismissed the alert."""
    dismissed_by: str | None = None
    acknowledged_at: datetime | None = None
    """Since when somebody sees to it."""
    acknowledged_by: str | None = None
    """Who sees to it."""


class AlertPage(Reply):
    """A page of alerts."""

    alerts: list[AlertView]
    """The alerts of this page."""
    next_cursor: str | None = None


class ListAlerts(Request[AlertPage]):
    """Alerts that match everything given, newest first, a page at a time."""

    topic: ClassVar = Topic("notifier", Kind.REQUEST, "list_alerts")
    all: bool = False
    """Those that are no longer open, too."""
    acknowledged: bool | None = None
    """Only those that somebody sees to, or only those that nobody does."""
    severity: Severity | None = None
    category: AlertCategory | None = None
    code: Annotated[str, Field(max_length=64, pattern=r"^[A-Z0-9_]+$", examples=["OUTCOME_MISSING"])] | None = None
    """Only those of this condition."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class AcknowledgeAlert(Request[AlertView]):
    """Say that somebody sees to an open alert, so that nobody else does; who said so first stays."""

    topic: ClassVar = Topic("notifier", Kind.REQUEST, "acknowledge_alert")
    alert_id: UUID
    acknowledged_by: Actor
    """Who sees to it."""


class DismissAlert(Request[AlertView]):
    """Close an open alert by hand."""

    topic: ClassVar = Topic("notifier", Kind.REQUEST, "dismiss_alert")
    alert_id: UUID
    dismissed_by: Actor
