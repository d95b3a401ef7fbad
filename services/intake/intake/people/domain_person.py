"""Which leads are one person: those that share a token of a phone number, an e-mail address or a LinkedIn profile."""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
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
        new: those of them that are new.
        tokens: the person of each token that had none.
        merged: persons found to be another: the one that is given up → the one that stays.
    """

    persons: list[UUID]
    new: set[UUID]
    tokens: dict[str, UUID]
    merged: dict[UUID, UUID]


def canonical(tokens: Sequence[str], new: str, known: Container[str]) -> str:
    """The one token that a value goes by: of those it may have been given (`tokens`, the oldest first) the first that is
    known; `new` where none is. So a value keeps its token whatever keys come after, and is told by one only."""
    return next((token for token in tokens if token in known), new)


def link(
    claims: Sequence[Claim],
    known: Mapping[str, UUID],
    new_person: Callable[[], UUID],
    apart: Collection[frozenset[UUID]] = (),
) -> Linking:
    """Link the claims of one tenant to persons; of several persons found to be one, the oldest (smallest id) stays.

    Ids are UUIDv7, so the smallest is the first that was made.

    Args:
        apart: pairs of whom somebody said that they are two persons. A claim that shares something with both is of the one
            it belongs to, or else of the first by its tokens; the other keeps what they share.
    """
    parent: dict[object, object] = {}
    foes: dict[object, set[UUID]] = {}
    members: dict[object, set[UUID]] = {}
    for pair in apart:
        for person in pair:
            foes.setdefault(person, set()).update(pair - {person})
            members[person] = {person}

    def root(node: object) -> object:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    def join(node: object, number: int) -> None:
        ours, theirs = root(number), root(node)
        if ours == theirs or not foes.get(ours, set()).isdisjoint(members.get(theirs, ())):
            return
        parent[theirs] = ours
        if apart:
            foes[ours] = foes.get(ours, set()) | foes.get(theirs, set())
            members[ours] = members.get(ours, set()) | members.get(theirs, set())

    for number, claim in enumerate(claims):
        if claim.person_id:
            join(claim.person_id, number)
        for token in claim.tokens:
            join(known.get(token, token), number)

    oldest: dict[object, UUID] = {}
    for node in list(parent):
        if isinstance(node, UUID):
            group = root(node)
            oldest[group] = min(oldest.get(group, node), node)
    persons = []
    new = set()
    for number in range(len(claims)):
        group = root(number)
        if group not in oldest:
            oldest[group] = new_person()
            new.add(oldest[group])
        persons.append(oldest[group])
    return Linking(
        persons=persons,
        new=new,
        tokens={node: oldest[root(node)] for node in parent if isinstance(node, str) and node not in known},
        merged={node: oldest[root(node)] for node in parent if isinstance(node, UUID) and oldest[root(node)] != node},
    )
