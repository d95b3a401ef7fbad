"""How much of what is revealed fits into one reply. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from contracts.intake.privacy import PersonalField, Revealed, RevealState
from contracts.intake.texts import RevealedText

View = TypeVar("View", Revealed, RevealedText)

ROOM: Final = 900_000
"""Bytes of JSON that a reply may hold; the broker takes 1 MiB with headers (``max_payload``)."""


def fit(views: Sequence[Revealed], room: int = ROOM) -> list[Revealed]:
    """The views, in their order, of which those that do not fit any more are deferred.

    A view that is too large for a reply of its own loses its largest values, which are named in `left_out`, unless it has
    one value only: a value came in one message, so it fits into one.
    """
    if sum(map(size_of, views)) <= room:
        return list(views)
    alone = (_without_largest(view, room) for view in views)
    return _in_order(alone, lambda view: Revealed(lead_id=view.lead_id, state=RevealState.DEFERRED), room)


def fit_texts(views: Sequence[RevealedText], room: int = ROOM) -> list[RevealedText]:
    """The texts, in their order, of which those that do not fit any more are deferred; the contract lets none be too large alone."""
    return _in_order(views, lambda view: RevealedText(text_id=view.text_id, state=RevealState.DEFERRED), room)


def _in_order(views: Iterable[View], deferred: Callable[[View], View], room: int) -> list[View]:
    fitting = []
    used = 0
    for view in views:
        size = size_of(view)
        if used and used + size > room and view.state is RevealState.REVEALED:
            fitting.append(deferred(view))
        else:
            fitting.append(view)
            used += size
    return fitting


def size_of(view: Revealed | RevealedText) -> int:
    """Bytes of the view's JSON."""
    return len(view.__pydantic_serializer__.to_json(view))


def _without_largest(view: Revealed, room: int) -> Revealed:
    held = [field for field in PersonalField if getattr(view, field) is not None]
    while size_of(view) > room and len(held) > 1:
        largest = max(held, key=lambda field: size_of(view) - size_of(view.model_copy(update={field: None})))
        held.remove(largest)
        view = view.model_copy(update={largest.value: None, "left_out": [*view.left_out, largest]})
    return view
