"""People: leads that are one person's, or may be; how far the work on a lead has come, and why it went where it did."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.intake.leads import LeadPage, LeadView
from contracts.intake.limits import ListParked, ParkedList
from contracts.intake.people import (
    DismissResult,
    DismissReview,
    FindLeads,
    GetPerson,
    LeadsForReview,
    MergeLeads,
    PersonView,
    ReviewPage,
    UnmergeLead,
    UnmergeResult,
)
from contracts.intake.routing import DecisionPage, GetLeadDecisions, GetLeadStatus, LeadStatus
from gateway.api.orders import Paging, order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["leads"])


@router.post("/leads/find")
async def find_leads(principal: Admitted, wanted: FindLeads) -> LeadPage:
    """The leads of whoever has a phone number, an e-mail address or a LinkedIn profile; these stand in the body, for addresses are logged.

    Whether a contact is nobody's, another tenant's or an erased person's, the answer is the same: no leads.
    """
    return await principal.ask(wanted)


@router.get("/leads/{lead_id}/status")
async def get_lead_status(principal: Admitted, lead_id: UUID) -> LeadStatus:
    """How far the work on a lead has come, and whose it is."""
    return await principal.ask(GetLeadStatus(lead_id=lead_id))


@router.get("/leads/{lead_id}/decisions")
async def get_lead_decisions(principal: Admitted, lead_id: UUID, query: Annotated[Paging, Query()]) -> DecisionPage:
    """Every decision about a lead with its reasons, newest first, a page at a time."""
    return await principal.ask(GetLeadDecisions(lead_id=lead_id, **query.model_dump()))


@router.get("/leads/{lead_id}/person")
async def get_person_of_lead(principal: Admitted, lead_id: UUID, query: Annotated[Paging, Query()]) -> PersonView:
    """The leads of a lead's person, itself among them, a page at a time."""
    return await principal.ask(GetPerson(lead_id=lead_id, **query.model_dump()))


@router.get("/persons/{person_id}")
async def get_person(principal: Admitted, person_id: UUID, query: Annotated[Paging, Query()]) -> PersonView:
    """The leads of a person, a page at a time."""
    return await principal.ask(GetPerson(person_id=person_id, **query.model_dump()))


@router.post("/leads/{lead_id}/merge")
async def merge_leads(
    principal: Admitted, lead_id: UUID, given: Annotated[BaseModel, sent(MergeLeads, "survivor_id", "actor")]
) -> LeadView:
    """Merge another lead into this one, whatever the tenant's policy; to repeat it is no error."""
    return await principal.ask(order(MergeLeads, given, survivor_id=lead_id, actor=principal.actor))


@router.post("/leads/{lead_id}/unmerge")
async def unmerge_lead(principal: Admitted, lead_id: UUID) -> UnmergeResult:
    """Part a lead from the one it is merged into; both are kept apart from now on."""
    return await principal.ask(UnmergeLead(lead_id=lead_id, actor=principal.actor))


@router.get("/lead-reviews")
async def list_reviews(principal: Admitted, query: Annotated[LeadsForReview, Query()]) -> ReviewPage:
    """Pairs of leads that may be one person, to be merged or dismissed, a page at a time."""
    return await principal.ask(query)


@router.post("/lead-reviews/dismiss")
async def dismiss_review(
    principal: Admitted, given: Annotated[BaseModel, sent(DismissReview, "actor")]
) -> DismissResult:
    """Say that two leads are two persons: they are never merged or linked by themselves."""
    return await principal.ask(order(DismissReview, given, actor=principal.actor))


@router.get("/parked-leads")
async def list_parked(principal: Admitted) -> ParkedList:
    """How many submissions wait because their source sent more than it may."""
    return await principal.ask(ListParked())
