"""Outcomes: what became of leads."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from contracts.intake.leads import GetLead
from contracts.message import ProblemCode, ProblemError, Reply
from contracts.message import Request as Ask
from contracts.outcomes import (
    LeadState,
    LeadStateView,
    MissingOutcomes,
    MissingOutcomesView,
    OutcomeHistory,
    OutcomeHistoryView,
    OutcomeResult,
    OutcomeResults,
    OutcomeVerdict,
    RecordOutcomesNow,
    Refusal,
)
from gateway.gate import Admitted, Principal
from gateway.problems import RefusedError

router = APIRouter(tags=["outcomes"])

R = TypeVar("R", bound=Reply)
_PAUSES: Final = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)

_ADVICE: Final = {
    Refusal.WON_AFTER_LOST: "the lead was lost already; give an override_reason if it was won all the same",
    Refusal.LOST_AFTER_WON: "the lead was won already; give an override_reason if it was lost all the same",
    Refusal.IN_FUTURE: "occurred_at lies in the future; record what has happened",
    Refusal.LEAD_REJECTED: "the lead was rejected when it was submitted; submit it again, corrected",
    Refusal.LEAD_UNKNOWN: "no such lead has come; submit it first",
}


class HistoryQuery(BaseModel):
    """Which page of a lead's history is asked for."""

    limit: Annotated[int, Field(ge=1, le=500)] = 500
    """How many at most."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """The last page's `next_cursor`; the first page, if empty."""


@router.post(
    "/outcomes",
    status_code=HTTPStatus.CREATED,
    responses={200: {"model": OutcomeResults, "description": "Every one was recorded before"}},
)
async def record_outcomes(principal: Admitted, batch: RecordOutcomesNow, response: Response) -> OutcomeResults:
    """Record outcomes of one lead, in the order given.

    201 when one is new, 200 when all were recorded before, 409 with the `refusal` when the sequence rules block one;
    `results` then says which, and the others stand. Without `recorded_by` it is the API key.
    """
    if "recorded_by" not in batch.model_fields_set:
        batch = batch.model_copy(update={"recorded_by": principal.actor})
    recorded = await _ask_of_lead(principal, batch, batch.lead.lead_id)
    _refuse(recorded.results)
    if all(result.verdict is OutcomeVerdict.DUPLICATE for result in recorded.results):
        response.status_code = HTTPStatus.OK
    return recorded


@router.get("/leads/{lead_id}/outcomes")
async def list_outcomes(
    principal: Admitted, lead_id: UUID, query: Annotated[HistoryQuery, Query()]
) -> OutcomeHistoryView:
    """A lead's outcomes by `occurred_at`, then as recorded, and before them what waits to be; a page at a time."""
    return await _ask_of_lead(principal, OutcomeHistory(lead_id=lead_id, **query.model_dump()), lead_id)


@router.get("/leads/{lead_id}/state")
async def get_lead_state(principal: Admitted, lead_id: UUID) -> LeadStateView:
    """Where a lead stands, by its outcomes."""
    return await _ask_of_lead(principal, LeadState(lead_id=lead_id), lead_id)


@router.get("/missing-outcomes")
async def missing_outcomes(principal: Admitted) -> MissingOutcomesView:
    """Leads that should have an outcome by now, the stalest first."""
    return await principal.ask(MissingOutcomes())


async def _ask_of_lead(principal: Principal, request: Ask[R], lead_id: UUID | None) -> R:
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
        if result.refusal is not None:
            invalid = result.refusal is Refusal.IN_FUTURE
            raise RefusedError(
                HTTPStatus.BAD_REQUEST if invalid else HTTPStatus.CONFLICT,
                f"outcomes.{number} was not recorded: {_ADVICE[result.refusal]}",
                field=f"outcomes.{number}.occurred_at" if invalid else f"outcomes.{number}",
                refusal=result.refusal,
                results=results,
            )
