"""How a person stands with all campaigns together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.outreach.people import Contact, ContactStatus
from contracts.taxonomy import Channel
from outreach.sending.domain_gates import REST


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """What is known of a person.

    Attributes:
        is_held: whether a sequence that goes on holds them.
        is_suppressed: whether they are not to be contacted at all.
        suppressed_until: when that ends by itself; none where it does not.
    """

    lead_id: UUID
    channels: Sequence[str]
    erased: bool
    is_held: bool
    last_sent_at: datetime | None
    is_suppressed: bool
    suppressed_until: datetime | None


def contact(facts: ContactFacts, now: datetime) -> Contact:
    """How they stand, and when a campaign that does not hold them could contact them (implementation tasklist, 2)."""
    last = facts.last_sent_at
    rested = last + REST if last and last + REST > now else None
    if facts.erased:
        status, eligible_from = ContactStatus.ERASED, None
    elif facts.is_suppressed:
        until = facts.suppressed_until
        status, eligible_from = ContactStatus.SUPPRESSED, max(until, rested or until) if until else None
    elif facts.is_held:
        status, eligible_from = ContactStatus.IN_SEQUENCE, None
    elif rested:
        status, eligible_from = ContactStatus.RESTING, rested
    else:
        status, eligible_from = ContactStatus.CONTACTED if last else ContactStatus.NEW, None
    return Contact(
        lead_id=facts.lead_id, channels=[Channel(name) for name in facts.channels], status=status, last_contacted=last,
        eligible_for_outreach=status in (ContactStatus.NEW, ContactStatus.CONTACTED), eligible_from=eligible_from,
    )  # fmt: skip
