"""A lead as its events and its views show it: one that others are merged into with what they lend it."""

from collections.abc import Mapping
from typing import Any

from contracts.intake.leads import LeadView
from contracts.values import Attribution
from intake.leads.domain_combined import effective
from intake.leads.domain_lead import NormalLead

_COPIED = ("lead_id", "version", "submission_id", "source_system", "source_id", "person_id", "phone_token", "email_token",
           "linkedin_token", "time_zone", "created_at", "last_activity_at", "merged_into")  # fmt: skip
_VIEWED = tuple(name for name in LeadView.model_fields if name not in ("attribution", "has_phone", "has_email"))


def snapshot(row: Mapping[str, Any], lead: NormalLead | None = None) -> dict[str, Any]:
    """The fields of a lead's event, from its row; `lead` spares reading back what was just written as JSON."""
    warnings, metadata = (lead.warnings, lead.clear_metadata) if lead else (row["warnings"], row["metadata"])
    if row["combined"]:
        row = effective({**row, "metadata": metadata})
        own = {"metadata": row["metadata"], "provenance": row["provenance"], "attribution": _attribution(row)}
    else:
        own = {"metadata": metadata, "attribution": lead.attribution if lead else _attribution(row)}
    return {**{name: row[name] for name in _COPIED}, **own, "warnings": warnings}


def view(row: Mapping[str, Any]) -> LeadView:
    row = effective(row)
    return LeadView(
        attribution=_attribution(row),
        has_phone=row["phone_token"] is not None,
        has_email=row["email_token"] is not None,
        **{name: row[name] for name in _VIEWED},
    )


def _attribution(row: Mapping[str, Any]) -> Attribution:
    return Attribution.model_validate({name: row[name] for name in Attribution.model_fields})
