"""A lead as its events and its views show it: one that others are merged into with what they lend it."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.unit_of_work import Row
from contracts.intake.leads import LeadView
from contracts.values import Attribution
from intake.leads.domain_combined import allowed_only, effective
from intake.leads.domain_lead import NormalLead

_COPIED = ("lead_id", "version", "submission_id", "source_system", "source_id", "person_id", "phone_token", "email_token",
           "linkedin_token", "time_zone", "created_at", "last_activity_at", "merged_into")  # fmt: skip
_VIEWED = tuple(
    name for name in LeadView.model_fields if name not in ("attribution", "has_phone", "has_email", "received_at")
)


def snapshot(row: Row, allowed: Collection[str], lead: NormalLead | None = None) -> dict[str, Any]:
    """The fields of a lead's event, from its row.

    Args:
        allowed: the metadata that the tenant allows in clear.
        lead: what was just read of it and written, by the same settings; spares reading it back as JSON.
    """
    if lead:
        row = {**row, "warnings": lead.warnings, "metadata": lead.clear_metadata}
    if row["combined"] or not lead:
        row = effective(allowed_only(row, allowed))
    attribution = lead.attribution if lead and not row["combined"] else _attribution(row)
    told = {name: row[name] for name in (*_COPIED, "warnings", "metadata")}
    return {**told, "attribution": attribution, "provenance": row.get("provenance", {})}


def view(row: Row, allowed: Collection[str]) -> LeadView:
    """A lead as it is shown, with the metadata that the tenant allows in clear."""
    row = effective(allowed_only(row, allowed))
    return LeadView(
        attribution=_attribution(row),
        has_phone=row["phone_token"] is not None,
        has_email=row["email_token"] is not None,
        received_at=received_at(row["lead_id"]),
        **{name: row[name] for name in _VIEWED},
    )


def received_at(lead_id: UUID) -> datetime:
    """When a lead came: its id is a UUIDv7, which begins with the milliseconds since 1970 (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((lead_id.int >> 80) / 1000, UTC)


def first_id_at(moment: datetime) -> UUID:
    """What no lead that came before this moment has an id above, nor one that came at it or later an id below."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _attribution(row: Row) -> Attribution:
    return Attribution.model_validate({name: row[name] for name in Attribution.model_fields})
