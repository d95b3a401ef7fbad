"""Which version of a lead counts, and how it can be reached. Pure; the store matches leads with audiences."""

from collections.abc import Iterable
from typing import TypeVar

from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.taxonomy import Channel

ERASED = "lead_erased"
"""Why a message is not sent: its lead's person was erased."""
Lead = LeadAccepted | LeadUpdated
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


def newest(leads: Iterable[tuple[str, Lead, Origin]]) -> list[tuple[str, Lead, Origin]]:
    """Of (tenant, lead, whatever it came with), the highest version of each lead; of equal versions the first."""
    best: dict[tuple[str, object], tuple[str, Lead, Origin]] = {}
    for candidate in leads:
        tenant, lead, _ = candidate
        known = best.get((tenant, lead.lead_id))
        if known is None or known[1].version < lead.version:
            best[tenant, lead.lead_id] = candidate
    return list(best.values())
