"""Merging: which of a person's leads speaks for the others, and what it then says. Nothing of a lead is overwritten.

A merge is an edge from a lead to its survivor, so merges form trees; the root of each is the lead that stands. It is told
with the values it lacks taken from the others (`leads.domain_combined`), and when an edge is cut both parts are what they were before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from contracts.taxonomy import MergePolicy
from contracts.values import Attribution
from intake.leads.domain_combined import METADATA, Combined, Row, first_given

TOKENS: Final = ("phone_token", "email_token", "linkedin_token")
_LENT: Final = (*TOKENS, "time_zone", *Attribution.model_fields)
SUBMITTED_AS: Final = {
    "phone_token": "phone", "email_token": "email", "linkedin_token": "linkedin_url", "source_key": "source",
    "geo_key": "geo", "price_band": "price", "budget_band": "budget",
}  # fmt: skip
"""What a submission calls what a lead's field is made of, where it calls it otherwise."""


@dataclass(frozen=True, slots=True)
class Group:
    """A lead that stands, with those merged into it."""

    lead_id: UUID
    leads: frozenset[UUID]
    persons: frozenset[UUID]


def in_precedence(survivor: UUID, others: Iterable[UUID], policy: MergePolicy) -> list[UUID]:
    """The order in which leads lend values: the survivor, then the others, the newest or the oldest first.

    Ids are UUIDv7, so they order by when a lead came.
    """
    return [survivor, *sorted(others, reverse=policy is MergePolicy.INTO_NEWEST)]


def combine(rows: Sequence[Row]) -> Combined | None:
    """What the first of these leads says for the others; none if it is alone.

    A person's latest activity is the latest of any lead; everything else is the first that is given.
    """
    survivor, *others = (row["lead_id"] for row in rows)
    if not others:
        return None
    found = first_given((row["lead_id"], _clear(row)) for row in rows)
    active = [(row["last_activity_at"], row["lead_id"]) for row in rows if row["last_activity_at"]]
    if active:
        latest, lead_id = max(active, key=lambda pair: pair[0])
        if latest != rows[0]["last_activity_at"]:
            found["last_activity_at"] = (latest.isoformat(), lead_id)
    return Combined(
        leads=[str(other) for other in others],
        fields={field: [value, str(lead)] for field, (value, lead) in found.items() if lead != survivor},
    )


def changed_by(before: Combined | None, after: Combined | None) -> list[str]:
    """The fields of the submission whose value for a lead differs between two states of what is lent to it."""
    was, now = ({f: value for f, (value, _) in state["fields"].items()} if state else {} for state in (before, after))
    changed = {field for field in {*was, *now} if was.get(field) != now.get(field)}
    return sorted({SUBMITTED_AS.get(field, field).partition(".")[0] for field in changed})


def to_merge(
    groups: Collection[Group], apart: Mapping[UUID, Collection[UUID]], policy: MergePolicy
) -> list[tuple[UUID, UUID]]:
    """The leads to merge, each with its survivor, so that each person has one lead that stands.

    Args:
        apart: the leads that each lead is never to be merged with by itself. Where they forbid it, a person keeps
            several leads that stand, and a newcomer goes to the first that it may go to.
    """
    if policy is MergePolicy.KEEP_BOTH:
        return []
    merges = []
    for own in _by_person(groups):
        taken: list[tuple[UUID, set[UUID]]] = []
        for lead in sorted(own, key=lambda one: one.lead_id, reverse=policy is MergePolicy.INTO_NEWEST):
            foes = {foe for each in lead.leads for foe in apart.get(each, ())}
            for survivor, leads in taken:
                if foes.isdisjoint(leads):
                    leads |= lead.leads
                    merges.append((lead.lead_id, survivor))
                    break
            else:
                taken.append((lead.lead_id, set(lead.leads)))
    return merges


def part(lead_id: UUID, merges: Mapping[UUID, UUID]) -> set[UUID]:
    """A lead with all that was merged into it, by way of others too; `merges` is each merged lead's survivor."""
    members = {lead_id}
    while more := {merged for merged, survivor in merges.items() if survivor in members} - members:
        members |= more
    return members


def _by_person(groups: Collection[Group]) -> list[list[Group]]:
    """Groups of leads that are connected by persons."""
    parent: dict[UUID, UUID] = {}

    def root(person: UUID) -> UUID:
        while (above := parent.setdefault(person, person)) != person:
            parent[person] = parent[above]
            person = above
        return person

    for lead in groups:
        first, *others = lead.persons
        for other in others:
            parent[root(other)] = root(first)
    by_person: dict[UUID, list[Group]] = {}
    for lead in groups:
        by_person.setdefault(root(next(iter(lead.persons))), []).append(lead)
    return list(by_person.values())


def _clear(row: Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _LENT},
        **{METADATA + name: value for name, value in row["metadata"].items()},
    }
