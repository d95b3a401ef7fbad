"""What persons may ask of their own data: all that is known of them, and that it be erased."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from contracts.intake.erasure import (
    EraseLead,
    ErasureCertificate,
    ErasureResult,
    GetErasureCertificate,
    LiftResult,
    LiftSuppression,
)
from contracts.intake.privacy import ExportLead, ExportPage
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["personal data"])

_SECONDS = 30.0
"""Intake asks every other service first."""


class ExportQuery(BaseModel):
    """Which page of an export is asked for."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, Field(max_length=300)] | None = None
    """The last page's `next_cursor`; the first page, if empty."""


@router.get("/leads/{lead_id}/export")
async def export_lead(principal: Admitted, lead_id: UUID, query: Annotated[ExportQuery, Query()]) -> ExportPage:
    """All that is known of a lead's person, a page at a time; each page is audited as a reveal."""
    wanted = ExportLead(lead_id=lead_id, on_behalf_of=principal.on_behalf_of(), cursor=query.cursor)
    return await principal.ask(wanted, seconds=_SECONDS)


@router.post("/leads/{lead_id}/erase")
async def erase_lead(
    principal: Admitted,
    lead_id: UUID,
    given: Annotated[BaseModel, sent(EraseLead, "lead_id", "person_id", "on_behalf_of")],
) -> ErasureResult:
    """Erase a lead's person, with all their leads. It cannot be undone; to repeat it is no error."""
    return await principal.ask(order(EraseLead, given, lead_id=lead_id, on_behalf_of=principal.on_behalf_of()))


@router.post("/persons/{person_id}/erase")
async def erase_person(
    principal: Admitted,
    person_id: UUID,
    given: Annotated[BaseModel, sent(EraseLead, "lead_id", "person_id", "on_behalf_of")],
) -> ErasureResult:
    """Erase a person, with all their leads. It cannot be undone; to repeat it is no error."""
    return await principal.ask(order(EraseLead, given, person_id=person_id, on_behalf_of=principal.on_behalf_of()))


@router.get("/erasures/{erasure_id}")
async def get_erasure_certificate(principal: Admitted, erasure_id: UUID) -> ErasureCertificate:
    """The certificate of an erasure, as complete as it is by now."""
    return await principal.ask(GetErasureCertificate(erasure_id=erasure_id))


@router.post("/erasures/{erasure_id}/lift")
async def lift_suppression(
    principal: Admitted,
    erasure_id: UUID,
    given: Annotated[BaseModel, sent(LiftSuppression, "erasure_id", "on_behalf_of")],
) -> LiftResult:
    """Allow an erased person to be submitted again; what was erased stays so."""
    lift = order(LiftSuppression, given, erasure_id=erasure_id, on_behalf_of=principal.on_behalf_of())
    return await principal.ask(lift)
