"""The HTTP API: each module translates between HTTP and the requests of one service, and decides nothing else."""

from fastapi import APIRouter

from gateway.api import alerts, campaigns, events, kpis, leads, outcomes, outreach, win_rates
from gateway.problems import DOCUMENTED

router = APIRouter(prefix="/api/t/{tenant}", responses=DOCUMENTED)
for part in (leads, outcomes, win_rates, kpis, events, alerts, campaigns, outreach):
    router.include_router(part.router)
