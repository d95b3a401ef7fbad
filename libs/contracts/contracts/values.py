"""The values that messages of several owners carry: references, attribution, and the shapes of their fields."""

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.message import TENANT_PATTERN
from contracts.personal import is_contact, looks_like_pii
from contracts.taxonomy import KEY_LENGTH, Band, Intent, Tier, Timeline

SLUG_PATTERN = r"^[a-z0-9_]{1,64}$"
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text holds every character but this one."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _no_contact(identifier: str) -> str:
    if is_contact(identifier):
        raise ValueError(
            "is written like an e-mail address or a telephone number, and travels in clear: "
            "name the system as its makers call it, and a lead by its id or by the token of it that events carry"
        )
    return identifier


def _no_digits_of_a_phone(word: str) -> str:
    if looks_like_pii(_UUID.sub("", word)):
        raise ValueError("has seven digits or more like a telephone number, and travels in clear: send a code or an id")
    return word


def _likely(moment: datetime) -> datetime:
    if not EARLIEST.year <= moment.year <= _LATEST_YEAR:
        raise ValueError(
            f"must lie within the years {EARLIEST.year} to {_LATEST_YEAR}: leave it out where it is not known"
        )
    return moment


EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""What is older was never meant: exports write 0001 or 1753 for "never"."""
_LATEST_YEAR = 9998
"""The last that every time zone's clock shows within the years of Python's."""
Moment = Annotated[AwareDatetime, AfterValidator(_likely)]
"""When something happened."""
Tenant = Annotated[str, Field(pattern=TENANT_PATTERN, examples=["acme"])]
Key = Annotated[str, Field(max_length=KEY_LENGTH)]
"""A grouping key as `contracts.taxonomy.key` makes it."""
Actor = Annotated[
    str,
    Field(pattern=r"^(?:[a-z]{1,20}:)?[A-Za-z0-9_-]{1,64}$", examples=["user:7"]),
    AfterValidator(_no_digits_of_a_phone),
]
"""Who acted, as a user, agent, key or service id; never a name, an e-mail address or a telephone number."""
Slug = Annotated[str, Field(pattern=SLUG_PATTERN, examples=["price_too_high"]), AfterValidator(_no_digits_of_a_phone)]
"""A word for programs; never a telephone number."""
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])]
"""ISO 4217."""
SourceSystem = Annotated[
    str, Field(min_length=1, max_length=100, pattern=NO_NUL, examples=["crm"]), AfterValidator(_no_contact)
]
"""The system a lead comes from, as that system calls itself."""
SourceId = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL, examples=["L-1042"])]
"""The lead's id in that system, as that system writes it. Of one that is an e-mail address or a telephone number intake
makes a token before anything is stored or told; the token names the lead as well."""
PublicSourceId = Annotated[SourceId, AfterValidator(_no_contact)]
"""The lead's id in its system; of one that is a person's e-mail address or telephone number ``~`` and its token."""


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
