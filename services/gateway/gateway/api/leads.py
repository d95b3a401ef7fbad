"""Leads, as intake keeps them: without what the person is called and where they are reached."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from contracts.intake.leads import GetLead, LeadPage, LeadVerdict, LeadView, ListLeads, SubmissionResult, SubmitLeadNow
from gateway import rate_limit
from gateway.gate import Admitted

router = APIRouter(tags=["leads"])


@router.post("/leads", status_code=HTTPStatus.CREATED, responses={200: {"model": SubmissionResult}})
async def submit_lead(principal: Admitted, lead: SubmitLeadNow, response: Response) -> SubmissionResult:
    """Submit a lead: 201 when it is new, 200 when its `source_system` and `source_id` were known already.

    Sending the same lead again changes nothing, so a request that got no answer can simply be repeated. 429 when its source
    has submitted as many as it may: `Retry-After` says for how long, and `RateLimit` with each lead that was taken what is left.
    """
    submitted = await principal.ask(lead)
    if submitted.allowance:
        response.headers.update(rate_limit.header_fields(submitted.allowance))
    if submitted.verdict is LeadVerdict.ACCEPTED:
        response.headers["Location"] = f"/api/t/{principal.tenant}/leads/{submitted.lead_id}"
    else:
        response.status_code = HTTPStatus.OK
    return submitted


@router.get("/leads")
async def list_leads(principal: Admitted, query: Annotated[ListLeads, Query()]) -> LeadPage:
    """Leads that match everything given, newest first, a page at a time."""
    return await principal.ask(query)


@router.get("/leads/{lead_id}")
async def get_lead(principal: Admitted, lead_id: UUID) -> LeadView:
    """One lead as it is now."""
    return await principal.ask(GetLead(lead_id=lead_id))
