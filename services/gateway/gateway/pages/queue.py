"""The queue: what is to leave today and later, why it has not left, and having it not be sent."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.message import ProblemError
from contracts.outreach.accounts import AccountView
from contracts.outreach.activity import ListActivity
from contracts.outreach.sending import ExplainMessage, MessageHistory, SendState, SettleMessage, SkipMessage, SkipReason
from contracts.taxonomy import Channel
from gateway.api.kpis import campaign_names
from gateway.domain_outreach import CHANNELS, GATES, KINDS, SKIP_REASONS, STATES
from gateway.gate import Admitted, Principal, needs
from gateway.pages.called import accounts_of, choices
from gateway.pages.dashboard import time_zone
from gateway.pages.forms import address
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.pages.win_rates import Chosen
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/queue")

WRITES: Final = needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)
"""What whoever changes something needs, beside what everybody here does: names are shown to who may not."""
ROWS_SHOWN: Final = 50
_PATIENCE_SECONDS: Final = 5.0
"""Longer than the overview's: whoever comes here came for this."""
_STATES: Final = [SendState.QUEUED, SendState.CLAIMED, SendState.SENDING]
_OVER: Final = (SendState.SENT, SendState.FAILED, SendState.SKIPPED)


class Day(StrEnum):
    """Which part of the queue is shown."""

    TODAY = "today"
    LATER = "later"
    ALL = "all"


class Shown(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    day: Day = Day.TODAY
    campaign_id: Chosen[UUID] = None
    account_id: Chosen[UUID] = None
    channel: Chosen[Channel] = None
    cursor: Annotated[str, Field(max_length=200)] | None = None

    def address(self, tenant: str, **changes: object) -> str:
        return address(f"/t/{tenant}/queue", self, **changes)

    def skipping(self, tenant: str, message_id: UUID) -> str:
        """Where a message of this page is skipped, from where one comes back to it."""
        return address(f"/t/{tenant}/queue/{message_id}/skip", self, cursor=self.cursor)


class Skip(BaseModel):
    """The form that skips a message."""

    model_config = ConfigDict(extra="forbid")

    reason: SkipReason = SkipReason.BY_HAND


class Settle(BaseModel):
    """The form that says what became of one of which nobody knows."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["sent", "failed", "send_again"]


@router.get("")
async def queue(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, shown, request)


@router.post("", dependencies=REVEALS)
async def with_names(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, shown, request, named=True)


@router.post("/{message_id}/skip", dependencies=[WRITES])
async def skip(
    principal: Admitted,
    message_id: UUID,
    shown: Annotated[Shown, Query()],
    form: Annotated[Skip, Form()],
    request: Request,
) -> Response:
    try:
        await principal.ask(SkipMessage(message_id=message_id, reason=form.reason, actor=principal.actor))
    except ProblemError as error:
        return await _show(principal, shown, request, error)
    return see_other(shown.address(principal.tenant, cursor=shown.cursor))


@router.get("/{message_id}")
async def message(principal: Admitted, message_id: UUID, request: Request) -> Response:
    return await _explain(principal, message_id, request)


@router.post("/{message_id}/give-up", dependencies=[WRITES])
async def give_up(principal: Admitted, message_id: UUID, form: Annotated[Skip, Form()], request: Request) -> Response:
    """Skip a message from its own page."""
    try:
        await principal.ask(SkipMessage(message_id=message_id, reason=form.reason, actor=principal.actor))
    except ProblemError as error:
        return await _explain(principal, message_id, request, error)
    return see_other(f"/t/{principal.tenant}/queue/{message_id}")


@router.post("/{message_id}/settle", dependencies=[WRITES])
async def settle(principal: Admitted, message_id: UUID, form: Annotated[Settle, Form()], request: Request) -> Response:
    """Say what became of a message of which nobody knows."""
    try:
        await principal.ask(SettleMessage(message_id=message_id, outcome=form.outcome, actor=principal.actor))
    except ProblemError as error:
        return await _explain(principal, message_id, request, error)
    return see_other(f"/t/{principal.tenant}/queue/{message_id}")


async def _show(
    principal: Principal, shown: Shown, request: Request, wrong: ProblemError | None = None, *, named: bool = False
) -> Response:
    """The page; only where an account's day is meant is the account looked up before the queue is."""
    zone, now = await time_zone(request, principal.tenant), datetime.now(UTC)
    account = (await accounts_of(principal)).get(shown.account_id) if shown.account_id else None
    asked = ListActivity(
        **shown.model_dump(include={"campaign_id", "account_id", "channel", "cursor"}),
        **_when(shown.day, account, zone, now),
        states=_STATES, order="soonest_first", limit=ROWS_SHOWN,
    )  # fmt: skip
    found, accounts, campaigns = await asyncio.gather(
        panel(principal, asked, _PATIENCE_SECONDS), accounts_of(principal), campaign_names(principal)
    )
    leads = [entry.lead_id for entry in found.reply.entries if entry.lead_id] if found.reply else []
    return page(
        "queue.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, shown=shown, found=found,
        accounts=accounts, account_choices=choices(accounts), campaigns=campaigns, account=account,
        names=await names_of(principal, leads) if named else NOT_ASKED_FOR, zone=account.settings.time_zone if account else zone, now=now, wrong=wrong.problem.message if wrong else "",
        **_WORDS,
    )  # fmt: skip


def _when(day: Day, account: AccountView | None, zone: str, now: datetime) -> dict[str, datetime]:
    """The part of the timeline that is shown: until the day ends by the account's clock, or the tenant's, or from then on."""
    if day is Day.ALL:
        return {}
    ends = account.day_ends_at if account else None
    if ends is None:
        local = ZoneInfo(account.settings.time_zone if account else zone)
        ends = datetime.combine(now.astimezone(local).date() + timedelta(days=1), time(), local).astimezone(UTC)
    return {"until": ends} if day is Day.TODAY else {"since": ends}


async def _explain(
    principal: Principal, message_id: UUID, request: Request, wrong: ProblemError | None = None
) -> Response:
    explained, history, accounts, campaigns, zone = await asyncio.gather(
        principal.ask(ExplainMessage(message_id=message_id)),
        panel(principal, MessageHistory(message_id=message_id)),
        accounts_of(principal),
        campaign_names(principal),
        time_zone(request, principal.tenant),
    )
    return page(
        "message.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, explained=explained,
        message=explained.message, history=history, accounts=accounts, campaigns=campaigns, zone=zone,
        now=datetime.now(UTC), over=explained.message.state in _OVER, names=NOT_ASKED_FOR, wrong=wrong.problem.message if wrong else "",
        **_WORDS,
    )  # fmt: skip


_WORDS: Final[dict[str, Any]] = {
    "kinds": KINDS, "channels": CHANNELS, "gates": GATES, "states": STATES, "skip_reasons": SKIP_REASONS,
}  # fmt: skip
