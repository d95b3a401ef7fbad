"""The activity page: one timeline of what is scheduled and what was sent, with what came back."""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from contracts.outreach.activity import ActivityPage, ListActivity
from contracts.outreach.sending import SendState
from contracts.taxonomy import Channel
from gateway.api.kpis import campaign_names
from gateway.domain_outreach import CHANNELS, GATES, KINDS, STATES, what_came
from gateway.gate import Admitted, Principal
from gateway.pages.called import accounts_of, choices
from gateway.pages.dashboard import time_zone
from gateway.pages.forms import address, invalid
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.panel import Panel, panel
from gateway.pages.win_rates import Chosen
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/outreach/activity")

ROWS_SHOWN: Final = 50
_PATIENCE_SECONDS: Final = 5.0
"""Longer than the overview's: whoever comes here came for this."""


class Which(StrEnum):
    """Which of the entries are shown."""

    ALL = "all"
    SCHEDULED = "scheduled"
    SENT = "sent"
    NOT_SENT = "not_sent"


_STATES: Final = {
    Which.ALL: [],
    Which.SCHEDULED: [SendState.QUEUED, SendState.CLAIMED, SendState.SENDING],
    Which.SENT: [SendState.SENT],
    Which.NOT_SENT: [SendState.FAILED, SendState.SKIPPED, SendState.UNKNOWN],
}


class Shown(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    which: Which = Which.ALL
    campaign_id: Chosen[UUID] = None
    account_id: Chosen[UUID] = None
    lead_id: Chosen[UUID] = None
    channel: Chosen[Channel] = None
    since: Annotated[datetime | None, BeforeValidator(lambda text: text or None)] = None
    """From when on, by the tenant's clock where it names no time zone."""
    until: Annotated[datetime | None, BeforeValidator(lambda text: text or None)] = None
    """Before when."""
    soonest: bool = False
    """Whether the earliest comes first."""
    live: bool = True
    cursor: Annotated[str, Field(max_length=200)] | None = None

    def address(self, tenant: str, **changes: object) -> str:
        return address(f"/t/{tenant}/outreach/activity", self, **changes)

    @property
    def first(self) -> bool:
        return self.cursor is None


@router.get("")
async def activity(
    principal: Admitted, shown: Annotated[Shown, Query()], request: Request, seen: UUID | None = None
) -> Response:
    """The page; no content where the list on it is the one `seen`, as whoever looks at it asks again and again."""
    return await _show(principal, shown, request, seen)


@router.post("", dependencies=REVEALS)
async def with_names(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    """The same with the leads' names; it is not live, for each time they are shown is audited."""
    return await _show(principal, shown.model_copy(update={"live": False}), request, named=True)


async def _show(
    principal: Principal, shown: Shown, request: Request, seen: UUID | None = None, *, named: bool = False
) -> Response:
    zone = await time_zone(request, principal.tenant)
    asked = panel(principal, _asked(shown, zone), _PATIENCE_SECONDS)
    found, accounts, campaigns = await asyncio.gather(asked, accounts_of(principal), campaign_names(principal))
    mark = _mark(found)
    if seen is not None and mark == seen:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    leads = [entry.lead_id for entry in found.reply.entries if entry.lead_id] if named and found.reply else []
    return page(
        "timeline.html", principal=principal, shown=shown, found=found, mark=mark, accounts=accounts, campaigns=campaigns,
        account_choices=choices(accounts), names=await names_of(principal, leads) if named else NOT_ASKED_FOR,
        since=_moment(shown.since, zone), until=_moment(shown.until, zone), zone=zone, now=datetime.now(UTC), kinds=KINDS,
        channels=CHANNELS, gates=GATES, states=STATES, came=what_came,
    )  # fmt: skip


def _asked(shown: Shown, zone: str) -> ListActivity:
    """What is asked of outreach.

    Raises:
        ProblemError: `invalid`, the moments are none of this time, or the wrong way round.
    """
    try:
        return ListActivity(
            **shown.model_dump(include={"campaign_id", "account_id", "lead_id", "channel", "cursor"}),
            states=_STATES[shown.which], since=_moment(shown.since, zone), until=_moment(shown.until, zone),
            order="soonest_first" if shown.soonest else "newest_first", limit=ROWS_SHOWN,
        )  # fmt: skip
    except ValidationError as error:
        raise invalid(error) from None


def _moment(given: datetime | None, zone: str) -> datetime | None:
    return given.replace(tzinfo=ZoneInfo(zone)) if given and given.tzinfo is None else given


_MARKED: Final = UUID("6f2c5c0e-9c0a-4a52-8a53-6d6a1f3c5b11")


def _mark(found: Panel[ActivityPage]) -> UUID | None:
    """What a list is known by: another, whenever anything on it has changed."""
    return uuid5(_MARKED, found.reply.model_dump_json()) if found.reply else None
