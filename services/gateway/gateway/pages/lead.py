"""One lead: all that happened to it, what became of it, whose it is and why, and what was and will be sent to it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData

from contracts.aggregator.events import ListEvents
from contracts.gateway.access import Scope
from contracts.intake.distribution import ClaimLead, CompleteWork, UnassignLead
from contracts.intake.leads import GetLead
from contracts.intake.privacy import Revealed, RevealPii
from contracts.intake.routing import DecisionView, GetLeadDecisions, GetLeadStatus
from contracts.message import ProblemCode, ProblemError, Reply
from contracts.message import Request as Ask
from contracts.outcomes import (
    CorrectOutcome,
    LeadState,
    Outcome,
    OutcomeHistory,
    OutcomeHistoryView,
    OutcomeResult,
    OutcomeVerdict,
    OutcomeView,
    Reason,
    RecordOutcomesNow,
    Value,
    VoidOutcome,
)
from contracts.outreach.people import GetContact
from contracts.outreach.sending import ExplainMessage, Explanation, LeadMessages, LeadMessagesView, SendState
from contracts.taxonomy import OutcomeType, Purpose
from contracts.values import NO_NUL, Currency, LeadRef
from gateway.api.kpis import campaign_names
from gateway.api.outcomes import as_may_be_read, ask_of_lead, must_be_admin
from gateway.domain_activity import tell
from gateway.domain_lead import BY, NOT_RECORDED, ODD, PURPOSES, Reasons, reasons
from gateway.gate import Admitted, Principal, needs
from gateway.identity.domain_access import is_admin
from gateway.limits import Kind, limited
from gateway.pages.actors import actors
from gateway.pages.dashboard import settings_of, time_zone
from gateway.pages.filled_in import RIGHT, Chosen, Filled, TypedCode, Wrong, WrongError, read, typed, wrong_with
from gateway.pages.names import REVEALS
from gateway.pages.numbers import BODY_SHOWN
from gateway.pages.panel import PATIENCE_SECONDS, Panel, panel
from gateway.pages.sign_in import see_other
from gateway.rendering import field as as_field
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/leads/{lead_id}")

EVENTS_SHOWN: Final = 25
OUTCOMES_SHOWN: Final = 40
DECISIONS_SHOWN: Final = 10
MESSAGES_SHOWN: Final = 20
NOTE_SHOWN: Final = 240
"""Characters of what somebody wrote; so few that a page of outcomes stays small whatever was written (docs/architecture.md)."""
EXPLAINED: Final = 5
"""Of how many messages that have not left it is asked why."""
_RECORDS: Final = (needs(Scope.OUTCOMES_READ, Scope.OUTCOMES_WRITE), limited(Kind.PAGES, Kind.SUBMITTING))
"""What a route that records outcomes needs, beside what its router does, and of which kind it is."""
_NOT_LEFT: Final = (SendState.QUEUED, SendState.CLAIMED)

R = TypeVar("R", bound=Reply)
Cursor = Chosen[Annotated[str, Field(max_length=200)]]


TypedCurrency = Annotated[Currency | None, BeforeValidator(lambda text: text.strip().upper() or None)]


class Opened(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    cursor: Cursor = None
    """Where the page of events begins."""
    outcomes: Cursor = None
    """Where the page of outcomes begins."""
    recorded: UUID | None = None
    """The outcome that was just recorded."""
    again: bool = False
    """It had been recorded before."""
    whole: UUID | None = None
    """The outcome or event of which all is shown; of others the beginning, where they are long."""
    correct: UUID | None = None
    """The outcome in whose stead another is to be recorded."""


class OutcomeForm(BaseModel):
    """The form that records an outcome."""

    model_config = ConfigDict(extra="forbid")

    type: OutcomeType
    occurred_at: datetime
    """By the tenant's clock, where it names no time zone."""
    value: Chosen[Value] = None
    currency: TypedCurrency = None
    reason_code: TypedCode = None
    notes: Chosen[Annotated[str, Field(max_length=20_000, pattern=NO_NUL)]] = None
    override_reason: Chosen[Reason] = None

    def outcome(self, zone: str) -> Outcome:
        """What is to be recorded.

        Raises:
            WrongError: it happened at no time of ours.
        """
        at = self.occurred_at
        try:
            moment = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            said = self.model_dump(include={"type", "value", "currency", "reason_code", "notes", "override_reason"})
            return Outcome(**said, occurred_at=moment)
        except (ValidationError, OverflowError):
            raise WrongError("occurred_at", "name a moment since 1900 at which it happened") from None


class Why(BaseModel):
    """Why an outcome is taken back."""

    why_code: TypedCode = None
    why: Chosen[Reason] = None


class VoidForm(Why):
    """The form that takes an outcome back."""

    model_config = ConfigDict(extra="forbid")


class CorrectionForm(OutcomeForm, Why):
    """The form that records another in its stead."""


class ClaimForm(BaseModel):
    """The form that takes a lead; of one that is in no workspace yet it can say in which."""

    model_config = ConfigDict(extra="forbid")

    workspace: TypedCode = None


class RevealForm(BaseModel):
    """The form that shows who the person is."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page says beside what it always does, when it answers an order.

    Attributes:
        about: the part of the page that it is about.
        typed: what was filled in there.
        outcome_id: the outcome that was to be taken back, or in whose stead another was to be recorded.
        blocked: the outcome was blocked by the sequence rules.
    """

    about: str = ""
    wrong: Wrong = RIGHT
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    outcome_id: UUID | None = None
    blocked: bool = False
    revealed: Revealed | None = None
    purpose: Purpose | None = None


_AS_IT_IS: Final = Opened()
_NO_ORDER: Final = Answer()


@router.get("")
async def lead(request: Request, principal: Admitted, lead_id: UUID, opened: Annotated[Opened, Query()]) -> Response:
    return await _show(request, principal, lead_id, opened)


@router.post("/outcomes", dependencies=_RECORDS)
async def record_outcome(request: Request, principal: Admitted, lead_id: UUID, form: Filled) -> Response:
    """Record an outcome; what is odd about it is shown with it, what blocks it with the form."""
    try:
        outcome = read(OutcomeForm, form).outcome(await time_zone(request, principal.tenant))
        must_be_admin(principal, outcome)
        order = RecordOutcomesNow(lead=LeadRef(lead_id=lead_id), outcomes=[outcome], recorded_by=principal.actor)
        (result,) = (await ask_of_lead(principal, order, lead_id)).results
    except (WrongError, ProblemError) as error:
        return await _show(request, principal, lead_id, answer=Answer("record", wrong_with(error), typed(form)))
    return await _recorded(request, principal, lead_id, result, form)


@router.post("/outcomes/{outcome_id}/correct", dependencies=_RECORDS)
async def correct_lead_outcome(
    request: Request, principal: Admitted, lead_id: UUID, outcome_id: UUID, form: Filled
) -> Response:
    """Record another outcome in one's stead, both or neither."""
    try:
        given = read(CorrectionForm, form)
        outcome = given.outcome(await time_zone(request, principal.tenant))
        must_be_admin(principal, outcome)
        order = CorrectOutcome(
            lead_id=lead_id, outcome_id=outcome_id, outcome=outcome, reason_code=given.why_code, reason=given.why,
            recorded_by=principal.actor,
        )  # fmt: skip
        result = (await principal.ask(order)).result
    except (WrongError, ProblemError) as error:
        answer = Answer("record", wrong_with(error), typed(form), outcome_id)
        return await _show(request, principal, lead_id, answer=answer)
    return await _recorded(request, principal, lead_id, result, form, outcome_id)


@router.post("/outcomes/{outcome_id}/void", dependencies=_RECORDS)
async def void_lead_outcome(
    request: Request, principal: Admitted, lead_id: UUID, outcome_id: UUID, form: Filled
) -> Response:
    """Have an outcome count no more; it stays in the history."""
    try:
        given = read(VoidForm, form)
        order = VoidOutcome(
            lead_id=lead_id,
            outcome_id=outcome_id,
            reason_code=given.why_code,
            reason=given.why,
            voided_by=principal.actor,
        )
        await principal.ask(order)
    except (WrongError, ProblemError) as error:
        answer = Answer("outcomes", wrong_with(error), typed(form), outcome_id)
        return await _show(request, principal, lead_id, answer=answer)
    return see_other(f"{_address(principal, lead_id)}#outcomes")


@router.post("/claim", dependencies=[needs(Scope.LEADS_READ, Scope.WORK_WRITE)])
async def claim(request: Request, principal: Admitted, lead_id: UUID, form: Filled) -> Response:
    """Take a lead that waits; of several who try at once one gets it."""
    try:
        order = ClaimLead(lead_id=lead_id, user_id=principal.actor, workspace=read(ClaimForm, form).workspace)
        await principal.ask(order)
    except (WrongError, ProblemError) as error:
        return await _show(request, principal, lead_id, answer=Answer("work", wrong_with(error), typed(form)))
    return see_other(f"{_address(principal, lead_id)}#work")


@router.post("/complete", dependencies=[needs(Scope.LEADS_READ, Scope.WORK_WRITE)])
async def complete(request: Request, principal: Admitted, lead_id: UUID) -> Response:
    """Be done with a lead."""
    return await _order(request, principal, lead_id, CompleteWork(lead_id=lead_id, actor=principal.actor))


@router.post("/release", dependencies=[needs(Scope.LEADS_READ, Scope.ROUTING_WRITE)])
async def release(request: Request, principal: Admitted, lead_id: UUID) -> Response:
    """Put a lead that somebody owns back into its workspace's queue."""
    return await _order(request, principal, lead_id, UnassignLead(lead_id=lead_id, actor=principal.actor))


@router.post("/reveal", dependencies=REVEALS)
async def reveal(request: Request, principal: Admitted, lead_id: UUID, form: Annotated[RevealForm, Form()]) -> Response:
    """Show once who the person is; the audit has who saw it, and what for."""
    try:
        order = RevealPii(lead_ids=[lead_id], purpose=form.purpose, on_behalf_of=principal.on_behalf_of())
        (revealed,) = (await principal.ask(order)).leads
    except ProblemError as error:
        return await _show(
            request, principal, lead_id, answer=Answer("person", wrong_with(error), purpose=form.purpose)
        )
    return await _show(request, principal, lead_id, answer=Answer(revealed=revealed, purpose=form.purpose))


async def _order(request: Request, principal: Principal, lead_id: UUID, order: Ask[Any]) -> Response:
    try:
        await principal.ask(order)
    except ProblemError as error:
        return await _show(request, principal, lead_id, answer=Answer("work", wrong_with(error)))
    return see_other(f"{_address(principal, lead_id)}#work")


async def _recorded(
    request: Request,
    principal: Principal,
    lead_id: UUID,
    result: OutcomeResult,
    form: FormData,
    correcting: UUID | None = None,
) -> Response:
    """The answer to what became of an outcome: the page on which it stands, or the form with what was wrong."""
    why, blocked = result.refusal or result.refused_for, result.verdict is OutcomeVerdict.BLOCKED
    if why is not None:
        wrong = Wrong(NOT_RECORDED[why], status=HTTPStatus.CONFLICT if blocked else HTTPStatus.BAD_REQUEST)
    elif result.voided:
        text = "the same was recorded for this moment and taken back; give the moment more exactly"
        wrong = Wrong(text, status=HTTPStatus.CONFLICT)
    else:
        wrong = RIGHT
    if wrong.text:
        answer = Answer("record", wrong, typed(form), correcting, blocked)
        return await _show(request, principal, lead_id, answer=answer)
    again = "&again=true" if result.verdict is OutcomeVerdict.DUPLICATE else ""
    return see_other(f"{_address(principal, lead_id)}?recorded={result.outcome_id}{again}#outcomes")


async def _show(
    request: Request, principal: Principal, lead_id: UUID, opened: Opened = _AS_IT_IS, answer: Answer = _NO_ORDER
) -> Response:
    """The whole page; each part is asked for at the same time, and may be missing without the others."""
    found = await principal.ask(GetLead(lead_id=lead_id))
    ask = _Asking(principal)
    (settings, state, history, status), (decisions, events, messages, contact) = await asyncio.gather(
        asyncio.gather(
            settings_of(request.app.state.service, principal.tenant),
            ask.part(Scope.OUTCOMES_READ, LeadState(lead_id=lead_id)),
            ask.part(
                Scope.OUTCOMES_READ,
                OutcomeHistory(lead_id=lead_id, limit=OUTCOMES_SHOWN, cursor=opened.outcomes, attribution_now=True),
            ),
            ask.part(Scope.LEADS_READ, GetLeadStatus(lead_id=lead_id)),
        ),
        asyncio.gather(
            ask.part(Scope.ROUTING_READ, GetLeadDecisions(lead_id=lead_id, limit=DECISIONS_SHOWN)),
            ask.part(Scope.NUMBERS_READ, ListEvents(lead_id=lead_id, limit=EVENTS_SHOWN, cursor=opened.cursor)),
            ask.part(Scope.OUTREACH_READ, LeadMessages(lead_id=lead_id, limit=MESSAGES_SHOWN)),
            ask.part(Scope.OUTREACH_READ, GetContact(lead_id=lead_id)),
        ),
    )
    if history.reply:
        history = replace(history, reply=as_may_be_read(principal, history.reply))
    whys = [(each, reasons(each)) for each in decisions.reply.decisions] if decisions.reply else []
    acted = [status.reply.owner if status.reply else None, *_recorded_by(history), *_decided_on(whys)]
    explanations, campaigns, called = await asyncio.gather(
        _explained(principal, messages), _campaigns(principal, messages), actors(principal, acted)
    )
    correcting = _correctable(history, answer.outcome_id if answer.about == "record" else opened.correct)
    return page(
        "lead.html",
        answer.wrong.status,
        principal=principal,
        address=_address(principal, lead_id),
        opened=opened,
        noted=NOTE_SHOWN,
        told=BODY_SHOWN,
        answer=answer,
        lead=found,
        state=state,
        history=history,
        correcting=correcting,
        filled=answer.typed if answer.about == "record" else _begun(correcting, settings.time_zone),
        work=status,
        decisions=whys,
        called=called,
        routing=decisions,
        events=events,
        lines=[(event, tell(event)) for event in events.reply.events] if events.reply else [],
        messages=messages,
        explanations=explanations,
        campaigns=campaigns,
        contact=contact,
        types=[(each.value, each.value.replace("_", " ").capitalize()) for each in OutcomeType],
        purposes=[(purpose.value, text) for purpose, text in PURPOSES.items()],
        may_override=is_admin(principal.allowed),
        odd=ODD,
        by=BY,
        settings=settings,
        zone=settings.time_zone,
        now=datetime.now(UTC),
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    principal: Principal

    async def part(self, scope: Scope, request: Ask[R]) -> Panel[R]:
        """A part of the page, for whom it is."""
        if scope not in self.principal.allowed:
            return Panel(None, f"this needs `{scope}`", passes=False)
        found = await panel(self.principal, request, PATIENCE_SECONDS)
        if found.code is ProblemCode.NOT_FOUND:  # intake has the lead, so all others are about to hear of it
            return Panel(None, "this lead has only just come, and has not been heard of there yet")
        return found


async def _explained(principal: Principal, messages: Panel[LeadMessagesView]) -> dict[UUID, Panel[Explanation]]:
    """Why the first messages that have not left have not."""
    waiting = [each.message_id for each in messages.reply.messages if each.state in _NOT_LEFT] if messages.reply else []
    found = [panel(principal, ExplainMessage(message_id=id_)) for id_ in waiting[:EXPLAINED]]
    return dict(zip(waiting, await asyncio.gather(*found), strict=False))


async def _campaigns(principal: Principal, messages: Panel[LeadMessagesView]) -> dict[UUID, str]:
    return await campaign_names(principal) if messages.reply and messages.reply.messages else {}


def _recorded_by(history: Panel[OutcomeHistoryView]) -> Iterator[str]:
    """Who recorded outcomes, and who took them back."""
    for each in history.reply.outcomes if history.reply else ():
        yield each.recorded_by
        if each.void:
            yield each.void.voided_by


def _decided_on(whys: Sequence[tuple[DecisionView, Reasons]]) -> Iterator[str]:
    """Whoever is named in decisions: who decided, and whom it was decided on."""
    for _, why in whys:
        yield from (agent for agent, _ in why.agents)
        yield from (value for name, value in why.facts if name in BY)


def _correctable(history: Panel[OutcomeHistoryView], outcome_id: UUID | None) -> OutcomeView | None:
    """The outcome that is to be corrected, where it is shown and stands."""
    shown = history.reply.outcomes if history.reply else []
    return next((each for each in shown if each.outcome_id == outcome_id and each.void is None), None)


def _begun(correcting: OutcomeView | None, zone: str) -> dict[str, str]:
    """What the form for an outcome begins with: what it is to correct, or a contact now."""
    if correcting is None:
        return {"type": OutcomeType.CONTACTED.value, "occurred_at": as_field(datetime.now(UTC), zone)}
    said = {name: getattr(correcting, name) for name in ("type", "value", "currency", "reason_code", "notes")}
    known = {name: str(value) for name, value in said.items() if value is not None}
    return known | {"occurred_at": as_field(correcting.occurred_at, zone)}


def _address(principal: Principal, lead_id: UUID) -> str:
    return f"/t/{principal.tenant}/leads/{lead_id}"
