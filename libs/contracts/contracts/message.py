"""What a message is: its topic, its envelope, and what makes one unreadable.

An envelope is CloudEvents 1.0 in binary mode: the attributes travel as NATS headers (``ce-*``), the body is the
model's JSON. The tenant is the subject's last token, because the broker's permissions pin it there.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha1
from typing import ClassVar, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter

TENANT_PATTERN: Final = r"^[a-z0-9-]{1,63}$"
PLATFORM: Final = "_"
"""Takes the tenant's place in the subject of a message that concerns the installation; no tenant can be called so."""
EACH_SERVICE: Final = "*"
"""The owner of a message that every service has under its own name (dead letters, jobs, health)."""

_DOTS: Final = 4
"""Of a subject: owner, kind, name, version and tenant."""
_TENANT = re.compile(TENANT_PATTERN)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_IDS_FROM_CONTENT: Final = UUID("6a2f3d0e-5b86-4a55-9a52-6d1d3c1c7f10")
_VERSION_AND_VARIANT: Final = UUID("00000000-0000-f000-c000-000000000000").int
_VERSION_8: Final = UUID("00000000-0000-8000-8000-000000000000").int
_read_uuid: Final[Callable[[str], UUID]] = TypeAdapter(UUID).validator.validate_python
"""An id from its text, in a fifth of the time that `UUID` takes; what is none is a `ValueError` there as here."""


def is_tenant(name: str) -> bool:
    """Whether a tenant can be called so: a slug of 1 to 63 lower-case letters, digits and hyphens."""
    return _TENANT.fullmatch(name) is not None


class Kind(StrEnum):
    EVENT = "event"
    """A fact, in the past tense, published by its owner only."""
    COMMAND = "command"
    """An order to its owner, from anyone who is allowed to give it."""
    REQUEST = "request"
    """A question or an order whose caller waits for the typed reply."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Where a message is published: ``<owner>.<kind>.<name>.v<major>.<tenant>``."""

    owner: str
    kind: Kind
    name: str
    major: int = 1

    @property
    def type(self) -> str:
        """The CloudEvents type: the subject without its tenant."""
        return f"{self.owner}.{self.kind}.{self.name}.v{self.major}"

    @property
    def every_tenant(self) -> str:
        """The subject filter that matches this topic for every tenant."""
        return f"{self.type}.*"

    def subject(self, tenant: str) -> str:
        """The subject for one tenant.

        Raises:
            ValueError: the tenant is no slug of 1 to 63 lower-case letters, digits and hyphens.
        """
        if tenant != PLATFORM and not is_tenant(tenant):
            raise ValueError(f"tenant {tenant!r} is not a slug: 1 to 63 lower-case letters, digits and hyphens")
        return f"{self.type}.{tenant}"

    def signed(self, tenant: str, upstream: str) -> str:
        """What the broker makes of the subject when it stores an upstream's command: the upstream's name is appended.

        `read_signed` takes it off again; see docs/adr/0012-the-broker-signs-for-upstreams.md.
        """
        return f"{self.type}.{tenant}.{upstream}"

    def owned_by(self, service: str) -> "Topic":
        """This topic as one service has it, where each service has its own."""
        return Topic(service, self.kind, self.name, self.major) if self.owner == EACH_SERVICE else self


def read_signed(subject: str) -> tuple[str, str | None]:
    """A subject as its sender published it, and the upstream that sent it, where one did."""
    if subject.count(".") == _DOTS:
        return subject, None
    published, _, upstream = subject.rpartition(".")
    return published, upstream


class Message(BaseModel):
    """Anything that travels between services; ``topic`` is its stable name, whatever the class is called."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")
    topic: ClassVar[Topic]


class Event(Message):
    """A fact. Unknown fields are ignored, so that a producer may add optional ones (tolerant reader)."""

    # A process meets a few of all messages: what validates one is built when it is first met, which takes some milliseconds.
    model_config = ConfigDict(extra="ignore", defer_build=True)


class Command(Message):
    """An order. Unknown fields are refused: a misspelt one would be an order not carried out."""

    model_config = ConfigDict(extra="forbid")


class Reply(BaseModel):
    """What a request is answered with. Unknown fields are ignored, as in an event."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


R = TypeVar("R", bound=Reply)


class Request(Message, Generic[R]):
    """A question whose caller waits. Unknown fields are refused, as in a command."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def reply_type(cls) -> type[R]:
        """The class of the reply.

        Raises:
            TypeError: the request was declared without one.
        """
        for base in cls.__mro__:
            arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args", ())
            if arguments:
                reply: type[R] = arguments[0]
                return reply
        raise TypeError(f"{cls.__name__} must be declared as Request[SomeReply]")


class ProblemCode(StrEnum):
    """Why a request was not carried out; the gateway translates each to one HTTP status."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    """Try again later; where a rate limit is why, the problem holds its `Allowance`."""
    INTERNAL = "internal"


class Allowance(BaseModel):
    """What is left of a rate limit, as the RateLimit header fields tell it (draft-ietf-httpapi-ratelimit-headers)."""

    model_config = ConfigDict(frozen=True)

    limit: int
    """How many are allowed in a window."""
    window_seconds: int
    """How long the window is."""
    remaining: int
    """How many are allowed at once now."""
    reset_seconds: int
    """Seconds until more are; after a refusal, until it is worth trying again."""


class Problem(Reply):
    """The typed error of a request: what was wrong, where, and what to do. It never quotes what was submitted."""

    code: ProblemCode
    message: str
    field: str | None = None
    allowance: Allowance | None = None
    """Of the rate limit that was exceeded; none where something else is wrong."""


class ProblemError(Exception):
    """Raised by whoever answers a request to refuse it, and at the caller when it was refused."""

    def __init__(
        self, code: ProblemCode, message: str, field: str | None = None, allowance: Allowance | None = None
    ) -> None:
        super().__init__(message)
        self.problem = Problem(code=code, message=message, field=field, allowance=allowance)


class UnreadableError(Exception):
    """The message can never be handled: its envelope or its body breaks the contract. ``str()`` holds no content."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of a message besides its body.

    Attributes:
        id: identity; the same id is the same message, whatever its body.
        type: the topic's type, e.g. ``intake.event.lead_accepted.v1``.
        tenant: from the subject, which the broker's permissions pin.
        time: when it was published (UTC).
        correlation_id: shared by everything that follows from one cause outside.
        causation_id: the message that led to this one.
        traceparent: W3C trace context.
    """

    id: UUID
    type: str
    tenant: str
    time: datetime
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None

    @property
    def subject(self) -> str:
        return f"{self.type}.{self.tenant}"

    @property
    def headers(self) -> dict[str, str]:
        """The NATS headers: CloudEvents attributes, its correlation extensions, and the de-duplication id."""
        id_ = str(self.id)
        headers = {
            "Nats-Msg-Id": id_,
            "ce-specversion": "1.0",
            "ce-id": id_,
            "ce-type": self.type,
            "ce-source": f"/leadloop/{self.type.partition('.')[0]}",
            "ce-time": self.time.isoformat(),
            "ce-tenantid": self.tenant,
            "content-type": "application/json",
            "correlationid": str(self.correlation_id),
        }
        if self.causation_id:
            headers["causationid"] = str(self.causation_id)
        if self.traceparent:
            headers["traceparent"] = self.traceparent
        return headers

    @classmethod
    def read(cls, subject: str, headers: Mapping[str, str] | None, received: datetime, unnamed: UUID) -> "Envelope":
        """Read the envelope of a received message.

        A message without headers is complete: its id is `unnamed`, its time is `received`.
        What is no `traceparent` is dropped, as W3C Trace Context (3.2) asks: it is copied into every event that follows.

        Raises:
            UnreadableError: the subject is not ours, a header is malformed, or a header disagrees with the subject.
        """
        type_, _, tenant = subject.rpartition(".")
        if tenant != PLATFORM and not is_tenant(tenant):
            raise UnreadableError(f"the subject's last token is not a tenant: {type_}")
        headers = headers or {}
        try:
            id_ = given_id(headers) or unnamed
            time = datetime.fromisoformat(headers["ce-time"]) if "ce-time" in headers else received
            correlation = _read_uuid(headers["correlationid"]) if "correlationid" in headers else id_
            causation = _read_uuid(headers["causationid"]) if "causationid" in headers else None
        except ValueError:
            raise UnreadableError("a header is malformed: ids must be UUIDs, ce-time RFC 3339") from None
        if time.tzinfo is None:
            raise UnreadableError("ce-time has no time zone")
        try:
            time = time.astimezone(UTC)
        except OverflowError:
            raise UnreadableError("ce-time is out of range: it must be within the years 1 to 9999 in UTC") from None
        if headers.get("ce-tenantid", tenant) != tenant:
            raise UnreadableError("the header ce-tenantid disagrees with the subject's tenant")
        if headers.get("ce-type", type_) != type_:
            raise UnreadableError("the header ce-type disagrees with the subject")
        traceparent = headers.get("traceparent", "")
        return cls(
            id_,
            type_,
            tenant,
            time,
            correlation,
            causation,
            traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        )


def given_id(headers: Mapping[str, str]) -> UUID | None:
    """The id that a message brings, if it brings one.

    Raises:
        ValueError: it is no UUID.
    """
    given = _given_id(headers)
    return _read_uuid(given) if given else None


def brings_id(headers: Mapping[str, str]) -> bool:
    """Whether a message brings an id, or something in its place."""
    return bool(_given_id(headers))


def _given_id(headers: Mapping[str, str]) -> str | None:
    return headers.get("ce-id") or headers.get("Nats-Msg-Id")


def id_from_content(*parts: str | bytes) -> UUID:
    """A UUIDv5 of the parts: the same content has the same id, wherever and whenever it is made (RFC 9562).

    Whoever guesses the parts can make sure of it by the id. Where they hold anything personal, it takes a `keyed_id`.
    """
    return UUID(bytes=sha1(_IDS_FROM_CONTENT.bytes + _framed(parts), usedforsecurity=False).digest()[:16], version=5)


def keyed_id(key: bytes, *parts: str | bytes) -> UUID:
    """A UUIDv8 (RFC 9562, 5.8) of the parts: 122 bits of their HMAC-SHA256. Without the key no guess can be confirmed."""
    digest = int.from_bytes(hmac.digest(key, _framed(parts), "sha256")[:16], "big")
    return UUID(int=digest & ~_VERSION_AND_VARIANT | _VERSION_8)


def _framed(parts: Iterable[str | bytes]) -> bytes:
    """The parts in one, so that no others come to the same."""
    return b"".join(
        len(part).to_bytes(8, "big") + part
        for part in (part.encode() if isinstance(part, str) else part for part in parts)
    )
