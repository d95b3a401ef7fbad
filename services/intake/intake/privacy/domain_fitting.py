"""How much of what is revealed fits into one reply. Pure."""

from collections.abc import Sequence
from typing import Final

from contracts.intake.privacy import PersonalField, Revealed, RevealState

ROOM: Final = 900_000
"""Bytes of JSON that a reply may hold; the broker takes 1 MiB with headers (``max_payload``)."""


def fit(views: Sequence[Revealed], room: int = ROOM) -> list[Revealed]:
    """The views, in their order, of which those that do not fit any more are deferred.

    A view that is too large for a reply of its own loses its largest values, which are named in `left_out`, unless it has
    one value only: a value came in one message, so it fits into one.
    """
    fitting = []
    used = 0
    for view in views:
        alone = _without_largest(view, room)
        size = size_of(alone)
        if used and used + size > room and view.state is RevealState.REVEALED:
            fitting.append(Revealed(lead_id=view.lead_id, state=RevealState.DEFERRED))
        else:
            fitting.append(alone)
            used += size
    return fitting


def size_of(view: Revealed) -> int:
    """Bytes of the view's JSON."""
    return len(view.__pydantic_serializer__.to_json(view))


def _without_largest(view: Revealed, room: int) -> Revealed:
    held = [field for field in PersonalField if getattr(view, field) is not None]
    while size_of(view) > room and len(held) > 1:
        largest = max(held, key=lambda field: size_of(view) - size_of(view.model_copy(update={field: None})))
        held.remove(largest)
        view = view.model_copy(update={largest.value: None, "left_out": [*view.left_out, largest]})
    return view
