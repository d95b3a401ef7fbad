"""Which leads are one person: those that share a token of a phone number, an e-mail address or a LinkedIn profile."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """What a lead says of its person: its tokens, and the person it belonged to so far, if it is not new."""

    tokens: tuple[str, ...]
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Linking:
    """Who is who.

    Attributes:
        persons: the person of each claim, in the claims' order.
        tokens: the person of each token that had none.
        merged: persons found to be another: the one that is given up → the one that stays.
    """

    persons: list[UUID]
    tokens: dict[str, UUID]
    merged: dict[UUID, UUID]


def canonical(tokens: Sequence[str], new: str, known: Container[str]) -> str:
    """The one token that a value goes by: of those it may have been given (`tokens`, the oldest first) the first that is
    known; `new` where none is. So a value keeps its token whatever keys come after, and is told by one only."""
    return next((token for token in tokens if token in known), new)


def link(claims: Sequence[Claim], known: Mapping[str, UUID], new_person: Callable[[], UUID]) -> Linking:
    """Link the claims of one tenant to persons; of several persons found to be one, the oldest (smallest id) stays.

    Ids are UUIDv7, so the smallest is the first that was made.
    """
    parent: dict[object, object] = {}

    def root(node: object) -> object:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    for number, claim in enumerate(claims):
        for token in claim.tokens:
            parent[root(token)] = root(number)
            if token in known:
                parent[root(known[token])] = root(number)
        if claim.person_id:
            parent[root(claim.person_id)] = root(number)

    oldest: dict[object, UUID] = {}
    for node in list(parent):
        if isinstance(node, UUID):
            group = root(node)
            oldest[group] = min(oldest.get(group, node), node)
    persons = []
    for number in range(len(claims)):
        group = root(number)
        if group not in oldest:
            oldest[group] = new_person()
        persons.append(oldest[group])
    return Linking(
        persons=persons,
        tokens={node: oldest[root(node)] for node in parent if isinstance(node, str) and node not in known},
        merged={node: oldest[root(node)] for node in parent if isinstance(node, UUID) and oldest[root(node)] != node},
    )
