"""A lead that others are merged into, as it is told and shown: with the values it lacks taken from them.

Nothing of a lead is overwritten. What it says for the others is stored beside it, and each row stays as its source left it.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict
from uuid import UUID

Values = Mapping[str, Any]
"""A lead's values by name; none where it has no such value."""

Row = Mapping[Any, Any]
"""A lead's row: its values by the names of its columns."""

METADATA: Final = "metadata."
"""Before the name of a value of the metadata, where values are told apart by their fields."""


class Combined(TypedDict):
    """What a lead that others are merged into says for them; it is stored with the lead, as JSON.

    Attributes:
        leads: those merged into it, in the order in which they lend what it lacks.
        fields: what it lacks: field → the value and the lead it comes from.
    """

    leads: list[str]
    fields: dict[str, list[Any]]


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


def order_of(lead_id: UUID, combined: Combined | None) -> list[UUID]:
    """A lead that stands and those merged into it, in the order in which they lend values."""
    return [lead_id, *(UUID(other) for other in combined["leads"])] if combined else [lead_id]


def allowed_only(row: Row, allowed: Collection[str]) -> dict[str, Any]:
    """A lead's row without the metadata, its own and lent, that may not be told or shown.

    Args:
        allowed: what the tenant allows in clear today, which may be less than when the lead came.
    """
    combined: Combined | None = row["combined"]
    if combined is not None:
        fields = combined["fields"].items()
        lent = {
            field: value
            for field, value in fields
            if not field.startswith(METADATA) or field.removeprefix(METADATA) in allowed
        }
        combined = {**combined, "fields": lent}
    metadata = {name: value for name, value in row["metadata"].items() if name in allowed}
    return {**row, "metadata": metadata, "combined": combined}


def effective(row: Row) -> dict[str, Any]:
    """A lead's row as the lead is told: with the values lent to it, `merged_leads` and `provenance`."""
    combined: Combined | None = row["combined"]
    if combined is None:
        return {**row, "merged_leads": [], "provenance": {}}
    shown = {**row, "metadata": dict(row["metadata"])}
    for field, (value, _) in combined["fields"].items():
        if field.startswith(METADATA):
            shown["metadata"][field.removeprefix(METADATA)] = value
        else:
            shown[field] = datetime.fromisoformat(value) if field == "last_activity_at" else value
    provenance = {field: UUID(lead) for field, (_, lead) in combined["fields"].items()}
    return {**shown, "merged_leads": [UUID(lead) for lead in combined["leads"]], "provenance": provenance}


def _flat(values: Values) -> dict[str, Any]:
    metadata = values.get("metadata") or {}
    return {
        **{name: value for name, value in values.items() if name != "metadata"},
        **{METADATA + name: value for name, value in metadata.items()},
    }


def _deep(flat: Values) -> dict[str, Any]:
    metadata = {name.removeprefix(METADATA): value for name, value in flat.items() if name.startswith(METADATA)}
    deep = {name: value for name, value in flat.items() if not name.startswith(METADATA)}
    return {**deep, "metadata": metadata} if metadata else deep
