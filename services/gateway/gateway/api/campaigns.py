"""Campaigns: whom outreach writes to, and how that goes."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from contracts.intake.memory import ActionRecall
from contracts.outreach.campaigns import (
    ArchiveCampaign,
    CampaignList,
    CampaignStartResult,
    CampaignTitleList,
    CampaignView,
    CheckCampaign,
    CreateCampaign,
    GetCampaign,
    JudgeVariants,
    ListCampaigns,
    ListCampaignTitles,
    PauseCampaign,
    ResumeCampaign,
    VariantJudgement,
)
from gateway.api.idempotency import OptionalKey
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(prefix="/campaigns", tags=["campaigns"])


@router.get("")
async def list_campaigns(principal: Admitted, query: Annotated[ListCampaigns, Query()]) -> CampaignList:
    """Campaigns, newest first, a page at a time."""
    return await principal.ask(query)


@router.post("", status_code=HTTPStatus.CREATED)
async def create_campaign(
    principal: Admitted,
    given: Annotated[BaseModel, sent(CreateCampaign, "campaign_id", "actor")],
    key: OptionalKey,
    response: Response,
) -> CampaignStartResult:
    """Make a campaign: each lead of its audience, present and future, is sent its steps; with `start` false once it is resumed.

    `recall` tells of a similar one that was started before; it is advice, and stops nothing.
    """
    campaign_id = key.made_id if key else None
    made = await principal.ask(order(CreateCampaign, given, campaign_id=campaign_id, actor=principal.actor))
    response.headers["Location"] = f"/api/t/{principal.tenant}/campaigns/{made.campaign_id}"
    return made


@router.post("/check")
async def check_campaign(principal: Admitted, about: CheckCampaign) -> ActionRecall:
    """Ask before a campaign is started whether a similar one was. Nothing is made, and nothing recorded."""
    return await principal.ask(about)


@router.get("/titles")
async def list_campaign_titles(principal: Admitted, query: Annotated[ListCampaignTitles, Query()]) -> CampaignTitleList:
    """What campaigns are called, newest first, a page at a time; nothing is counted for it."""
    return await principal.ask(query)


@router.get("/{campaign_id}")
async def get_campaign(principal: Admitted, campaign_id: UUID) -> CampaignView:
    """A campaign."""
    return await principal.ask(GetCampaign(campaign_id=campaign_id))


@router.get("/{campaign_id}/results")
async def campaign_results(principal: Admitted, campaign_id: UUID) -> VariantJudgement:
    """How the variants of each step do against each other, counted from what became of their messages."""
    return await principal.ask(JudgeVariants(campaign_id=campaign_id))


@router.post("/{campaign_id}/pause")
async def pause_campaign(principal: Admitted, campaign_id: UUID) -> CampaignView:
    """Stop sending until the campaign is resumed."""
    return await principal.ask(PauseCampaign(campaign_id=campaign_id, actor=principal.actor))


@router.post("/{campaign_id}/resume")
async def resume_campaign(
    principal: Admitted, campaign_id: UUID, given: Annotated[BaseModel, sent(ResumeCampaign, "campaign_id", "actor")]
) -> CampaignStartResult:
    """Let a paused campaign send again, or a draft begin; of a draft, `recall` tells of a similar one that was started before."""
    return await principal.ask(order(ResumeCampaign, given, campaign_id=campaign_id, actor=principal.actor))


@router.post("/{campaign_id}/archive")
async def archive_campaign(principal: Admitted, campaign_id: UUID) -> CampaignView:
    """End a campaign for good: what is queued is not sent."""
    return await principal.ask(ArchiveCampaign(campaign_id=campaign_id, actor=principal.actor))
