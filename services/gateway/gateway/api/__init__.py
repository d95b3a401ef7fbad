"""The HTTP API: each module translates between HTTP and the requests of one service, and decides nothing else."""

from typing import Final

from fastapi import Depends, FastAPI

from contracts.gateway.access import Scope
from gateway.api import (
    accounts,
    alerts,
    audit,
    campaigns,
    distribution,
    enrichment,
    events,
    imports,
    incoming,
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
    services,
    settings,
    sources,
    subjects,
    suppressions,
    templates,
    users,
    webhooks,
    win_rates,
    work,
)
from gateway.api.idempotency import HEEDED
from gateway.bodies import shallow
from gateway.gate import needs
from gateway.limits import Kind, limited
from gateway.problems import DOCUMENTED

PARTS: Final = (
    (me, needs(Scope.SELF), limited(Kind.READING)),
    (
        people,
        needs(Scope.LEADS_READ, Scope.LEADS_WRITE),
        limited(Kind.READING, Kind.WRITING),
    ),  # before leads: `/leads/find` is no lead
    (reveals, needs(Scope.PERSONAL_READ, Scope.PERSONAL_READ), limited(Kind.PERSONAL)),
    (leads, needs(Scope.LEADS_READ, Scope.LEADS_WRITE), limited(Kind.READING, Kind.SUBMITTING)),
    (subjects, needs(Scope.PERSONAL_WRITE, Scope.PERSONAL_WRITE), limited(Kind.READING, Kind.PERSONAL)),
    (outcomes, needs(Scope.OUTCOMES_READ, Scope.OUTCOMES_WRITE), limited(Kind.READING, Kind.SUBMITTING)),
    (routing, needs(Scope.ROUTING_READ, Scope.ROUTING_WRITE), limited(Kind.READING, Kind.WRITING)),
    (distribution, needs(Scope.ROUTING_READ, Scope.ROUTING_WRITE), limited(Kind.READING, Kind.WRITING)),
    (work, needs(Scope.OUTREACH_READ, Scope.WORK_WRITE), limited(Kind.READING, Kind.WRITING)),
    (imports, needs(Scope.IMPORTS_READ, Scope.IMPORTS_WRITE), limited(Kind.READING, Kind.WRITING)),
    (enrichment, needs(Scope.IMPORTS_READ, Scope.IMPORTS_WRITE), limited(Kind.READING, Kind.DISCOVERY)),
    (settings, needs(Scope.SETTINGS_READ, Scope.SETTINGS_WRITE), limited(Kind.READING, Kind.WRITING)),
    (sources, needs(Scope.SETTINGS_READ, Scope.SETTINGS_WRITE), limited(Kind.READING, Kind.WRITING)),
    (campaigns, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.READING, Kind.OUTREACH)),
    (incoming, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.READING, Kind.INCOMING)),
    (messages, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.READING, Kind.OUTREACH)),
    (outreach, needs(Scope.OUTREACH_READ), limited(Kind.READING)),
    (webhooks, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.READING, Kind.OUTREACH)),
    (accounts, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.READING, Kind.OUTREACH)),
    (templates, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.READING, Kind.OUTREACH)),
    (suppressions, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.READING, Kind.INCOMING)),
    (win_rates, needs(Scope.NUMBERS_READ), limited(Kind.SCORING)),
    (kpis, needs(Scope.NUMBERS_READ), limited(Kind.SCORING)),
    (events, needs(Scope.NUMBERS_READ), limited(Kind.READING)),
    (replay, needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE), limited(Kind.OPERATIONS)),
    (services, needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE), limited(Kind.READING, Kind.OPERATIONS)),
    (alerts, needs(Scope.ALERTS_READ, Scope.ALERTS_WRITE), limited(Kind.READING, Kind.WRITING)),
    (users, needs(Scope.USERS_READ, Scope.USERS_WRITE), limited(Kind.READING, Kind.WRITING)),
    (keys, needs(Scope.USERS_READ, Scope.USERS_WRITE), limited(Kind.READING, Kind.WRITING)),
    (audit, needs(Scope.AUDIT_READ), limited(Kind.READING)),
    (oversight, needs(Scope.AUDIT_READ), limited(Kind.READING)),
)
"""What there is, what whoever reads it needs and whoever changes it, and of which kind it is for either."""

SHALLOW: Final = Depends(shallow)


def include_in(app: FastAPI) -> None:
    """Add every operation to the application itself: of routers within routers each level is searched anew for every request."""
    for part, *asked in PARTS:
        app.include_router(
            part.router, prefix="/api/t/{tenant}", responses=DOCUMENTED, dependencies=[*asked, SHALLOW, HEEDED]
        )
    app.include_router(
        operations.router,
        dependencies=[needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE), limited(Kind.SUPERADMIN)],
    )
