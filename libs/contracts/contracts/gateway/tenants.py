"""Messages of the gateway: the tenants of the installation, and how each wants to be served."""

from datetime import datetime
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import MergePolicy
from contracts.values import Actor, Slug, SourceSystem, Tenant

_REGIONS = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - as a list it would take 249 lines
)
"""ISO 3166-1 alpha-2, as of 2026."""
MOST_TENANTS = 100
"""How many can be asked for by name at once, so that what is known of them fits into a reply."""
_DEFAULT_METADATA = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"})


PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]


class TenantSettings(BaseModel):
    """How one tenant wants to be served."""

    model_config = ConfigDict(frozen=True)

    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    """ISO 3166-1 alpha-2; how national phone numbers are read."""
    time_zone: str = "UTC"
    """IANA name; where the tenant's day begins."""
    metadata_allowed: frozenset[str] = _DEFAULT_METADATA
    """Metadata fields that may appear in events in clear; all others are sealed."""
    memory_ttl_hours: Annotated[int, Field(ge=1, le=87_600)] = 720
    """How long is remembered what was found and done, so that nobody pays for it twice: 30 days, unless said otherwise."""
    merge: MergePolicy = MergePolicy.KEEP_BOTH
    """What happens to several leads of one person: both are kept, or they are merged into the one that came first or last;
    a change counts for leads that come, or come again, from then on."""
    leads_per_minute: PerMinute = 100
    """How many leads each of its sources may submit a minute, over HTTP and from upstreams; an operator's are not counted."""
    leads_per_minute_by_source: Annotated[dict[SourceSystem, PerMinute], Field(max_length=1000)] = {}
    """The same for single sources, by their `source_system`."""

    def lead_limit(self, source_system: str) -> int:
        """How many leads a minute a source may submit."""
        return self.leads_per_minute_by_source.get(source_system, self.leads_per_minute)

    reason_codes: Annotated[frozenset[Slug], Field(max_length=200)] = frozenset()
    """The reason codes that outcomes, and voids of outcomes, may have; any, if empty."""
    event_months: Annotated[int, Field(ge=2, le=1200)] | None = None
    """How many months of events are kept at hand, the running one not counted; those before are archived. What the
    installation says (`LEADLOOP_EVENT_MONTHS`), if empty; all, if it says nothing."""
    message_history_days: Annotated[int, Field(ge=90, le=36_500)] = 730
    """How long outreach keeps how messages that are over changed, and what was heard of them: two years, unless said otherwise. That they
    were sent stays."""
    reveals_per_hour: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """How many persons one user, or the operator, may be shown the personal values of within an hour."""
    reveals_per_hour_of_services: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """The same for a service that acts by itself, as outreach does when it sends."""

    @field_serializer("metadata_allowed", "reason_codes")
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

    @field_validator("region", mode="before")
    @classmethod
    def _is_a_region(cls, code: object) -> object:
        if isinstance(code, str) and code not in _REGIONS:
            raise ValueError("not a region of ISO 3166; write two capital letters, like US or DE")
        return code


class TenantChanged(Event):
    """A tenant was created or its settings changed; every service keeps a copy."""

    topic: ClassVar = Topic("gateway", Kind.EVENT, "tenant_changed")
    version: int
    settings: TenantSettings
    created_at: datetime
    """When the tenant was created."""


class TenantView(Reply):
    """A tenant as it is now."""

    tenant: Tenant
    version: int
    settings: TenantSettings
    created_at: datetime


class TenantList(Reply):
    """The tenants of the installation."""

    tenants: list[TenantView]
    """By name; of those asked for, the ones there are."""


class CreateTenant(Request[TenantView]):
    """Create the tenant in the subject; repeating it with the same settings is no error, with others a conflict."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_tenant")
    settings: NewTenantSettings = NewTenantSettings()


class ChangeTenant(Request[TenantView]):
    """Replace the tenant's settings; every service hears of it. Repeating it with the same settings is no error."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "change_tenant")
    version: int
    """The version the caller has seen: where it was changed since, that is a conflict and nothing is changed."""
    settings: NewTenantSettings
    """All of them; what is left out goes back to its default."""
    ordered_by: Actor | None = None


class ListTenants(Request[TenantList]):
    """The tenants of the installation; asked on the platform's subject."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_tenants")
    only: Annotated[list[Tenant], Field(max_length=MOST_TENANTS)] = []
    """Which; every one there is, if empty."""
