"""Messages of the gateway: tenants, API keys, sign-in links."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.values import Tenant

_DEFAULT_METADATA = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"})


class TenantSettings(BaseModel):
    """How one tenant wants to be served.

    Attributes:
        region: ISO 3166-1 alpha-2; how national phone numbers are read.
        time_zone: IANA name; where the tenant's day begins.
        metadata_allowed: metadata fields that may appear in events in clear; all others are sealed.
    """

    model_config = ConfigDict(frozen=True)

    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    time_zone: str = "UTC"
    metadata_allowed: frozenset[str] = _DEFAULT_METADATA

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("not an IANA time zone; write one like Europe/Berlin") from None
        return name


class TenantChanged(Event):
    """A tenant was created or its settings changed; every service keeps a copy."""

    topic: ClassVar = Topic("gateway", Kind.EVENT, "tenant_changed")
    version: int
    settings: TenantSettings


class TenantView(Reply):
    tenant: Tenant
    version: int
    settings: TenantSettings
    created_at: datetime


class TenantList(Reply):
    tenants: list[TenantView]


class CreateTenant(Request[TenantView]):
    """Create the tenant in the subject; repeating it with the same settings is no error, with others a conflict."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_tenant")
    settings: TenantSettings = TenantSettings()


class ListTenants(Request[TenantList]):
    """Every tenant of the installation; asked on the platform's subject."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_tenants")


class ApiKeyView(Reply):
    """A key just made: `secret` is shown this once and stored only as its SHA-256."""

    key_id: UUID
    label: str
    secret: str


class CreateApiKey(Request[ApiKeyView]):
    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_api_key")
    label: Annotated[str, Field(min_length=1, max_length=100)] = "default"


class Revoked(Reply):
    revoked: bool


class RevokeApiKey(Request[Revoked]):
    topic: ClassVar = Topic("gateway", Kind.REQUEST, "revoke_api_key")
    key_id: UUID


class SignInLink(Reply):
    """A link that signs in once; `path` is relative to the gateway's address."""

    path: str
    expires_at: datetime


class CreateSignInLink(Request[SignInLink]):
    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_sign_in_link")
