"""A message as it came off the wire, and as a handler sees it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from contracts.catalogue import by_type
from contracts.message import Envelope, Message, Reply, UnreadableError

if TYPE_CHECKING:  # whoever only sends messages needs no database
    from chassis.unit_of_work import UnitOfWork

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Wire:
    """A message as the broker delivered it."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    received: datetime

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


def decode(wire: Wire) -> Received[Any]:
    """Read envelope and body.

    Raises:
        UnreadableError: the message breaks its contract; the text names the fields, never their values.
    """
    envelope = Envelope.read(wire.subject, wire.headers, wire.body, wire.received)
    entry = by_type().get(envelope.type)
    if entry is None:
        raise UnreadableError(f"no message is called {envelope.type}")
    try:
        body = entry.message.model_validate_json(wire.body)
    except ValidationError as error:
        raise UnreadableError(explain(error)) from None
    return Received(envelope, body, wire)


def explain(error: ValidationError) -> str:
    """What is wrong with which field, without the values that were given."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{place(detail['loc'])}: {detail['msg']}" for detail in details[:5])


def place(location: tuple[int | str, ...]) -> str:
    """The path of a field; a name that is no identifier was made up by the sender and may be anybody's, so it is hidden."""
    return ".".join(str(part) if isinstance(part, int) or part.isidentifier() else "?" for part in location) or "body"


def encode(model: BaseModel) -> bytes:
    """The model's JSON, as it travels."""
    return model.__pydantic_serializer__.to_json(model)
