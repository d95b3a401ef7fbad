"""Messages of enrichment: the providers that companies, people and e-mail addresses are bought from."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from contracts.message import Kind, Reply, Request, Topic
from contracts.taxonomy import ProviderKind
from contracts.values import NO_NUL, Moment, Slug

Money = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]
Share = Annotated[float, Field(ge=0, le=1)]
Path = Annotated[str, Field(max_length=200, pattern=r"^(?:[^.\x00]+(?:\.[^.\x00]+)*)?$", examples=["data.people"])]
"""Names and positions, from 0, with full stops between them: ``emails.0.value``. An empty one is the whole."""
Template = Annotated[str, Field(max_length=1000, pattern=NO_NUL, examples=["{company.domain}"])]
"""A text with placeholders such as ``{company.domain}``. What lacks a value is not asked; behind a question mark
(``{criteria.state?}``) it may lack one, and is left out."""
Domain = Annotated[
    str,
    Field(
        max_length=253,
        pattern=r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$",
        examples=["example.com"],
    ),
]
"""Of e-mail addresses: lower case, in ASCII."""
Pattern = Annotated[
    str,
    Field(
        max_length=60,
        pattern=r"^[a-z0-9._-]*(?:\{(?:first|last|f|l)\}[a-z0-9._-]*)+$",
        examples=["{first}.{last}"],
    ),
]
"""What stands before the at sign: ``{first}``, ``{last}``, their initials ``{f}`` and ``{l}``, letters, digits and ``.-_``."""


class _Setting(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _free(name: str) -> str:
    if name.lower() in _OUR_HEADERS:
        raise ValueError("is a header that is set here: leave it out")
    return name


_OUR_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "idempotency-key", "transfer-encoding", "upgrade"}
)
_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["Authorization"]), AfterValidator(_free)]
_HeaderValue = Annotated[str, Field(max_length=500, pattern=r"^[\x20-\x7e]*$")]


class ProviderSecret(_Setting):
    """A header with a secret in it, which is never told, stored or logged: it is an environment variable of intake's."""

    header: _HeaderName = "Authorization"
    """Which header."""
    prefix: Annotated[str, Field(max_length=40, pattern=r"^[\x20-\x7e]*$", examples=["Bearer "])] = ""
    """What stands before it."""
    variable: Annotated[str, Field(max_length=64, pattern=r"^[A-Z0-9]+(?:_[A-Z0-9]+)*$", examples=["FINDER_KEY"])]
    """The end of the variable's name: of a tenant ``acme-eu``, ``LEADLOOP_PROVIDER_SECRET__ACME_EU__FINDER_KEY``."""


class HttpSettings(_Setting):
    """A service that answers in JSON over HTTP.

    Asked are public hosts over https, and those that the operator allows (``LEADLOOP_PROVIDER_HOSTS``); a redirect is a failure.
    """

    url: Annotated[str, Field(max_length=1000, pattern=r"^https?://[^\s\x00/?#{}@]+(?:[/?][^\s\x00#@]*)?$",
                              examples=["https://api.example.com/v1/people"])]  # fmt: skip
    """Where it is asked; placeholders may stand in its path."""
    method: Literal["GET", "POST"] = "GET"
    """How it is asked."""
    query: Annotated[dict[str, Template], Field(max_length=50)] = {}
    """Parameters of the query, with placeholders in their values."""
    body: Annotated[dict[str, Any], Field(max_length=50, examples=[{"domain": "{company.domain}"}])] | None = None
    """With POST: what is sent as JSON, with placeholders in its texts."""
    headers: Annotated[dict[_HeaderName, _HeaderValue], Field(max_length=20, examples=[{"X-Version": "2026-01"}])] = {}
    """Headers without secrets."""
    secret: ProviderSecret | None = None
    """A header with a secret, if it takes one."""
    results: Path = ""
    """Where in its answer the list of results is, or the only result."""
    fields: Annotated[
        dict[Slug, Path],
        Field(min_length=1, max_length=20, examples=[{"full_name": "name", "email": "emails.0.value"}]),
    ]
    """Which of our fields is where in a result."""
    price: Money = Decimal(0)
    """What a call costs, in the run's currency."""
    charges: Literal["call", "result"] = "call"
    """Whether each answer is charged, or only one in which something is found."""
    repeatable: bool | None = None
    """Whether the same call may be made again where it is unknown what came of the first, because the provider heeds the header
    ``Idempotency-Key``, or because it only reads; GET is, unless said otherwise."""
    timeout_seconds: Annotated[float, Field(ge=0.1, le=30)] = 10.0
    """How long it may take to answer."""

    @model_validator(mode="after")
    def _body_is_posted(self) -> "HttpSettings":
        if self.body is not None and self.method != "POST":
            raise ValueError("a body is sent with POST only: set method, or use query")
        return self


class CsvSettings(_Setting):
    """A file of the tenant's own in the folder that the operator names (``LEADLOOP_PROVIDER_FILES``), in UTF-8 with a header."""

    file: Annotated[
        str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.csv$", examples=["companies.csv"])
    ]
    """Its name in the tenant's folder."""
    match: Annotated[dict[str, Template], Field(max_length=20, examples=[{"Website": "{company.domain}"}])] = {}
    """Of which rows: by column, what its value must be; letters' case and spaces around make no difference."""
    fields: Annotated[dict[Slug, Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=20,
                      examples=[{"full_name": "Name", "title": "Job title"}])]  # fmt: skip
    """Which of our fields is in which column."""


class PatternSettings(_Setting):
    """Makes e-mail addresses of names and the company's domain; each comes with how often its pattern proved right."""

    patterns: Annotated[
        dict[Pattern, Share], Field(min_length=1, max_length=20, examples=[{"{first}.{last}": 0.5}])
    ] = {
        "{first}.{last}": 0.5,
        "{f}{last}": 0.3,
        "{first}": 0.2,
        "{first}{last}": 0.15,
        "{first}_{last}": 0.1,
    }
    """Each with its confidence where nothing is known of the domain, see `set_pattern_confidence`."""
    least_confidence: Share = 0.1
    """Below it no address is taken; of a pattern without any confidence none ever is."""


class ProviderView(Reply):
    """A provider as it is set."""

    provider: Slug
    """What the tenant calls it."""
    kind: ProviderKind
    """How it is asked."""
    settings: Annotated[dict[str, Any], Field(examples=[{"file": "companies.csv", "fields": {"domain": "Website"}}])]
    """As it was set; a secret is named, never shown."""
    updated_at: datetime
    """When it was set."""


_SET: JsonDict = {
    "provider": "people",
    "http": {
        "url": "https://api.example.com/v1/companies/{company.domain}/people",
        "query": {"title": "{criteria.title?}"},
        "secret": {"prefix": "Bearer ", "variable": "FINDER_KEY"},
        "results": "data.people",
        "fields": {"full_name": "name", "title": "position", "email": "emails.0.value"},
        "price": "0.10",
    },
}


class SetProvider(Request[ProviderView]):
    """Set a provider of the tenant's, in the place of what was called so: as one of `http`, `csv` and `pattern`.

    Runs under way go on with it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SET]})

    topic: ClassVar = Topic("intake", Kind.REQUEST, "set_provider")
    provider: Slug
    """What the tenant calls it."""
    http: HttpSettings | None = None
    """A service that is asked over HTTP."""
    csv: CsvSettings | None = None
    """A file of the tenant's own."""
    pattern: PatternSettings | None = None
    """E-mail addresses made by patterns."""

    @model_validator(mode="after")
    def _is_one(self) -> "SetProvider":
        if sum(settings is not None for settings in (self.http, self.csv, self.pattern)) != 1:
            raise ValueError("give one of http, csv and pattern")
        return self


class ProviderList(Reply):
    """A tenant's providers."""

    providers: list[ProviderView]
    """By name."""


class ListProviders(Request[ProviderList]):
    """The providers of a tenant."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_providers")


class ProviderDeletionResult(Reply):
    """There is no such provider any more."""

    deleted: bool
    """Whether this call deleted it."""


class DeleteProvider(Request[ProviderDeletionResult]):
    """Delete a provider. A run that comes to it fails, and can be resumed once it is set again."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "delete_provider")
    provider: Slug
    """What the tenant calls it."""


class PatternView(Reply):
    """How far a pattern is trusted in a domain."""

    domain: str
    """The domain of the e-mail addresses."""
    pattern: str
    """What stands before the at sign."""
    confidence: float
    """From 0 to 1."""
    updated_at: datetime
    """When that was seen."""


class SetPatternConfidence(Request[PatternView]):
    """Say how far a pattern is trusted in a domain; a bounce sets it to 0, and it is used no more from that moment."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "set_pattern_confidence")
    domain: Domain
    """The domain of the e-mail addresses."""
    pattern: Pattern
    """What stands before the at sign."""
    confidence: Share
    """From 0, never right, to 1, always."""
    observed_at: Moment | None = None
    """When that was seen: what is known since later stays. Now, if empty."""
