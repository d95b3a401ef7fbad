"""The HTTP API: each module translates between HTTP and the requests of one service, and decides nothing else."""

from typing import Final

from fastapi import APIRouter

from contracts.gateway.access import Scope
from gateway.api import (
    accounts,
    alerts,
    audit,
    campaigns,
    distribution,
    enrichment,
    events,
    keys,
    kpis,
    leads,
    me,
    messages,
    operations,
    outcomes,
    outreach,
    oversight,
    people,
    replay,
    reveals,
    routing,
    sources,
    subjects,
    suppressions,
    templates,
    users,
    win_rates,
    work,
)
from gateway.api.idempotency import HEEDED
from gateway.gate import needs
from gateway.problems import DOCUMENTED

PARTS: Final = (
    (me, needs(Scope.SELF)),
    (people, needs(Scope.LEADS_READ, Scope.LEADS_WRITE)),  # before leads: `/leads/find` is no lead
    (reveals, needs(Scope.PERSONAL_READ, Scope.PERSONAL_READ)),
    (leads, needs(Scope.LEADS_READ, Scope.LEADS_WRITE)),
    (subjects, needs(Scope.PERSONAL_WRITE, Scope.PERSONAL_WRITE)),
    (outcomes, needs(Scope.OUTCOMES_READ, Scope.OUTCOMES_WRITE)),
    (routing, needs(Scope.ROUTING_READ, Scope.ROUTING_WRITE)),
    (distribution, needs(Scope.ROUTING_READ, Scope.ROUTING_WRITE)),
    (work, needs(Scope.OUTREACH_READ, Scope.WORK_WRITE)),
    (enrichment, needs(Scope.IMPORTS_READ, Scope.IMPORTS_WRITE)),
    (sources, needs(Scope.SETTINGS_READ, Scope.SETTINGS_WRITE)),
    (campaigns, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (messages, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (outreach, needs(Scope.OUTREACH_READ)),
    (accounts, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (templates, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (suppressions, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (win_rates, needs(Scope.NUMBERS_READ)),
    (kpis, needs(Scope.NUMBERS_READ)),
    (events, needs(Scope.NUMBERS_READ)),
    (replay, needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE)),
    (alerts, needs(Scope.ALERTS_READ, Scope.ALERTS_WRITE)),
    (users, needs(Scope.USERS_READ, Scope.USERS_WRITE)),
    (keys, needs(Scope.USERS_READ, Scope.USERS_WRITE)),
    (audit, needs(Scope.AUDIT_READ)),
    (oversight, needs(Scope.AUDIT_READ)),
)
"""What there is, and what whoever reads it needs, and whoever changes it."""

of_tenant = APIRouter(prefix="/api/t/{tenant}", responses=DOCUMENTED)
for part, needed in PARTS:
    of_tenant.include_router(part.router, dependencies=[needed, HEEDED])
router = APIRouter()
router.include_router(of_tenant)
router.include_router(operations.router, dependencies=[needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE)])
