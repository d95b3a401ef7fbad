"""A message as it came off the wire, and as a handler sees it."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from contracts.catalogue import by_type
from contracts.message import Envelope, Message, Reply, UnreadableError, brings_id

if TYPE_CHECKING:  # whoever only sends messages needs no database
    from chassis.unit_of_work import UnitOfWork

M = TypeVar("M", bound=Message)

_NO_ID = UUID(int=0)
"""Given in the place of an id where none is needed."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A message as the broker delivered it; nothing in it has been checked.

    Attributes:
        received: when the broker took it in, or a request came in here (UTC).
        sender: who sent it, on the broker's word and not on the message's: an upstream's name, or whoever asks a
            request; none for a command or an event from within.
    """

    subject: str
    headers: Mapping[str, str]
    body: bytes
    received: datetime
    sender: str | None = None

    @property
    def type(self) -> str:
        """What the subject says that the message is."""
        return self.subject.rpartition(".")[0]

    @property
    def tenant(self) -> str:
        """What the subject says whose it is: its last token, which the broker's permissions pin."""
        return self.subject.rpartition(".")[2]

    def packed(self) -> bytes:
        """Subject, headers, sender and body in one, to be sealed and kept."""
        around = {"subject": self.subject, "headers": dict(self.headers)} | (
            {"sender": self.sender} if self.sender else {}
        )
        envelope = json.dumps(around).encode()
        return len(envelope).to_bytes(4, "big") + envelope + self.body

    @classmethod
    def unpacked(cls, content: bytes, received: datetime) -> "Wire":
        """What was packed, with its sender: whoever has it handled again does not answer for what it says."""
        end = 4 + int.from_bytes(content[:4], "big")
        envelope = json.loads(content[4:end])
        # What an earlier version packed names no sender.
        return cls(envelope["subject"], envelope["headers"], content[end:], received, envelope.get("sender"))

    @property
    def digest(self) -> bytes:
        """16 bytes that tell one body from another."""
        return blake2b(self.body, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """A message a handler is given: its envelope and its decoded body."""

    envelope: Envelope
    body: M
    wire: Wire = field(repr=False)

    @property
    def id(self) -> UUID:
        return self.envelope.id

    @property
    def tenant(self) -> str:
        return self.envelope.tenant


Handler = Callable[["UnitOfWork", Sequence[Received[Any]]], Awaitable[None]]
"""Handles a batch of the messages it is registered for, in stream order, within the unit of work it is given."""

Answer = Callable[["UnitOfWork", Received[Any]], Awaitable[Reply]]
"""Answers one request within the unit of work it is given; refuses it with `contracts.message.ProblemError`."""


def decode(wire: Wire, unnamed: UUID) -> Received[Any]:
    """Read envelope and body; `unnamed` is the id of a message that brings none.

    Raises:
        UnreadableError: the message breaks its contract; the text names the fields, never their values.
    """
    envelope = Envelope.read(wire.subject, wire.headers, wire.received, unnamed)
    entry = by_type().get(envelope.type)
    if entry is None:
        raise UnreadableError(f"no message is called {envelope.type}")
    try:
        body = entry.message.model_validate_json(wire.body)
    except ValidationError as error:
        raise UnreadableError(explain(error)) from None
    return Received(envelope, body, wire)


class Read(NamedTuple):
    """A message as it came, and what it says, read as soon as it came: while the database works on what came before it.

    Attributes:
        message: what it says, or why it cannot be read; none where its id takes the service's secret (`chassis.ids`).
    """

    wire: Wire
    message: Received[Any] | UnreadableError | None


def read(wire: Wire) -> Read:
    """Read a message that brings its id."""
    if not brings_id(wire.headers):
        return Read(wire, None)
    try:
        return Read(wire, decode(wire, _NO_ID))
    except UnreadableError as error:
        return Read(wire, error)


def explain(error: ValidationError) -> str:
    """What is wrong with which field, without the values that were given."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{place(detail['loc'])}: {detail['msg']}{meant(detail)}" for detail in details[:5])


def place(location: tuple[int | str, ...]) -> str:
    """The path of a field. A name that no contract has is its sender's, and may be anybody's: it is shown as ``?``."""
    known = _names()
    return ".".join(str(part) if isinstance(part, int) or part in known else "?" for part in location) or "body"


def meant(detail: Mapping[str, Any]) -> str:
    """Of an unknown field: that it is one, and which it was probably meant as; of other flaws nothing."""
    if detail["type"] != "extra_forbidden":
        return ""
    name = str(detail["loc"][-1])
    near = get_close_matches(name, _names(), n=1)
    return f" (an unknown field; did you mean {near[0]}?)" if near else " (an unknown field)"


@cache
def _names() -> frozenset[str]:
    """The name of every field of every message."""
    _, schema = models_json_schema([(entry.message, "validation") for entry in by_type().values()])
    return frozenset(name for model in schema["$defs"].values() for name in model.get("properties", ()))


def encode(model: BaseModel) -> bytes:
    """The model's JSON, as it travels."""
    return model.__pydantic_serializer__.to_json(model)
