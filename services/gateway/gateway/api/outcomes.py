"""Outcomes: what became of leads."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.intake.leads import GetLead
from contracts.message import ProblemCode, ProblemError, Reply
from contracts.message import Request as Ask
from contracts.outcomes import (
    REASON_UNKNOWN,
    BulkPage,
    BulkResults,
    BulkRow,
    BulkVoidResults,
    ChooseLeads,
    ChosenLeads,
    CorrectionResult,
    CorrectOutcome,
    LeadBoard,
    LeadBoardView,
    LeadFilter,
    LeadKeys,
    LeadState,
    LeadStateList,
    LeadStates,
    LeadStateView,
    ListBulks,
    ListLeadKeys,
    MissingOutcomes,
    MissingOutcomesView,
    Outcome,
    OutcomeHistory,
    OutcomeHistoryView,
    OutcomeResult,
    OutcomeResults,
    OutcomeVerdict,
    OutcomeView,
    Reason,
    RecordOutcomesInBulk,
    RecordOutcomesNow,
    Refusal,
    VoidOutcome,
    VoidOutcomesInBulk,
    VoidResult,
)
from contracts.values import Actor, Slug
from gateway.api.idempotency import OptionalKey
from gateway.api.orders import order, sent
from gateway.domain_outcomes import ADVICE
from gateway.gate import Admitted, Principal
from gateway.identity.domain_access import is_admin
from gateway.problems import RefusedError

router = APIRouter(tags=["outcomes"])

R = TypeVar("R", bound=Reply)
_PAUSES: Final = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)

BULK_SECONDS: Final = 60.0


class HistoryQuery(BaseModel):
    """Which page of a lead's history is asked for."""

    limit: Annotated[int, Field(ge=1, le=500)] = 500
    """How many at most."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """The last page's `next_cursor`; the first page, if empty."""
    attribution_now: bool = False
    """Whether the attribution of today is told beside those that were frozen."""


class Choosing(LeadFilter):
    """Which leads are asked for, and which page of them."""

    count: bool = False
    """Whether they are counted, too."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """How many at most."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """The last page's `next_cursor`; the first page, if empty."""


class Voiding(BaseModel):
    """Why an outcome is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason_code: Slug | None = None
    """Why, as one of the tenant's reason codes."""
    reason: Reason | None = None
    """Why, in words; sealed."""
    voided_by: Actor | None = None
    """Who takes it back; the API key, if empty."""


class Correction(BaseModel):
    """What is to stand in an outcome's stead, and why."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    """All that is to stand there; when it happened is when the first did, if empty."""
    reason_code: Slug | None = None
    """Why, as one of the tenant's reason codes."""
    reason: Reason | None = None
    """Why, in words; sealed."""
    recorded_by: Actor | None = None
    """Who corrects it; the API key, if empty."""


class QuickAction(BaseModel):
    """What is to be recorded of leads that miss an outcome."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    """What to record of each; it happened now, if that is left out."""
    lead_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)] | None = None
    """Of which leads; of all that are listed, if left out, which takes no `Idempotency-Key`."""
    recorded_by: Actor | None = None
    """Who acts; the API key, if empty."""


@router.post(
    "/outcomes",
    status_code=HTTPStatus.CREATED,
    responses={200: {"model": OutcomeResults, "description": "Every one was recorded before"}},
)
async def record_outcomes(principal: Admitted, batch: RecordOutcomesNow, response: Response) -> OutcomeResults:
    """Record outcomes of one lead, in the order given.

    201 when one is new, 200 when all were recorded before, 409 with the `refusal` when the sequence rules block one;
    `results` then says which, and the others stand. Without `recorded_by` it is the API key. 403 where whoever gives an
    `override_reason` is no admin.
    """
    must_be_admin(principal, *batch.outcomes)
    named = batch.recorded_by if "recorded_by" in batch.model_fields_set else None
    batch = batch.model_copy(update={"recorded_by": _in_the_name_of(principal, named)})
    recorded = await ask_of_lead(principal, batch, batch.lead.lead_id)
    _refuse(recorded.results)
    if all(result.verdict is OutcomeVerdict.DUPLICATE for result in recorded.results):
        response.status_code = HTTPStatus.OK
    return recorded


@router.post("/outcomes/bulk")
async def record_outcomes_in_bulk(principal: Admitted, bulk: RecordOutcomesInBulk) -> BulkResults:
    """Record one outcome of each of up to 10,000 leads: of `rows`, or of those that `leads` chooses.

    Always 200: each row has its own verdict, and stands whatever becomes of the others. More are imported from a file.
    Without `recorded_by` it is the API key.
    """
    must_be_admin(principal, bulk.outcome)
    named = bulk.recorded_by if "recorded_by" in bulk.model_fields_set else None
    bulk = bulk.model_copy(update={"recorded_by": _in_the_name_of(principal, named)})
    return await principal.ask(bulk, seconds=BULK_SECONDS)


@router.get("/outcomes/bulk")
async def list_bulks(principal: Admitted, query: Annotated[ListBulks, Query()]) -> BulkPage:
    """The bulks that recorded anything, the newest first, a page at a time."""
    return await principal.ask(query)


@router.get("/outcomes/bulk/leads")
async def choose_leads(principal: Admitted, query: Annotated[Choosing, Query()]) -> ChosenLeads:
    """The leads that a bulk with these `leads` would record an outcome of, the newest first, a page at a time, with where they stand."""
    which = LeadFilter(**query.model_dump(include=set(LeadFilter.model_fields)))
    return await principal.ask(ChooseLeads(leads=which, count=query.count, limit=query.limit, cursor=query.cursor))


@router.get("/outcomes/bulk/keys")
async def list_lead_keys(principal: Admitted) -> LeadKeys:
    """The sources, places and partners that leads can be chosen by."""
    return await principal.ask(ListLeadKeys())


@router.post("/outcomes/bulk/void")
async def void_outcomes_in_bulk(
    principal: Admitted, given: Annotated[BaseModel, sent(VoidOutcomesInBulk, "voided_by")]
) -> BulkVoidResults:
    """Have many outcomes count no more: those in `rows`, or all that a bulk recorded, by its `bulk_id`.

    Always 200: each has its own verdict, and stands whatever becomes of the others.
    """
    return await principal.ask(order(VoidOutcomesInBulk, given, voided_by=principal.actor), seconds=BULK_SECONDS)


@router.post("/leads/{lead_id}/outcomes/{outcome_id}/void")
async def void_outcome(principal: Admitted, lead_id: UUID, outcome_id: UUID, voiding: Voiding) -> VoidResult:
    """Have an outcome count no more, as if it had never happened; it stays in the history. `already`, if it was voided before."""
    why = voiding.model_dump() | {"voided_by": _in_the_name_of(principal, voiding.voided_by, "voided_by")}
    return await principal.ask(VoidOutcome(lead_id=lead_id, outcome_id=outcome_id, **why))


@router.post(
    "/leads/{lead_id}/outcomes/{outcome_id}/correction",
    status_code=HTTPStatus.CREATED,
    responses={200: {"model": CorrectionResult, "description": "It was corrected so before"}},
)
async def correct_outcome(
    principal: Admitted, lead_id: UUID, outcome_id: UUID, correction: Correction, response: Response
) -> CorrectionResult:
    """Void an outcome and record another in its stead, both or neither.

    409 with the `refusal` when the sequence rules block the other, and when the first was voided for something else. 403 where whoever
    gives an `override_reason` is no admin.
    """
    must_be_admin(principal, correction.outcome)
    by = _in_the_name_of(principal, correction.recorded_by)
    why = correction.model_dump(exclude={"outcome"}) | {"recorded_by": by}
    corrected = await principal.ask(
        CorrectOutcome(lead_id=lead_id, outcome_id=outcome_id, outcome=correction.outcome, **why)
    )
    _refuse_one(corrected.result, "outcome", [corrected.result])
    if corrected.result.verdict is OutcomeVerdict.DUPLICATE:
        response.status_code = HTTPStatus.OK
    return corrected


@router.get("/leads/{lead_id}/outcomes")
async def list_outcomes(
    principal: Admitted, lead_id: UUID, query: Annotated[HistoryQuery, Query()]
) -> OutcomeHistoryView:
    """A lead's outcomes by `occurred_at`, then as recorded, and before them what waits to be; a page at a time.

    What was written about them is shown to who records outcomes, and left out for who only reads.
    """
    history = await ask_of_lead(principal, OutcomeHistory(lead_id=lead_id, **query.model_dump()), lead_id)
    return as_may_be_read(principal, history)


@router.get("/leads/{lead_id}/state")
async def get_lead_state(principal: Admitted, lead_id: UUID) -> LeadStateView:
    """Where a lead stands, by its outcomes."""
    return await ask_of_lead(principal, LeadState(lead_id=lead_id), lead_id)


@router.get("/lead-states")
async def list_lead_states(principal: Admitted, query: Annotated[LeadStates, Query()]) -> LeadStateList:
    """Where some leads stand, by their outcomes; a lead that the tenant has not is left out."""
    return await principal.ask(query)


@router.get("/lead-board")
async def get_lead_board(principal: Admitted, query: Annotated[LeadBoard, Query()]) -> LeadBoardView:
    """How many leads stand at each stage, and the first of each; or one column, a page at a time."""
    return await principal.ask(query)


@router.get("/missing-outcomes")
async def missing_outcomes(principal: Admitted) -> MissingOutcomesView:
    """Leads that should have an outcome by now, the stalest first."""
    return await principal.ask(MissingOutcomes())


@router.post("/missing-outcomes/outcomes")
async def record_missing_outcomes(principal: Admitted, action: QuickAction, key: OptionalKey) -> BulkResults:
    """Record one outcome of each of the leads that should have one by now, or of some of them; as `/outcomes/bulk` does.

    With an `Idempotency-Key` it takes `lead_ids`: those that are listed are others once some were recorded.
    """
    if key and action.lead_ids is None:
        what = "name the leads (`GET /missing-outcomes` lists them): sent again, the same leads would not be meant"
        raise RequestValidationError([{"type": "value_error", "loc": ("body", "lead_ids"), "msg": what}])
    outcome = action.outcome
    must_be_admin(principal, outcome)
    by = _in_the_name_of(principal, action.recorded_by)
    if outcome.occurred_at is None:  # when the lead was created says nothing of one that has been quiet since
        outcome = outcome.model_copy(update={"occurred_at": key.came_at if key else datetime.now(UTC)})
    leads = action.lead_ids or [lead.lead_id for lead in (await principal.ask(MissingOutcomes())).leads]
    if not leads:
        return BulkResults(counts={}, verdicts=[])
    rows = [BulkRow(lead_id=lead_id) for lead_id in leads]
    bulk = RecordOutcomesInBulk(outcome=outcome, rows=rows, recorded_by=by)
    done = await principal.ask(bulk, seconds=BULK_SECONDS)
    return done.model_copy(update={"lead_ids": leads})


def as_may_be_read(principal: Principal, history: OutcomeHistoryView) -> OutcomeHistoryView:
    """The history without what was written in words, which is about persons, unless whoever reads it records outcomes, too."""
    if Scope.OUTCOMES_WRITE in principal.allowed:
        return history
    return history.model_copy(update={"outcomes": [_without_words(outcome) for outcome in history.outcomes]})


def _without_words(outcome: OutcomeView) -> OutcomeView:
    void = outcome.void and outcome.void.model_copy(update={"reason": None})
    return outcome.model_copy(update={"notes": None, "override_reason": None, "void": void})


def must_be_admin(principal: Principal, *outcomes: Outcome | None) -> None:
    """Let nobody but an admin record what the sequence rules block.

    Raises:
        ProblemError: `forbidden`.
    """
    if any(outcome and outcome.override_reason for outcome in outcomes) and not is_admin(principal.allowed):
        raise ProblemError(
            ProblemCode.FORBIDDEN, "only an admin records what the sequence rules block: leave override_reason out, or ask one",
            "override_reason",
        )  # fmt: skip


def _in_the_name_of(principal: Principal, named: Actor | None, field: str = "recorded_by") -> Actor:
    """In whose name something is recorded: one's own, unless an API key says in whose.

    Raises:
        ProblemError: `forbidden`.
    """
    if named not in (None, principal.actor) and principal.role is not None:
        raise ProblemError(
            ProblemCode.FORBIDDEN, "people record in their own name; only an API key names another", field
        )
    return named or principal.actor


async def ask_of_lead(principal: Principal, request: Ask[R], lead_id: UUID | None) -> R:
    """Ask outcomes about a lead, which it can hear of a moment after intake has answered for it.

    A lead it does not know is asked for again for a second or two, unless intake does not know it either.
    """
    for pause in _PAUSES:
        try:
            return await principal.ask(request)
        except ProblemError as error:
            if error.problem.code is not ProblemCode.NOT_FOUND:
                raise
        if lead_id:
            await principal.ask(GetLead(lead_id=lead_id))
        await asyncio.sleep(pause)
    return await principal.ask(request)


def _refuse(results: Sequence[OutcomeResult]) -> None:
    """Raise the first refusal there is among the verdicts, with all of them."""
    for number, result in enumerate(results):
        _refuse_one(result, f"outcomes.{number}", results)


def _refuse_one(result: OutcomeResult, place: str, results: Sequence[OutcomeResult]) -> None:
    why = result.refusal or result.refused_for
    if why is None:
        return
    wrong = {Refusal.IN_FUTURE: ".occurred_at", REASON_UNKNOWN: ".reason_code"}.get(why)
    raise RefusedError(
        HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.CONFLICT,
        f"{place} was not recorded: {ADVICE[why]}",
        field=place + (wrong or ""),
        refusal=result.refusal,
        results=results,
    )
