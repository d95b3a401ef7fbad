"""Which events are asked for, and where a page of them begins. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from contracts.aggregator.events import ListEvents
from contracts.catalogue import by_type
from contracts.message import Kind, ProblemCode, ProblemError

_IDS: Final = ("lead_id", "campaign_id", "account_id", "correlation_id")
FEW: Final = frozenset({"lead_id", "correlation_id"})
"""Of one of these there are few events, and an index that has them as they were told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events.

    Attributes:
        ids: what they are about or follow from, by the column that says so.
        types: CloudEvents types; every one, if empty.
        since, until: when they occurred, from the one moment on and before the other.
        told_since, told_until: when they were told, likewise.
    """

    ids: Mapping[str, UUID]
    types: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    told_since: datetime | None = None
    told_until: datetime | None = None

    @classmethod
    def of(cls, ask: ListEvents) -> "Wanted":
        """What is asked for.

        Raises:
            ProblemError: `invalid`, no event is called so.
        """
        ids = {name: value for name in _IDS if (value := getattr(ask, name)) is not None}
        types = tuple(dict.fromkeys(_types(ask.types)))
        return cls(ids, types, ask.since, ask.until, ask.told_since, ask.told_until)

    @property
    def order(self) -> "Order":
        """Which of them come first."""
        occurred = self.types or self.since or self.until or self.ids.keys() - FEW
        return Order.OCCURRED if occurred else Order.TOLD

    def position(self, text: str) -> "Position":
        """A position in their order, from its text.

        Raises:
            ValueError: it is none.
        """
        at, mark, id_ = text.partition(_MARKS[self.order])
        if not mark:
            raise ValueError("a position in another order")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return Position(self.order, moment, UUID(id_))

    def position_of(self, row: Mapping[Any, Any]) -> "Position":
        """Where an event stands in their order."""
        return Position(self.order, row[self.order], row["event_id"])


class Order(StrEnum):
    """What events are ordered by, the last first: a moment of theirs, by its column."""

    OCCURRED = "occurred_at"
    TOLD = "told_at"


_MARKS: Final = {Order.OCCURRED: "~", Order.TOLD: "!"}
"""What parts a position's moment from its id tells which order it is in."""


class Position(NamedTuple):
    """Where an event stands in an order: those of one moment by their ids, in which they were made."""

    order: Order
    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}{_MARKS[self.order]}{self.id}"


def _types(names: Iterable[str]) -> Iterator[str]:
    """The CloudEvents types that names stand for; a type is taken as it is, for events outlive what tells them."""
    for name in names:
        if "." in name:
            yield name
            continue
        found = [
            type_ for type_, entry in by_type().items() if entry.topic.kind is Kind.EVENT and entry.topic.name == name
        ]
        if not found:
            raise ProblemError(ProblemCode.INVALID, f"no event is called {name}: docs/messages.md lists them", "types")
        yield from found
