"""Which version of a lead counts, how it can be reached, and by what its person is known. Pure."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from contracts.intake.leads import LeadSnapshot, LeadUpdated
from contracts.intake.people import IdentifiedPerson, LeadMerged, LeadUnmerged
from contracts.taxonomy import Channel

Lead = LeadSnapshot
"""A lead as intake tells of it."""
Origin = TypeVar("Origin")

_ADDRESS = {
    Channel.EMAIL: "email_token",
    Channel.LINKEDIN: "linkedin_token",
    Channel.SMS: "phone_token",
    Channel.PHONE: "phone_token",
}
"""The field of a lead that shows it has an address for a channel."""
_TOKENS = ("email", "phone", "linkedin")


def channels(lead: Lead) -> list[Channel]:
    """The channels a lead has an address for."""
    return [channel for channel, field in _ADDRESS.items() if getattr(lead, field)]


def names(lead: Lead) -> list[str]:
    """By what the lead's person is known: who shares one of these is the same person."""
    return [f"person:{lead.person_id}", *_of_tokens(lead)]


def names_of(person: IdentifiedPerson) -> list[str]:
    """By what a person is known of whom there may be no lead."""
    return [*(f"person:{person_id}" for person_id in person.person_ids), *_of_tokens(person)]


def _of_tokens(known: Lead | IdentifiedPerson) -> list[str]:
    tokens = {kind: getattr(known, f"{kind}_token") for kind in _TOKENS}
    return [f"{kind}:{token}" for kind, token in tokens.items() if token]


def told_otherwise(lead: Lead) -> bool:
    """Whether the lead was merged or parted: that decides by way of which lead its person is contacted."""
    parted = isinstance(lead, LeadUpdated) and not {"merged_leads", "merged_into"}.isdisjoint(lead.changed)
    return parted or isinstance(lead, LeadMerged | LeadUnmerged) or lead.merged_into is not None


def newest(leads: Iterable[tuple[str, Lead, Origin]]) -> list[tuple[str, Lead, Origin]]:
    """Of (tenant, lead, whatever it came with), the highest version of each lead; of equal versions the first."""
    best: dict[tuple[str, UUID], tuple[str, Lead, Origin]] = {}
    for candidate in leads:
        tenant, lead, _ = candidate
        known = best.get((tenant, lead.lead_id))
        if known is None or known[1].version < lead.version:
            best[tenant, lead.lead_id] = candidate
    return list(best.values())
