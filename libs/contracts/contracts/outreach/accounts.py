"""Messages of outreach: the accounts that messages leave from."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import CHANNEL_OF, Channel, SendKind
from contracts.values import NO_NUL, Actor, Slug

DAILY_LIMITS: Final = {
    SendKind.EMAIL: 100,
    SendKind.CONNECTION_REQUEST: 20,
    SendKind.LINKEDIN_MESSAGE: 40,
    SendKind.SMS: 100,
}
"""Messages a day and account, where no other limit is set (implementation tasklist, 8). Of SMS half of the 200 recipients up to which
CTIA takes a number's messages for a person's (Messaging Principles and Best Practices)."""


SecretName = Annotated[str, Field(max_length=64, pattern=r"^[A-Z0-9]+(?:_[A-Z0-9]+)*$", examples=["SALES_1"])]
"""The end of a secret's name."""


class AccountState(StrEnum):
    """Whether an account sends, as far as people decide it."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Transport(StrEnum):
    """By what an account's messages leave."""

    SANDBOX = "sandbox"
    """Nobody is contacted: it keeps a record of what it was handed, and refuses some of it."""
    SMTP = "smtp"
    """A mail server of the tenant's."""
    HTTP = "http"
    """A service that the tenant names, over HTTP: whatever the channel."""


class SmtpSecurity(StrEnum):
    """How the connection to a mail server is encrypted. A certificate that is not the host's is refused either way."""

    STARTTLS = "starttls"
    """After a greeting in clear."""
    TLS = "tls"
    """From the first byte (RFC 8314)."""
    NONE = "none"
    """Not at all: without a password, and only where the operator allows the host."""


class Dkim(BaseModel):
    """What an account's e-mails are signed with (RFC 6376), by the sender's own key rather than by its mail server."""

    model_config = ConfigDict(frozen=True)

    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$", examples=["example.com"])]
    """The domain that answers for them: that of the account's address, or one above it, or verifiers take it for somebody else's."""
    selector: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$", examples=["sales1"])]
    """The public key stands in the DNS under ``<selector>._domainkey.<domain>``."""
    private_key: SecretName
    """The end of the name of the environment variable of outreach's that holds the private key, as PEM without a password: RSA of 1024
    bits or more, or Ed25519. Its line ends may be written as ``\\n``. It is never told, stored or logged."""


class NewDkim(Dkim):
    """A signature as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")


class SmtpServer(BaseModel):
    """The mail server that an account's messages leave by.

    It is a public host, or one that the operator allows (``LEADLOOP_PROVIDER_HOSTS``).
    """

    model_config = ConfigDict(frozen=True)

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$", examples=["smtp.example.com"])]
    """Its name."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """Where it listens."""
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    """How the connection is encrypted."""
    password: SecretName | None = None
    """The end of the name of the environment variable of outreach's that holds the password of the account's address: of a tenant
    ``acme-eu``, ``LEADLOOP_PROVIDER_SECRET__ACME_EU__SALES_1``. It is never told, stored or logged. Without one nobody logs in."""
    dkim: Dkim | None = None
    """What its e-mails are signed with; not at all, if empty: most mail servers sign by themselves."""

    @model_validator(mode="after")
    def _password_is_hidden(self) -> "SmtpServer":
        if self.password and self.security is SmtpSecurity.NONE:
            raise ValueError("a password would travel in clear: set security to starttls or tls")
        return self


class NewSmtpServer(SmtpServer):
    """A mail server as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")
    dkim: NewDkim | None = None
    """What its e-mails are signed with; not at all, if empty: most mail servers sign by themselves."""


class HttpService(BaseModel):
    """The service that an account's messages are posted to, each as JSON.

    It is a public host that speaks https, or one that the operator allows (``LEADLOOP_PROVIDER_HOSTS``). A redirect is not followed.
    """

    model_config = ConfigDict(frozen=True)

    url: Annotated[
        str,
        Field(
            max_length=1000,
            pattern=r"^https?://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?(?:[/?][!$-~]*)?$",
            examples=["https://messages.example.com/v1/send"],
        ),
    ]
    """Where to."""
    secret: SecretName | None = None
    """The end of the name of the environment variable of outreach's that holds the key that messages are signed with, as Standard
    Webhooks write it (``whsec_`` and 24 bytes or more in Base64): of a tenant ``acme-eu``,
    ``LEADLOOP_PROVIDER_SECRET__ACME_EU__SALES_1``. It is never told, stored or logged. Without one nothing is signed."""

    @field_validator("url")
    @classmethod
    def _has_a_port_that_there_is(cls, url: str) -> str:
        try:
            urlsplit(url).port  # noqa: B018 - it raises
        except ValueError:
            raise ValueError(
                "its port, or its address, is none; write it like https://messages.example.com/v1/send"
            ) from None
        return url


class NewHttpService(HttpService):
    """A service as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")


Share = Annotated[float, Field(ge=0, le=1)]
"""Of all messages, 0 to 1."""


class SandboxBehaviour(BaseModel):
    """How the sandbox treats an account's messages; which of them meet with what follows from their ids alone."""

    model_config = ConfigDict(frozen=True)

    refuses: Share = 0.02
    """The share that it refuses for good, as mailboxes that there are none of: as much as a list that is kept well bounces."""
    throttles: Share = 0
    """The share for which it asks the account to slow down, the first time that it is handed them."""
    wants_a_person: Share = 0
    """The share for which it wants to see a person, the first time that it is handed them."""
    loses: Share = 0
    """The share that it takes and does not answer to, so that nobody knows whether they were sent."""
    takes_seconds: Annotated[float, Field(ge=0, le=60)] = 0
    """How long it takes for each."""


class NewSandbox(SandboxBehaviour):
    """The sandbox as it is ordered to behave: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")


class AccountSettings(BaseModel):
    """How an account sends."""

    model_config = ConfigDict(frozen=True)

    time_zone: str = "UTC"
    """IANA name; where the account's day begins, and its hours where the recipient's are not known."""
    rotation_set: Slug = "default"
    """Which campaigns it sends for: those with the same."""
    daily_limits: Annotated[
        dict[SendKind, Annotated[int, Field(ge=0, le=1_000_000)]], Field(examples=[{"email": 60}])
    ] = {}
    """Messages a day by kind, where they are not the usual ones."""
    least_gap_minutes: Annotated[float, Field(ge=0, le=1440)] = 6
    """How long after a message the next one leaves, at least (implementation tasklist, 8)."""
    most_gap_minutes: Annotated[float, Field(ge=0, le=1440)] = 16
    """How long at most; each time at random between the two."""
    warm_up_began: Annotated[date, Field(examples=["2026-12-01"])] | None = None
    """The first day of a new account's ramp, by its own clock: 5 messages of a kind on it, and the daily limit after four weeks; no
    ramp, if empty."""

    def daily_limit(self, kind: SendKind) -> int:
        return self.daily_limits.get(kind, DAILY_LIMITS[kind])

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("not an IANA time zone; write one like Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _least_is_not_more_than_most(self) -> "AccountSettings":
        if self.least_gap_minutes > self.most_gap_minutes:
            raise ValueError("least_gap_minutes is more than most_gap_minutes")
        return self


class NewAccountSettings(AccountSettings):
    """How an account is ordered to send: a misspelt field is refused, or it would stay at its usual value."""

    model_config = ConfigDict(extra="forbid")


class GuardStop(BaseModel):
    """That too much of what was sent came back, or was complained about, so that nothing more is until a person says so."""

    reason: Slug
    """Of what there was too much: ``bounces``, ``complaints`` or ``unsubscribes``."""
    why: str
    """In plain words."""
    stopped_at: datetime
    """When."""


class DayAllowance(BaseModel):
    """How many messages of a kind may leave an account on its day, whatever campaigns allow."""

    messages: int
    """In all; `sent_today` says how many of them have left, or may have."""
    cause: Annotated[Slug, Field(examples=["warm_up"])]
    """What says so: its ``daily_limit``, the ramp of a new account (``warm_up``), or that of one that was blocked (``recovery``)."""
    why: str
    """In plain words."""


class AccountView(Reply):
    """An account as it is now."""

    account_id: UUID
    title: str
    channel: Channel
    transport: Transport
    smtp: SmtpServer | None = None
    """The mail server that its messages leave by."""
    http: HttpService | None = None
    """The service that its messages are posted to."""
    sandbox: SandboxBehaviour | None = None
    """How the sandbox treats its messages; as usual, if empty."""
    state: AccountState
    settings: AccountSettings
    """How it sends."""
    health: Annotated[int, Field(ge=0, le=100)]
    """0 to 100, computed from its last sends: below 30 it sends nothing until it is 50 again, or somebody resumes it."""
    blocked: bool
    """Whether its health keeps it from sending."""
    throttled_until: datetime | None = None
    """Until when its provider wants it to send nothing."""
    wants_a_person: bool = False
    """Whether its provider wants to see a person before it sends anything more: resume it when it has."""
    domain_stopped: GuardStop | None = None
    """Why it and all others of its address's domain send nothing: resume any of them, and all go on."""
    provider_away_until: datetime | None = None
    """Before when its provider, which did not answer, is not tried again."""
    sent_today: dict[SendKind, int]
    """What has left it since its day began, or may have, by kind."""
    allowed_today: dict[SendKind, DayAllowance] = {}
    """How much may leave it on its day, by kind."""
    day_ends_at: datetime | None = None
    """When its day ends, by its own clock."""
    next_at: datetime | None = None
    """Before when nothing leaves it, because of the gap."""
    created_at: datetime


_ACCOUNT: dict[str, Any] = {
    "title": "Sales 1",
    "channel": "email",
    "address": "ada@example.com",
    "sender_name": "Ada of Example",
    "transport": "smtp",
    "smtp": {"host": "smtp.example.com", "port": 587, "security": "starttls", "password": "SALES_1"},
    "settings": {"time_zone": "Europe/Berlin", "daily_limits": {"email": 60}, "warm_up_began": "2026-11-02"},
    "actor": "user:7",
}


class SetAccount(Request[AccountView]):
    """Add an account, or change the one with this id; what is left out stays, or has its usual value."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "set_account")
    model_config = ConfigDict(json_schema_extra={"examples": [_ACCOUNT]})
    account_id: UUID | None = None
    """Which one; a new one, if empty."""
    title: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL, examples=["Sales 1"])] | None = None
    """How people call it."""
    channel: Channel | None = None
    """What it reaches people by; a new one's must be given, and it never changes."""
    address: (
        Annotated[str, Field(min_length=1, max_length=320, pattern=NO_NUL, examples=["ada@example.com"])] | None
    ) = None
    """The mailbox, the profile or the number its messages come from; never told in an event."""
    sender_name: (
        Annotated[str, Field(max_length=100, pattern=r"^[^\x00\r\n]*$", examples=["Ada of Example"])] | None
    ) = None
    """What is shown beside the address."""
    transport: Transport | None = None
    """By what its messages leave; a new one's by the sandbox, if empty."""
    smtp: NewSmtpServer | None = None
    """The mail server, of an account that sends by one."""
    http: NewHttpService | None = None
    """The service, of an account whose messages are posted to one."""
    sandbox: NewSandbox | None = None
    """How the sandbox is to treat its messages, of an account that sends into it; as usual, if empty."""
    settings: NewAccountSettings | None = None
    """How it is to send; a new one as usual, if empty."""
    actor: Actor | None = None
    added_as: UUID | None = None
    """The id of a new one, a UUIDv7 that was never used, so that it is added once; one of ours, if empty."""

    @model_validator(mode="after")
    def _limits_are_of_its_channel(self) -> "SetAccount":
        if self.account_id is None and (self.channel is None or self.title is None or self.address is None):
            raise ValueError("a new account needs title, channel and address")
        if self.transport is Transport.SMTP and self.smtp is None:
            raise ValueError("an account that sends by smtp needs smtp: its server")
        if self.transport is Transport.HTTP and self.http is None:
            raise ValueError("an account that sends by http needs http: the service")
        transport = self.transport or (None if self.account_id else Transport.SANDBOX)
        if transport and (others := self.settings_of_others(transport)):
            raise ValueError(
                f"an account that sends by {transport} has no {', '.join(others)}: leave it out, or set transport"
            )
        if self.channel not in (None, Channel.EMAIL) and self.transport is Transport.SMTP:
            raise ValueError("only e-mail is sent by smtp")
        if self.channel and self.settings:
            others = [kind.value for kind in self.settings.daily_limits if CHANNEL_OF[kind] is not self.channel]
            if others:
                raise ValueError(f"an account of channel {self.channel} sends no {', '.join(others)}")
        return self

    def settings_of_others(self, transport: Transport) -> list[str]:
        """The fields that are given although they set another transport."""
        return [each.value for each in Transport if each is not transport and getattr(self, each.value) is not None]


class AccountList(Reply):
    """Accounts of a tenant."""

    accounts: list[AccountView]
    """Without those that were removed."""
    next_cursor: str | None = None


class ListAccounts(Request[AccountList]):
    """The accounts of a tenant in the order they were added, a page at a time."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_accounts")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class HealthTerm(BaseModel):
    """What one kind of trouble takes from an account's health."""

    trouble: Slug
    """Which."""
    count: int
    """How often it was heard of."""
    sends: int
    """Of how many sends the rate is; more than there were, where there were few."""
    points_lost: float
    """Of 100."""
    why: str
    """In plain words."""


class AccountExplanation(Reply):
    """Why an account's health is what it is."""

    account: AccountView
    """As it is now."""
    terms: list[HealthTerm]
    """Those that cost anything, the dearest first; of an account that nothing bad was heard of, none."""


class ExplainAccount(Request[AccountExplanation]):
    """Why an account's health is what it is, term by term."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "explain_account")
    account_id: UUID


class _OfAccount(Request[AccountView]):
    account_id: UUID
    actor: Actor | None = None
    """Who asks for it."""


class PauseAccount(_OfAccount):
    """Have an account send nothing until it is resumed."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "pause_account")


class ResumeAccount(_OfAccount):
    """Let an account send that was paused, blocked for its health or its domain's bounces, or that its provider wanted a person for.

    All other accounts of a domain that was stopped go on too. What was known of what was blocked goes on counting, but cannot block it
    again; what is heard from then on can.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "resume_account")


class RemoveAccount(_OfAccount):
    """Have an account send nothing any more; what waits for it leaves by another of its rotation set."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "remove_account")


class _AccountEvent(Event):
    account_id: UUID
    occurred_at: datetime


class SendingLimitSet(_AccountEvent):
    """How much an account may send a day, and by what, was set; nothing from when it is removed."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "sending_limit_set")
    channel: Channel
    daily_limits: dict[SendKind, int]
    """By each kind it can send."""
    transport: Transport | None = None
    """By what its messages leave."""
    actor: Actor | None = None


class ThrottleReason(StrEnum):
    """Why an account stops that LeadLoop stops by itself."""

    HEALTH_TOO_LOW = "health_too_low"
    DOMAIN_BOUNCES = "domain_bounces"
    """Too much of what the accounts of its address's domain sent came back."""
    DOMAIN_COMPLAINTS = "domain_complaints"
    """Too many complained about what the accounts of its address's domain sent."""
    PROVIDER_AWAY = "provider_away"
    """Its provider does not answer."""


class AutomationThrottled(_AccountEvent):
    """An account stopped sending because its provider, its health or a guard wants it to."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "automation_throttled")
    reason: Slug
    """Why, as a word for programs: a `ThrottleReason`, or what its provider, or what it is set up with, wants."""
    until: datetime | None = None
    """When it goes on by itself, or its provider is first tried again; empty where it does not."""


class AutomationResumed(_AccountEvent):
    """An account that had stopped sends again."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "automation_resumed")
    actor: Actor | None = None
    """Who had it go on; empty where it did by itself."""


class CaptchaDetected(_AccountEvent):
    """A provider wanted to see a person before an account sends anything more."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "captcha_detected")
