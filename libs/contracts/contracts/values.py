"""The values that messages of several owners carry: references, attribution, and the shapes of their fields."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.message import TENANT_PATTERN
from contracts.taxonomy import KEY_LENGTH, Band, Intent, Tier, Timeline

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text holds every character but this one."""

Tenant = Annotated[str, Field(pattern=TENANT_PATTERN, examples=["acme"])]
Key = Annotated[str, Field(max_length=KEY_LENGTH, examples=["dublin_oh"])]
"""A grouping key as `contracts.taxonomy.key` makes it."""
Actor = Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.-]{1,100}$", examples=["user:7"])]
"""Who acted, as a user, key or service id; never a name or an e-mail address."""
Slug = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,100}$", examples=["price_too_high"])]
"""A word for programs."""
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])]
"""ISO 4217."""
SourceSystem = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL, examples=["crm"])]
"""The system a lead comes from, as that system calls itself."""
SourceId = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL, examples=["L-1042"])]
"""The lead's id in that system."""


class Attribution(BaseModel):
    """What an outcome is credited to; frozen into it as the lead was at that moment (outcome-capture plan)."""

    model_config = ConfigDict(frozen=True)

    source_key: Key | None = None
    geo_key: Key | None = None
    intent: Intent | None = None
    timeline: Timeline | None = None
    price_band: Band | None = None
    """The band of what the person asks for what they sell."""
    budget_band: Band | None = None
    """The band of what the person can spend."""
    tier: Tier | None = None
    product_interest: Key | None = None
    """The key of what the person is interested in."""
    partner: Key | None = None
    """The key of who referred the lead."""


class LeadRef(BaseModel):
    """Which lead is meant: by our id, or by the id its source gave it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"source_system": "crm", "source_id": "L-1042"}]},
    )

    lead_id: UUID | None = None
    """Our id of the lead; instead of `source_system` and `source_id`."""
    source_system: SourceSystem | None = None
    source_id: SourceId | None = None
    submission_id: UUID | None = None
    """The message that submitted the lead: what refers to it waits for that submission's verdict and sees the lead as
    that submission left it."""

    @model_validator(mode="after")
    def _names_one_lead(self) -> "LeadRef":
        if (self.lead_id is None) == (self.source_system is None or self.source_id is None):
            raise ValueError("give either lead_id, or source_system and source_id")
        return self
