"""Which version of a lead counts, and how it can be reached. Pure; the store matches leads with audiences."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from contracts.intake.leads import LeadSnapshot as Lead
from contracts.intake.leads import LeadUpdated
from contracts.intake.people import LeadMerged, LeadUnmerged
from contracts.taxonomy import Channel

ERASED = "lead_erased"
"""Why a message is not sent: its lead's person was erased."""
Origin = TypeVar("Origin")

_ADDRESS = {
    Channel.EMAIL: "email_token",
    Channel.LINKEDIN: "linkedin_token",
    Channel.SMS: "phone_token",
    Channel.PHONE: "phone_token",
}
"""The field of a lead that shows it has an address for a channel."""


def channels(lead: Lead) -> list[Channel]:
    """The channels a lead has an address for."""
    return [channel for channel, field in _ADDRESS.items() if getattr(lead, field)]


def contacted_otherwise(lead: Lead) -> list[UUID]:
    """The leads whose messages are to be looked at again because this one was told: merging and parting leads decides by
    way of which a person is contacted."""
    if lead.merged_into:
        return [lead.lead_id, lead.merged_into]
    parted = isinstance(lead, LeadUpdated) and "merged_leads" in lead.changed
    return [lead.lead_id] if parted or isinstance(lead, LeadMerged | LeadUnmerged) else []


def newest(leads: Iterable[tuple[str, Lead, Origin]]) -> list[tuple[str, Lead, Origin]]:
    """Of (tenant, lead, whatever it came with), the highest version of each lead; of equal versions the first."""
    best: dict[tuple[str, object], tuple[str, Lead, Origin]] = {}
    for candidate in leads:
        tenant, lead, _ = candidate
        known = best.get((tenant, lead.lead_id))
        if known is None or known[1].version < lead.version:
            best[tenant, lead.lead_id] = candidate
    return list(best.values())
