"""Every body that crosses from one service to another: its name, its class, who writes it and who reads it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel

from contracts.catalogue import CATALOGUE, OPERATOR, SERVICES, UPSTREAM, Entry
from contracts.compatibility import Schema
from contracts.documents.schema import schema_of
from contracts.message import Kind, Problem, Request, Topic

OWNER_OF_EACH = "each_service"
"""Stands for the owner in the name of a message that every service has under its own."""


@dataclass(frozen=True)
class Contract:
    """One body: a message, the reply to a request, or the problem that answers a refused one.

    Attributes:
        name: what it is frozen under: the message's type, and for its reply ``<type>.reply``.
        topic: the topic of the message, or of the request it answers; none for the problem.
        senders: who writes it.
        readers: who reads it.
        watchers: who hears it as it is published, if somebody looks at that moment.
    """

    name: str
    model: type[BaseModel]
    topic: Topic | None
    senders: tuple[str, ...]
    readers: tuple[str, ...]
    watchers: tuple[str, ...] = ()

    @property
    def is_reply(self) -> bool:
        return self.topic is not None and self.name != type_of(self.topic)

    @property
    def written_by_owner(self) -> bool:
        """True for an event, a reply and the problem: what they say, their readers must be able to read."""
        return self.topic is None or self.topic.kind is Kind.EVENT or self.is_reply

    @cached_property
    def schema(self) -> Schema:
        return schema_of(self.model)

    @property
    def summary(self) -> str:
        """The first line of what the class says of itself."""
        return (self.model.__doc__ or "").strip().partition("\n")[0]

    @property
    def successor(self) -> str:
        """The name of the next major version."""
        return re.sub(r"\.v(\d+)", lambda match: f".v{int(match[1]) + 1}", self.name, count=1)


def type_of(topic: Topic) -> str:
    """The topic's type, readable also where every service has its own."""
    return topic.owned_by(OWNER_OF_EACH).type


def contracts_of(catalogue: Iterable[Entry] = CATALOGUE) -> dict[str, Contract]:
    """Every body under its name: the messages in the catalogue's order, each request followed by its reply."""
    found: dict[str, Contract] = {}
    parties: dict[type[BaseModel], tuple[set[str], set[str]]] = {}
    entries = list(catalogue)
    for entry in entries:
        sending, reading = parties.setdefault(entry.message, (set(), set()))
        sending.update(entry.senders)
        reading.update(entry.readers)
    for entry in entries:
        topic = entry.message.topic
        name = type_of(topic)
        senders, readers = map(_in_order, parties[entry.message])
        found[name] = Contract(name, entry.message, topic, senders, readers, entry.watchers)
        if issubclass(entry.message, Request):
            reply = f"{name}.reply"
            found[reply] = Contract(reply, entry.message.reply_type(), topic, readers, senders)
    problem = "problem.v1"
    found[problem] = Contract(problem, Problem, None, SERVICES, (*SERVICES, OPERATOR, UPSTREAM))
    return found


def _in_order(parties: set[str]) -> tuple[str, ...]:
    return tuple(party for party in (*SERVICES, OPERATOR, UPSTREAM) if party in parties)
