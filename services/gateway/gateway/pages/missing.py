"""Leads that should have an outcome by now: one click records it, of one lead or of those that were ticked."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import BulkRow, MissingOutcomes, Outcome, OutcomeVerdict, RecordOutcomesInBulk
from contracts.taxonomy import OutcomeType
from gateway.api.outcomes import BULK_SECONDS
from gateway.domain_outcomes import judged
from gateway.gate import Admitted, Principal
from gateway.pages.bulk import Done
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import wrong_with
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.once import once
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/outcomes/missing")

_PATIENCE_SECONDS: Final = 5.0
_MOST: Final = 100
"""Leads that outcomes lists at most."""
ROWS_SHOWN: Final = 50
"""With a button for each outcome a row weighs 1.4 kB: all that are listed would weigh more than a page may."""
QUICK: Final = [
    (type_.value, name)
    for type_, name in (
        (OutcomeType.CONTACTED, "Contacted"), (OutcomeType.APPOINTMENT_SET, "Appointment"), (OutcomeType.CLOSED_LOST, "Lost"),
        (OutcomeType.INVALID, "Invalid"),
    )
]  # fmt: skip
"""What is recorded with one click; the rest on the page of the lead."""


class QuickAction(BaseModel):
    """The form over the list."""

    model_config = ConfigDict(extra="forbid")

    lead_ids: Annotated[list[UUID], Field(max_length=_MOST)] = []
    """Those that were ticked."""
    ticked: OutcomeType | None = None
    """What to record of those that were ticked."""
    one: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}:[a-z_]{1,30}$")] | None = None
    """A lead and what to record of it alone: ``<lead_id>:<outcome>``."""
    once: str = ""
    """See `gateway.pages.once`."""


@router.get("")
async def missing(
    principal: Admitted, request: Request, recorded: Annotated[int, Query(ge=0, le=_MOST)] = 0
) -> Response:
    return await _show(principal, request, recorded=recorded)


@router.post("", dependencies=REVEALS)
async def missing_by_name(principal: Admitted, request: Request) -> Response:
    """The same page, with what its leads are called."""
    return await _show(principal, request, named=True)


@router.post("/record")
async def record_missing(principal: Admitted, form: Annotated[QuickAction, Form()], request: Request) -> Response:
    """Record that it happened when the button was first pressed; the leads leave the list, unless the page says why not."""
    try:
        leads, type_ = _meant(form)
        async with once(request, principal) as key:
            results = await principal.ask(
                RecordOutcomesInBulk(
                    outcome=Outcome(type=type_, occurred_at=key.came_at),
                    rows=[BulkRow(lead_id=lead_id) for lead_id in leads],
                    recorded_by=principal.actor,
                ),
                seconds=BULK_SECONDS,
            )
    except ProblemError as error:
        return await _show(principal, request, Done(wrong=wrong_with(error)))
    if results.verdicts:
        done = Done(judged(results, [str(lead_id) for lead_id in leads]), results.bulk_id)
        return await _show(principal, request, done)
    return see_other(f"/t/{principal.tenant}/outcomes/missing?recorded={results.counts[OutcomeVerdict.RECORDED]}")


def _meant(form: QuickAction) -> tuple[list[UUID], OutcomeType]:
    """Of which leads what is to be recorded.

    Raises:
        ProblemError: `invalid`, the form does not say.
    """
    if form.one:
        lead_id, _, type_ = form.one.partition(":")
        try:
            return [UUID(lead_id)], OutcomeType(type_)
        except ValueError:
            raise ProblemError(ProblemCode.INVALID, "that is no outcome of a lead", "one") from None
    if form.ticked is None or not form.lead_ids:
        raise ProblemError(ProblemCode.INVALID, "no lead was ticked: tick some, or record it of one alone", "lead_ids")
    return form.lead_ids, form.ticked


async def _show(
    principal: Principal,
    request: Request,
    done: Done | None = None,
    *,
    recorded: int = 0,
    named: bool = False,
) -> Response:
    found = await panel(principal, MissingOutcomes(), _PATIENCE_SECONDS)
    shown = found.reply.leads[:ROWS_SHOWN] if found.reply else []
    return page(
        "missing.html", done.wrong.status if done else HTTPStatus.OK, principal=principal, done=done, recorded=recorded, quick=QUICK, missing=found, shown=shown,
        names=await names_of(principal, [lead.lead_id for lead in shown]) if named else NOT_ASKED_FOR,
        may_record=Scope.OUTCOMES_WRITE in principal.allowed,
        zone=await time_zone(request, principal.tenant), now=datetime.now(UTC),
    )  # fmt: skip
