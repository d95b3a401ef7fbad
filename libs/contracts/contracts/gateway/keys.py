"""Messages of the gateway: the keys of a tenant's HTTP API."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, field_serializer

from contracts.gateway.access import Scope
from contracts.gateway.users import UserState
from contracts.message import Kind, Reply, Request, Topic
from contracts.values import NO_NUL, Actor

Scopes = frozenset[Scope]


class ApiKeyView(Reply):
    """A key just made."""

    key_id: UUID
    label: str
    secret: str
    """What the caller of the API presents; shown this once and stored only as its SHA-256."""


class CreateApiKey(Request[ApiKeyView]):
    """Make a key for the tenant's HTTP API."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_api_key")
    label: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL, examples=["crm"])] = "default"
    scopes: Annotated[Scopes, Field(min_length=1)] | None = None
    """What it allows; if empty, all that programs need: everything but to see persons, and to look after users, settings and the
    installation."""
    expires_at: AwareDatetime | None = None
    """From when on it opens nothing; it lasts until it is revoked, if empty."""
    ordered_by: Actor | None = None

    @field_serializer("scopes")
    def _in_order(self, scopes: Scopes | None) -> list[str] | None:
        return None if scopes is None else sorted(scopes)


class RevokeResult(Reply):
    """The key opens nothing any more."""

    revoked: bool
    """Whether this call revoked it."""


class RevokeApiKey(Request[RevokeResult]):
    """Revoke a key of the tenant's HTTP API."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "revoke_api_key")
    key_id: UUID
    ordered_by: Actor | None = None


class ApiKeyInfo(BaseModel):
    """A key, without its secret, which nobody has but whom it was shown."""

    key_id: UUID
    label: str
    scopes: list[Scope]
    """What it allows."""
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    """Since when it opens nothing, where it was revoked."""
    maker_state: UserState | None = None
    """Whether the user who made it may sign in; empty where no user of the tenant's did. A key is the tenant's, and outlives its maker."""


class ApiKeyPage(Reply):
    """A page of keys."""

    keys: list[ApiKeyInfo]
    """The keys of this page."""
    next_cursor: str | None = None


class ListApiKeys(Request[ApiKeyPage]):
    """The tenant's keys, newest first, a page at a time; those that open nothing any more, too."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_api_keys")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None
