"""Messages of the gateway: tenants, API keys, sign-in links."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.values import NO_NUL, Tenant

_DEFAULT_METADATA = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"})


class TenantSettings(BaseModel):
    """How one tenant wants to be served."""

    model_config = ConfigDict(frozen=True)

    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    """ISO 3166-1 alpha-2; how national phone numbers are read."""
    time_zone: str = "UTC"
    """IANA name; where the tenant's day begins."""
    metadata_allowed: frozenset[str] = _DEFAULT_METADATA
    """Metadata fields that may appear in events in clear; all others are sealed."""

    @field_serializer("metadata_allowed")
    def _in_order(self, names: frozenset[str]) -> list[str]:
        # A set has no order of its own: the same settings must be the same bytes.
        return sorted(names)

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("not an IANA time zone; write one like Europe/Berlin") from None
        return name


class NewTenantSettings(TenantSettings):
    """Settings as they are ordered: a misspelt one is refused, or it would silently stay at its default."""

    model_config = ConfigDict(extra="forbid")


class TenantChanged(Event):
    """A tenant was created or its settings changed; every service keeps a copy."""

    topic: ClassVar = Topic("gateway", Kind.EVENT, "tenant_changed")
    version: int
    settings: TenantSettings


class TenantView(Reply):
    """A tenant as it is now."""

    tenant: Tenant
    version: int
    settings: TenantSettings
    created_at: datetime


class TenantList(Reply):
    """The tenants of the installation."""

    tenants: list[TenantView]
    """Every one there is."""


class CreateTenant(Request[TenantView]):
    """Create the tenant in the subject; repeating it with the same settings is no error, with others a conflict."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_tenant")
    settings: NewTenantSettings = NewTenantSettings()


class ListTenants(Request[TenantList]):
    """Every tenant of the installation; asked on the platform's subject."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_tenants")


class ApiKeyView(Reply):
    """A key just made."""

    key_id: UUID
    label: str
    secret: str
    """What the caller of the API presents; shown this once and stored only as its SHA-256."""


class CreateApiKey(Request[ApiKeyView]):
    """Make a key for the tenant's HTTP API."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_api_key")
    label: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)] = "default"


class Revoked(Reply):
    """The key opens nothing any more."""

    revoked: bool
    """Whether this call revoked it."""


class RevokeApiKey(Request[Revoked]):
    """Revoke a key of the tenant's HTTP API."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "revoke_api_key")
    key_id: UUID


class SignInLink(Reply):
    """A link that signs in once."""

    path: str
    """Relative to the gateway's address."""
    expires_at: datetime
    """When it stops working, used or not."""


class CreateSignInLink(Request[SignInLink]):
    """Make a link that signs its bearer in to the tenant's dashboard."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_sign_in_link")
