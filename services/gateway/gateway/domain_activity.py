"""Events as the activity list tells them, in words of ours only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from contracts.aggregator.events import StoredEvent

_TELLING = ("type", "refusal", "code", "channel", "reason")
"""The fields of events that hold a word of the taxonomy or a word for programs, and so say more and nothing personal."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the activity list.

    Attributes:
        owner: the service whose event it is.
        what: e.g. ``Outcome recorded``.
        more: e.g. ``closed won``; empty where the event has no such word.
        at: when it was told, by which the list is ordered; an imported outcome can have occurred long before.
        lead: the end of the lead's id, which tells leads apart better than its beginning.
    """

    event_id: UUID
    owner: str
    what: str
    more: str
    at: datetime
    lead_id: UUID | None
    lead: str


def tell(event: StoredEvent) -> Activity:
    """The line for an event."""
    owner, _, name, *_ = event.type.split(".")
    words = [event.body[field] for field in _TELLING if isinstance(event.body.get(field), str)]
    return Activity(
        event_id=event.event_id,
        owner=owner,
        what=_words(name).capitalize(),
        more=", ".join(map(_words, words)),
        at=event.told_at or event.stored_at,
        lead_id=event.lead_id,
        lead=event.lead_id.hex[-6:] if event.lead_id else "",
    )


def mark_of(events: Sequence[StoredEvent]) -> str:
    """What a list of events is known by; of none, nothing. One that comes late takes its place behind the first, and it is another list."""
    ids = "".join(str(event.event_id) for event in events)
    return sha256(ids.encode()).hexdigest() if ids else ""


def _words(name: str) -> str:
    return name.replace("_", " ").lower()
