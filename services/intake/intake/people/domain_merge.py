"""Merging: which of a person's leads speaks for the others, and what it then says. Nothing of a lead is overwritten.

A merge is an edge from a lead to its survivor, so merges form trees; the root of each is the lead that stands. It is told
with the values it lacks taken from the others, and when an edge is cut both parts are what they were before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict
from uuid import UUID

from contracts.taxonomy import MergePolicy
from contracts.values import Attribution

Values = Mapping[str, Any]
"""A lead's values by name; none where it has no such value."""

_TOKENS: Final = ("phone_token", "email_token", "linkedin_token")
_LENT: Final = (*_TOKENS, "time_zone", *Attribution.model_fields)
_METADATA: Final = "metadata."
_SUBMITTED_AS: Final = {
    "phone_token": "phone", "email_token": "email", "linkedin_token": "linkedin_url", "source_key": "source",
    "geo_key": "geo", "price_band": "price", "budget_band": "budget",
}  # fmt: skip
"""What a submission calls what a lead's field is made of, where it calls it otherwise."""


class Combined(TypedDict):
    """What a lead that others are merged into says for them; it is stored with the lead, as JSON.

    Attributes:
        leads: those merged into it, in the order in which they lend what it lacks.
        fields: what it lacks: field → the value and the lead it comes from.
    """

    leads: list[str]
    fields: dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Standing:
    """A lead that stands, with those merged into it."""

    lead_id: UUID
    leads: frozenset[UUID]
    persons: frozenset[UUID]


def first_given(leads: Iterable[tuple[UUID, Values]]) -> dict[str, tuple[Any, UUID]]:
    """Field by field the first value that is given, and the lead it comes from."""
    found: dict[str, tuple[Any, UUID]] = {}
    for lead_id, values in leads:
        for field, value in values.items():
            if value is not None and field not in found:
                found[field] = (value, lead_id)
    return found


def first_personal(leads: Iterable[tuple[UUID, Values]]) -> tuple[dict[str, Any], dict[str, UUID]]:
    """What is personal about a lead that stands, and the lead that each field comes from.

    Args:
        leads: what the vault holds of the lead and of those merged into it, in the order of `order_of`.

    A telephone number brings its own extension or none: another lead's would make a number that nobody has. What a source calls
    a lead is not lent.
    """
    given = list(leads)
    own = given[0][1] if given else {}
    found = first_given((lead_id, _flat(values)) for lead_id, values in given)
    extension = found.get("phone_extension")
    if extension and ("phone" not in found or found["phone"][1] != extension[1]):
        del found["phone_extension"]
    if "source_id" in found and "source_id" not in own:
        del found["source_id"]
    return _deep({field: value for field, (value, _) in found.items()}), {f: lead for f, (_, lead) in found.items()}


def in_precedence(survivor: UUID, others: Iterable[UUID], policy: MergePolicy) -> list[UUID]:
    """The order in which leads lend values: the survivor, then the others, the newest or the oldest first.

    Ids are UUIDv7, so they order by when a lead came.
    """
    return [survivor, *sorted(others, reverse=policy is MergePolicy.INTO_NEWEST)]


def order_of(lead_id: UUID, combined: Combined | None) -> list[UUID]:
    """A lead that stands and those merged into it, in the order in which they lend values."""
    return [lead_id, *(UUID(other) for other in combined["leads"])] if combined else [lead_id]


def combine(rows: Sequence[Mapping[str, Any]]) -> Combined | None:
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


def effective(row: Mapping[str, Any]) -> dict[str, Any]:
    """A lead's row as the lead is told: with the values lent to it, `merged_leads` and `provenance`."""
    combined: Combined | None = row["combined"]
    if combined is None:
        return {**row, "merged_leads": [], "provenance": {}}
    shown = {**row, "metadata": dict(row["metadata"])}
    for field, (value, _) in combined["fields"].items():
        if field.startswith(_METADATA):
            shown["metadata"][field.removeprefix(_METADATA)] = value
        else:
            shown[field] = datetime.fromisoformat(value) if field == "last_activity_at" else value
    provenance = {field: UUID(lead) for field, (_, lead) in combined["fields"].items()}
    return {**shown, "merged_leads": [UUID(lead) for lead in combined["leads"]], "provenance": provenance}


def changed_by(before: Combined | None, after: Combined | None) -> list[str]:
    """The fields of the submission whose value for a lead differs between two states of what is lent to it."""
    was, now = ({f: value for f, (value, _) in state["fields"].items()} if state else {} for state in (before, after))
    changed = {field for field in {*was, *now} if was.get(field) != now.get(field)}
    return sorted({_SUBMITTED_AS.get(field, field).partition(".")[0] for field in changed})


def to_merge(
    standing: Collection[Standing], apart: Mapping[UUID, Collection[UUID]], policy: MergePolicy
) -> list[tuple[UUID, UUID]]:
    """The leads to merge, each with its survivor, so that each person has one lead that stands.

    Args:
        apart: the leads that each lead is never to be merged with by itself. Where they forbid it, a person keeps
            several leads that stand, and a newcomer goes to the first that it may go to.
    """
    if policy is MergePolicy.KEEP_BOTH:
        return []
    merges = []
    for group in _by_person(standing):
        taken: list[tuple[UUID, set[UUID]]] = []
        for lead in sorted(group, key=lambda one: one.lead_id, reverse=policy is MergePolicy.INTO_NEWEST):
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


def _by_person(standing: Collection[Standing]) -> list[list[Standing]]:
    """Groups of leads that are connected by persons."""
    parent: dict[UUID, UUID] = {}

    def root(person: UUID) -> UUID:
        while (above := parent.setdefault(person, person)) != person:
            parent[person] = parent[above]
            person = above
        return person

    for lead in standing:
        first, *others = lead.persons
        for other in others:
            parent[root(other)] = root(first)
    groups: dict[UUID, list[Standing]] = {}
    for lead in standing:
        groups.setdefault(root(next(iter(lead.persons))), []).append(lead)
    return list(groups.values())


def _clear(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _LENT},
        **{_METADATA + name: value for name, value in row["metadata"].items()},
    }


def _flat(values: Values) -> dict[str, Any]:
    metadata = values.get("metadata") or {}
    return {
        **{name: value for name, value in values.items() if name != "metadata"},
        **{_METADATA + name: value for name, value in metadata.items()},
    }


def _deep(flat: Values) -> dict[str, Any]:
    metadata = {name.removeprefix(_METADATA): value for name, value in flat.items() if name.startswith(_METADATA)}
    deep = {name: value for name, value in flat.items() if not name.startswith(_METADATA)}
    return {**deep, "metadata": metadata} if metadata else deep
