"""Campaigns: whom outreach writes to."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from contracts.outreach.campaigns import (
    CampaignList,
    CampaignView,
    CreateCampaign,
    ListCampaigns,
    PauseCampaign,
    ResumeCampaign,
)
from gateway.gate import Admitted

router = APIRouter(tags=["campaigns"])


@router.get("/campaigns")
async def list_campaigns(principal: Admitted) -> CampaignList:
    """Every campaign."""
    return await principal.ask(ListCampaigns())


@router.post("/campaigns", status_code=HTTPStatus.CREATED)
async def create_campaign(principal: Admitted, campaign: CreateCampaign) -> CampaignView:
    """Start a campaign: each lead of its audience, present and future, is sent one message."""
    return await principal.ask(campaign)


@router.post("/campaigns/{campaign_id}/pause")
async def pause_campaign(principal: Admitted, campaign_id: UUID) -> CampaignView:
    """Stop sending until the campaign is resumed."""
    return await principal.ask(PauseCampaign(campaign_id=campaign_id))


@router.post("/campaigns/{campaign_id}/resume")
async def resume_campaign(principal: Admitted, campaign_id: UUID) -> CampaignView:
    """Let a paused campaign send again."""
    return await principal.ask(ResumeCampaign(campaign_id=campaign_id))
