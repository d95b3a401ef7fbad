"""The pages people work in: rendered on the server, useful without JavaScript, and nothing on them from elsewhere."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.staticfiles import StaticFiles

from contracts.gateway.access import Scope
from gateway.gate import needs
from gateway.limits import Kind, limited
from gateway.pages import (
    account,
    accounts,
    activity,
    agents,
    alerts,
    audit,
    bulk,
    campaigns,
    dashboard,
    distribution,
    imports,
    inbox,
    installation,
    keys,
    lead,
    leads,
    limits,
    missing,
    numbers,
    operations,
    queue,
    reference,
    routing,
    routing_drafts,
    sign_in,
    superadmin,
    suppressions,
    tasks,
    templates,
    unsubscribe,
    users,
    webhooks,
    win_rates,
)
from gateway.pages.navigation import leads_to, menu
from gateway.rendering import TEMPLATES

STATIC: Final = StaticFiles(directory=Path(__file__).parents[1] / "static", packages=[("js_lib_htmx", "static/htmx")])
"""Our style sheet and icon, and htmx from its wheel."""

PARTS: Final = (
    (dashboard, needs(Scope.NUMBERS_READ, Scope.ALERTS_WRITE)),
    (leads, needs(Scope.LEADS_READ, Scope.LEADS_READ)),
    (lead, needs(Scope.LEADS_READ, Scope.LEADS_READ)),
    (campaigns, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (templates, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (accounts, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (queue, needs(Scope.OUTREACH_READ, Scope.OUTREACH_READ)),
    (activity, needs(Scope.OUTREACH_READ, Scope.OUTREACH_READ)),
    (suppressions, needs(Scope.OUTREACH_READ, Scope.OUTREACH_READ)),
    (numbers, needs(Scope.NUMBERS_READ, Scope.NUMBERS_READ)),
    (win_rates, needs(Scope.NUMBERS_READ)),
    (bulk, needs(Scope.OUTCOMES_WRITE, Scope.OUTCOMES_WRITE)),
    (missing, needs(Scope.OUTCOMES_READ, Scope.OUTCOMES_WRITE)),
    (inbox, needs(Scope.OUTREACH_READ, Scope.WORK_WRITE)),
    (tasks, needs(Scope.OUTREACH_READ, Scope.WORK_WRITE)),
    (distribution, needs(Scope.ROUTING_READ, Scope.ROUTING_READ)),
    (agents, needs(Scope.ROUTING_READ, Scope.ROUTING_READ)),
    (routing, needs(Scope.ROUTING_READ, Scope.ROUTING_WRITE)),
    (routing_drafts, needs(Scope.ROUTING_WRITE, Scope.ROUTING_WRITE)),
    (alerts, needs(Scope.ALERTS_READ, Scope.ALERTS_WRITE)),
    (operations, needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE)),
    (audit, needs(Scope.AUDIT_READ)),
    (limits, needs(Scope.SETTINGS_READ, Scope.SETTINGS_WRITE)),
    (imports, needs(Scope.IMPORTS_READ, Scope.IMPORTS_WRITE)),
    (users, needs(Scope.USERS_READ, Scope.USERS_WRITE)),
    (keys, needs(Scope.USERS_READ, Scope.USERS_WRITE)),
    (webhooks, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)),
    (reference, needs(Scope.SELF)),
    (account, needs(Scope.SELF, Scope.SELF)),
    (superadmin, needs(Scope.SELF, Scope.SELF)),
    (installation, needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE)),
)
"""What there is behind the gate, and what whoever reads it needs, and whoever changes it."""

TEMPLATES.globals |= {"menu": menu, "leads_to": leads_to}
router = APIRouter(include_in_schema=False)
for public in (sign_in, unsubscribe):
    router.include_router(public.router)
for part, needed in PARTS:
    kind = Kind.SUPERADMIN if part in (superadmin, installation) else Kind.PAGES
    router.include_router(part.router, dependencies=[needed, limited(kind)])
