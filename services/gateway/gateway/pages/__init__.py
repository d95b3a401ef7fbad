"""The pages people work in: rendered on the server, useful without JavaScript, and nothing on them from elsewhere."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI
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
    (dashboard, needs(Scope.NUMBERS_READ, Scope.ALERTS_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (leads, needs(Scope.LEADS_READ, Scope.LEADS_READ), limited(Kind.PAGES, Kind.WRITING)),
    (lead, needs(Scope.LEADS_READ, Scope.LEADS_READ), limited(Kind.PAGES, Kind.WRITING)),
    (campaigns, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.PAGES, Kind.OUTREACH)),
    (templates, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.PAGES, Kind.OUTREACH)),
    (accounts, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.PAGES, Kind.OUTREACH)),
    (queue, needs(Scope.OUTREACH_READ, Scope.OUTREACH_READ), limited(Kind.PAGES, Kind.OUTREACH)),
    (activity, needs(Scope.OUTREACH_READ, Scope.OUTREACH_READ), limited(Kind.PAGES)),
    (suppressions, needs(Scope.OUTREACH_READ, Scope.OUTREACH_READ), limited(Kind.PAGES, Kind.INCOMING)),
    (numbers, needs(Scope.NUMBERS_READ, Scope.NUMBERS_READ), limited(Kind.SCORING)),
    (win_rates, needs(Scope.NUMBERS_READ), limited(Kind.SCORING)),
    (bulk, needs(Scope.OUTCOMES_WRITE, Scope.OUTCOMES_WRITE), limited(Kind.PAGES, Kind.SUBMITTING)),
    (missing, needs(Scope.OUTCOMES_READ, Scope.OUTCOMES_WRITE), limited(Kind.PAGES, Kind.SUBMITTING)),
    (inbox, needs(Scope.OUTREACH_READ, Scope.WORK_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (tasks, needs(Scope.OUTREACH_READ, Scope.WORK_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (distribution, needs(Scope.ROUTING_READ, Scope.ROUTING_READ), limited(Kind.PAGES, Kind.WRITING)),
    (agents, needs(Scope.ROUTING_READ, Scope.ROUTING_READ), limited(Kind.PAGES, Kind.WRITING)),
    (routing, needs(Scope.ROUTING_READ, Scope.ROUTING_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (routing_drafts, needs(Scope.ROUTING_WRITE, Scope.ROUTING_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (alerts, needs(Scope.ALERTS_READ, Scope.ALERTS_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (operations, needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE), limited(Kind.PAGES, Kind.OPERATIONS)),
    (audit, needs(Scope.AUDIT_READ), limited(Kind.PAGES)),
    (limits, needs(Scope.SETTINGS_READ, Scope.SETTINGS_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (imports, needs(Scope.IMPORTS_READ, Scope.IMPORTS_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (users, needs(Scope.USERS_READ, Scope.USERS_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (keys, needs(Scope.USERS_READ, Scope.USERS_WRITE), limited(Kind.PAGES, Kind.WRITING)),
    (webhooks, needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE), limited(Kind.PAGES, Kind.OUTREACH)),
    (reference, needs(Scope.SELF), limited(Kind.PAGES)),
    (account, needs(Scope.SELF, Scope.SELF), limited(Kind.PAGES, Kind.WRITING)),
    (superadmin, needs(Scope.SELF, Scope.SELF), limited(Kind.SUPERADMIN)),
    (installation, needs(Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE), limited(Kind.SUPERADMIN)),
)
"""What there is behind the gate, what whoever reads it needs and whoever changes it, and of which kind it is for either: what is done on a
page counts with the same done through the API (`gateway.api.PARTS`), or else the page would be a way around its limit."""

TEMPLATES.globals |= {"menu": menu, "leads_to": leads_to}


def include_in(app: FastAPI) -> None:
    """Add every page to the application itself: of routers within routers each level is searched anew for every request."""
    for public in (sign_in, unsubscribe):
        app.include_router(public.router, include_in_schema=False)
    for part, *asked in PARTS:
        app.include_router(part.router, dependencies=asked, include_in_schema=False)
