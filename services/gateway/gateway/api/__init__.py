"""The HTTP API: each module translates between HTTP and the requests of one service, and decides nothing else."""

from typing import Final

from fastapi import APIRouter

from contracts.gateway.access import Scope
from gateway.api import alerts, audit, campaigns, events, keys, kpis, leads, me, outcomes, outreach, users, win_rates
from gateway.gate import needs
from gateway.problems import DOCUMENTED

PARTS: Final = (
    (me, needs(Scope.SELF)),
    (leads, needs(Scope.LEADS_READ, Scope.LEADS_WRITE)),
    (outcomes, needs(Scope.OUTCOMES_READ, Scope.OUTCOMES_WRITE)),
    (win_rates, needs(Scope.NUMBERS_READ)),
    (kpis, needs(Scope.NUMBERS_READ)),
    (events, needs(Scope.NUMBERS_READ)),
    (alerts, needs(Scope.ALERTS_READ, Scope.ALERTS_WRITE)),
    (campaigns, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (outreach, needs(Scope.OUTREACH_READ)),
    (users, needs(Scope.USERS_READ, Scope.USERS_WRITE)),
    (keys, needs(Scope.USERS_READ, Scope.USERS_WRITE)),
    (audit, needs(Scope.AUDIT_READ)),
)
"""What there is, and what whoever reads it needs, and whoever changes it."""

router = APIRouter(prefix="/api/t/{tenant}", responses=DOCUMENTED)
for part, needed in PARTS:
    router.include_router(part.router, dependencies=[needed])
