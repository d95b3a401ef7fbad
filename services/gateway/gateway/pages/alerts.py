"""Alerts: what needs somebody, who sees to it, and what did before."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.notifier import AcknowledgeAlert, DismissAlert, ListAlerts
from contracts.taxonomy import AlertCategory, Severity
from gateway.gate import Admitted
from gateway.pages.actors import actors
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import Chosen
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/alerts")

_ROWS: Final = 50


class State(StrEnum):
    """Which alerts are shown."""

    OPEN = "open"
    UNSEEN = "unseen"
    SEEN = "seen"
    ALL = "all"


_STATES: Final = [
    (State.OPEN, "Open"),
    (State.UNSEEN, "Open, nobody sees to it"),
    (State.SEEN, "Open, somebody sees to it"),
    (State.ALL, "Open and closed"),
]
_SEVERITIES: Final = [("", "Any"), *((each.value, each.value.capitalize()) for each in reversed(Severity))]
_CATEGORIES: Final = [("", "Any"), *((each.value, each.value.replace("_", " ").capitalize()) for each in AlertCategory)]


_GOES: Final = {
    "REVEAL_LIMIT": "/audit/reveals",
    "ACCESS_REFUSED": "/audit",
    "KEYS_LEFT": "/settings/keys",
}
"""Where to look into an alert, by its condition."""


class Shown(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    state: State = State.OPEN
    severity: Chosen[Severity] = None
    category: Chosen[AlertCategory] = None
    code: Chosen[Annotated[str, Field(max_length=64, pattern=r"^[A-Z0-9_]+$")]] = None
    cursor: Chosen[Annotated[str, Field(max_length=200)]] = None

    def address(self, tenant: str, **changes: object) -> str:
        """This page as it is shown, changed as given; from its first page on, unless the change is another page."""
        shown = Shown.model_validate(self.model_dump() | {"cursor": None} | changes)
        query = urlencode(shown.model_dump(mode="json", exclude_defaults=True))
        return f"/t/{tenant}/alerts{'?' if query else ''}{query}"

    @property
    def filtered(self) -> bool:
        return self.model_dump(exclude={"cursor"}) != Shown().model_dump(exclude={"cursor"})


class Back(Shown):
    """Where the list goes on after something was done about one of its alerts: as it was shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@router.get("")
async def alerts(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    """A page of the alerts that are asked for, the newest first."""
    found = await principal.ask(
        ListAlerts(
            all=shown.state is State.ALL,
            acknowledged={State.UNSEEN: False, State.SEEN: True}.get(shown.state),
            severity=shown.severity,
            category=shown.category,
            code=shown.code,
            limit=_ROWS,
            cursor=shown.cursor,
        )
    )
    return page(
        "alerts.html",
        principal=principal,
        shown=shown,
        found=found,
        goes=_GOES if Scope.AUDIT_READ in principal.allowed else {},
        states=_STATES,
        severities=_SEVERITIES,
        categories=_CATEGORIES,
        named=await actors(
            principal, [who for each in found.alerts for who in (each.acknowledged_by, each.dismissed_by)]
        ),
        zone=await time_zone(request, principal.tenant),
        now=datetime.now(UTC),
    )


@router.post("/{alert_id}/acknowledge")
async def acknowledge(principal: Admitted, alert_id: UUID, back: Annotated[Back, Form()]) -> Response:
    await principal.ask(AcknowledgeAlert(alert_id=alert_id, acknowledged_by=principal.actor))
    return see_other(back.address(principal.tenant, cursor=back.cursor))


@router.post("/{alert_id}/resolve")
async def resolve(principal: Admitted, alert_id: UUID, back: Annotated[Back, Form()]) -> Response:
    """Close an open alert by hand."""
    await principal.ask(DismissAlert(alert_id=alert_id, dismissed_by=principal.actor))
    return see_other(back.address(principal.tenant, cursor=back.cursor))
