"""The dashboard's numbers, as the aggregator counts them."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query

from contracts.aggregator.kpis import Dashboard, DashboardStats, KpiEventPage, ListKpiEvents
from contracts.message import ProblemError
from contracts.outreach.campaigns import ListCampaignTitles
from gateway.gate import Admitted, Principal

router = APIRouter(tags=["numbers"])

_PATIENCE_SECONDS: Final = 2.0
"""Numbers do not wait longer for the names of their campaigns."""


@router.get("/dashboard/stats")
async def dashboard_stats(principal: Admitted, query: Annotated[DashboardStats, Query()]) -> Dashboard:
    """Every number of the dashboard, as of now or of any moment in the past. Each opens the events it counts at `/dashboard/events`."""
    found = await principal.ask(query)
    return named(found, await campaign_names(principal) if names_campaigns(found) else {})


@router.get("/dashboard/events")
async def kpi_events(principal: Admitted, query: Annotated[ListKpiEvents, Query()]) -> KpiEventPage:
    """Exactly the events that a number counts, a page at a time; pass the dashboard's `as_of`."""
    return await principal.ask(query)


def names_campaigns(found: Dashboard) -> bool:
    """Whether there is any campaign on the dashboard."""
    return bool(found.campaign_snapshots) or any(action.campaign_id for action in found.next_actions)


def named(found: Dashboard, names: dict[UUID, str]) -> Dashboard:
    """The dashboard with its campaigns by name, where the name is known."""
    return found.model_copy(
        update={
            "campaign_snapshots": [
                shown.model_copy(update={"name": names.get(shown.id)}) for shown in found.campaign_snapshots
            ],
            "next_actions": [
                action.model_copy(update={"title": action.title.replace("Campaign", f'Campaign "{name}"', 1)})
                if action.campaign_id and (name := names.get(action.campaign_id))
                else action
                for action in found.next_actions
            ],
        }
    )


async def campaign_names(principal: Principal) -> dict[UUID, str]:
    """How the newest campaigns are called; none of them where outreach does not say."""
    try:
        campaigns = await principal.ask(ListCampaignTitles(), seconds=_PATIENCE_SECONDS)
    except ProblemError:
        return {}
    return {campaign.campaign_id: campaign.title for campaign in campaigns.campaigns}
