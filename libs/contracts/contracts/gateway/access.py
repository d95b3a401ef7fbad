"""What can be allowed at the gateway, and that somebody was refused again and again."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from contracts.message import Event, Kind, Topic
from contracts.values import Actor


class Scope(StrEnum):
    """What a role or an API key allows; every route of the gateway needs one of them."""

    SELF = "self"
    """To be signed in, to sign out, and to look after one's own password."""
    LEADS_READ = "leads:read"
    LEADS_WRITE = "leads:write"
    PERSONAL_READ = "personal:read"
    """To ask for what persons are called and where they are reached; intake decides for which purpose who sees it."""
    PERSONAL_WRITE = "personal:write"
    """To have persons exported, erased, or allowed again."""
    OUTCOMES_READ = "outcomes:read"
    OUTCOMES_WRITE = "outcomes:write"
    WORK_WRITE = "work:write"
    """To claim leads and to finish what is to be done about them: replies, follow-ups, assignments of one's own."""
    OUTREACH_READ = "outreach:read"
    OUTREACH_WRITE = "outreach:write"
    """To change campaigns, accounts, templates, suppressions and the queue."""
    ROUTING_READ = "routing:read"
    ROUTING_WRITE = "routing:write"
    """To change routing rules, agents and whose a lead is."""
    IMPORTS_READ = "imports:read"
    IMPORTS_WRITE = "imports:write"
    NUMBERS_READ = "numbers:read"
    """Win rates, the dashboard's numbers, and the events that these count."""
    ALERTS_READ = "alerts:read"
    ALERTS_WRITE = "alerts:write"
    OPERATIONS_READ = "operations:read"
    OPERATIONS_WRITE = "operations:write"
    """To redrive dead letters, to replay; of superadmins, to run jobs."""
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    """To change users, API keys and where users sign in."""
    AUDIT_READ = "audit:read"


class RefusedFor(StrEnum):
    """Why somebody was not let in, or not let do something."""

    CREDENTIAL = "credential"
    """An API key of the tenant's that is revoked, has expired, or has another secret; a webhook that none of an account's signed."""
    SIGN_IN = "sign_in"
    """A password that is not the user's."""
    SCOPE = "scope"
    """What the role or the key does not allow."""


class AccessRefused(Event):
    """Somebody was refused again and again within some minutes; told once an hour, while it goes on."""

    topic: ClassVar = Topic("gateway", Kind.EVENT, "access_refused")
    refused_for: RefusedFor
    """What each time was why."""
    actor: Actor | None = None
    """The user or the key; empty where it is none that the tenant has."""
    limit: int
    """How many refusals within the window are taken for mistakes."""
    window_seconds: int
    """How long the window is."""
    occurred_at: datetime
    elsewhere: bool = False
    """Whether what they asked for was no address of this tenant's: one of another's, or of none."""
