"""Which events are asked for, and where a page of them begins. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from contracts.aggregator.events import ListEvents
from contracts.catalogue import by_type
from contracts.message import Kind, ProblemCode, ProblemError

_IDS: Final = ("lead_id", "campaign_id", "account_id")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events.

    Attributes:
        ids: what they are about, by the column that says so.
        types: CloudEvents types; every one, if empty.
        since, until: when they occurred, from the one moment on and before the other.
    """

    ids: Mapping[str, UUID]
    types: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, ask: ListEvents) -> "Wanted":
        """What is asked for.

        Raises:
            ProblemError: `invalid`, no event is called so.
        """
        ids = {name: value for name in _IDS if (value := getattr(ask, name)) is not None}
        return cls(ids, tuple(dict.fromkeys(_types(ask.types))), ask.since, ask.until)

    @property
    def by_storing(self) -> bool:
        """Whether they come in the order in which they were stored, and not by when they occurred."""
        return not (self.types or self.since or self.until or self.ids.keys() - {"lead_id"})

    def position(self, text: str) -> "Position":
        """A position in their order, from its text.

        Raises:
            ValueError: it is none.
        """
        at, separator, seq = text.rpartition("~")
        if bool(separator) == self.by_storing:
            raise ValueError("a position in another order")
        occurred_at = datetime.fromisoformat(at) if separator else None
        if occurred_at and occurred_at.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return Position(_in_range(int(seq)), occurred_at)

    def position_of(self, row: Mapping[Any, Any]) -> "Position":
        """Where an event stands in their order."""
        return Position(row["seq"], None if self.by_storing else row["occurred_at"])


class Position(NamedTuple):
    """Where an event stands in either order; `occurred_at` is none where events come as they were stored."""

    seq: int
    occurred_at: datetime | None = None

    def __str__(self) -> str:
        return f"{self.occurred_at.isoformat()}~{self.seq}" if self.occurred_at else str(self.seq)


def _in_range(seq: int) -> int:
    if not 0 <= seq < 2**63:
        raise ValueError("no event has such a number")
    return seq


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
