"""The inbox: replies that somebody has to see to, what they seem to say, and what is done about them."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.intake.privacy import MOST_REVEALED, RevealState
from contracts.intake.texts import RevealTexts
from contracts.message import ProblemCode, ProblemError
from contracts.message import Request as Ask
from contracts.outreach.people import Suppress, SuppressionReason
from contracts.outreach.replies import ClassifyReply, HandleReply, ListReplies, StopAfterReply
from contracts.taxonomy import Purpose, ReplyClass
from gateway.api.kpis import campaign_names
from gateway.domain_lead import PURPOSES
from gateway.gate import Admitted, Principal, needs
from gateway.limits import Kind, limited
from gateway.pages.dashboard import time_zone
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.problems import STATUS
from gateway.rendering import option, page

router = APIRouter(prefix="/t/{tenant}/inbox")

ROWS_SHOWN: Final = 25
_PATIENCE_SECONDS: Final = 5.0
CLASSES: Final = [option(value.value) for value in ReplyClass]


class Which(StrEnum):
    """Which replies are shown."""

    OPEN = "open"
    """Those that somebody has to see to."""
    ALL = "all"


class Shown(BaseModel):
    """What the address of the page says about what it shows; every form of the page brings it back."""

    model_config = ConfigDict(frozen=True)

    show: Which = Which.OPEN
    cursor: Annotated[Annotated[str, Field(max_length=200)] | None, BeforeValidator(lambda text: text or None)] = None

    def address(self, tenant: str, **changes: object) -> str:
        values = self.model_dump(mode="json", include=set(Shown.model_fields)) | changes
        query = urlencode({name: value for name, value in values.items() if value and value != Which.OPEN})
        return f"/t/{tenant}/inbox" + (f"?{query}" if query else "")


class Back(Shown):
    """A form that says nothing else."""

    model_config = ConfigDict(extra="forbid")


class Reveal(Back):
    """The form that shows what replies say."""

    reply_ids: Annotated[list[UUID], Field(max_length=MOST_REVEALED)] = []
    purpose: Purpose = Purpose.WORK_LEAD


class Classify(Back):
    """The form that says what a reply says."""

    reply_class: ReplyClass
    returns_on: str = ""
    """Of an out of office the day the person is back."""


_NOTHING: Final[Mapping[UUID, Classify]] = {}


class SuppressForm(Back):
    """The form that has a person not be contacted any more."""

    lead_id: UUID


@router.get("")
async def inbox(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, request, shown)


@router.post("", dependencies=REVEALS)
async def inbox_by_name(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    """The same page, with what its leads are called."""
    return await _show(principal, request, shown, named=True)


@router.post("/reveal", dependencies=REVEALS)
async def reveal_words(principal: Admitted, form: Annotated[Reveal, Form()], request: Request) -> Response:
    """Show what replies say, this once: each is audited with the purpose, and nothing keeps the words."""
    try:
        if not form.reply_ids:
            raise ProblemError(ProblemCode.INVALID, "no reply was ticked: tick those to read")
        order = RevealTexts(text_ids=form.reply_ids, purpose=form.purpose, on_behalf_of=principal.on_behalf_of())
        found = await principal.ask(order)
    except ProblemError as error:
        return await _show(principal, request, form, error)
    gone = {RevealState.DEFERRED: "Too long to be shown with the others: show it alone."}
    words = {
        text.text_id: (text.text, "") if text.text is not None else ("", gone.get(text.state, "Nothing is left of it."))
        for text in found.texts
    }
    return await _show(principal, request, form, words=words)


@router.post("/{reply_id}/classify")
async def classify_reply(
    principal: Admitted, reply_id: UUID, form: Annotated[Classify, Form()], request: Request
) -> Response:
    """Say what a reply says; it is acted on."""
    try:
        away = form.reply_class is ReplyClass.OUT_OF_OFFICE and form.returns_on
        returns_on = date.fromisoformat(form.returns_on) if away else None
    except ValueError:
        wrong = ProblemError(
            ProblemCode.INVALID, "the day they are back is none: write one like 2026-11-30", "returns_on"
        )
        return await _show(principal, request, form, wrong, typed={reply_id: form})
    order = ClassifyReply(reply_id=reply_id, reply_class=form.reply_class, returns_on=returns_on, actor=principal.actor)
    return await _done(principal, request, form, order)


@router.post("/{reply_id}/handled")
async def handle_reply(
    principal: Admitted, reply_id: UUID, form: Annotated[Back, Form()], request: Request
) -> Response:
    """Say that nothing is left to be done about a reply."""
    return await _done(principal, request, form, HandleReply(reply_id=reply_id, actor=principal.actor))


@router.post("/{reply_id}/stop")
async def stop_sequence(
    principal: Admitted, reply_id: UUID, form: Annotated[Back, Form()], request: Request
) -> Response:
    """Have the person be sent nothing more of the sequence they are in."""
    return await _done(principal, request, form, StopAfterReply(reply_id=reply_id, actor=principal.actor))


@router.post("/suppress", dependencies=[needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.INCOMING)])
async def suppress_person(principal: Admitted, form: Annotated[SuppressForm, Form()], request: Request) -> Response:
    """Have the person not be contacted any more, by whatever lead, campaign or channel."""
    order = Suppress(lead_id=form.lead_id, reason=SuppressionReason.REQUEST, actor=principal.actor)
    return await _done(principal, request, form, order)


async def _done(principal: Principal, request: Request, form: Shown, order: Ask[Any]) -> Response:
    try:
        await principal.ask(order)
    except ProblemError as error:
        return await _show(principal, request, form, error)
    return see_other(form.address(principal.tenant))


async def _show(
    principal: Principal,
    request: Request,
    shown: Shown,
    wrong: ProblemError | None = None,
    *,
    words: dict[UUID, tuple[str, str]] | None = None,
    typed: Mapping[UUID, Classify] = _NOTHING,
    named: bool = False,
) -> Response:
    is_open = shown.show is Which.OPEN
    ask = ListReplies(needs_person=is_open, limit=ROWS_SHOWN, cursor=shown.cursor)
    replies, campaigns, zone = await asyncio.gather(
        panel(principal, ask, _PATIENCE_SECONDS), campaign_names(principal), time_zone(request, principal.tenant)
    )
    leads = [reply.lead_id for reply in replies.reply.replies] if replies.reply else []
    return page(
        "inbox.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, shown=shown,
        replies=replies, campaigns=campaigns, words=words or {}, typed=typed,
        names=await names_of(principal, leads) if named else NOT_ASKED_FOR, wrong=wrong.problem.message if wrong else "",
        classes=CLASSES, purposes=list(PURPOSES.items()), may_work=Scope.WORK_WRITE in principal.allowed,
        may_reveal=Scope.PERSONAL_READ in principal.allowed and principal.role is not None,
        may_suppress=Scope.OUTREACH_WRITE in principal.allowed, zone=zone, now=datetime.now(UTC),
    )  # fmt: skip
