"""How somebody stands follows from what is known of them at that moment, to the second."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.outreach.people import ContactStatus
from outreach.people.domain_contact import ContactFacts, contact

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAYS = timedelta(days=1)
NEVER: dict[str, Any] = {
    "erased": False, "is_held": False, "last_sent_at": None, "is_suppressed": False, "suppressed_until": None
}  # fmt: skip


@pytest.mark.parametrize(
    ("known", "status", "eligible", "eligible_from"),
    [
        ({}, ContactStatus.NEW, True, None),
        ({"is_held": True}, ContactStatus.IN_SEQUENCE, False, None),
        ({"last_sent_at": NOW - 60 * DAYS}, ContactStatus.CONTACTED, True, None),
        ({"last_sent_at": NOW - 60 * DAYS + timedelta(seconds=1)}, ContactStatus.RESTING, False, NOW + timedelta(seconds=1)),
        ({"is_suppressed": True}, ContactStatus.SUPPRESSED, False, None),
        ({"is_suppressed": True, "suppressed_until": NOW + DAYS}, ContactStatus.SUPPRESSED, False, NOW + DAYS),
        (
            {"is_suppressed": True, "suppressed_until": NOW + DAYS, "last_sent_at": NOW},
            ContactStatus.SUPPRESSED, False, NOW + 60 * DAYS,
        ),
        ({"is_suppressed": True, "is_held": True}, ContactStatus.SUPPRESSED, False, None),
        ({"erased": True, "is_suppressed": True}, ContactStatus.ERASED, False, None),
    ],
)  # fmt: skip
def test_a_person_stands(
    known: dict[str, Any], status: ContactStatus, eligible: bool, eligible_from: datetime | None
) -> None:
    facts = ContactFacts(lead_id=UUID(int=1), channels=["email"], **{**NEVER, **known})
    stands = contact(facts, NOW)
    assert (stands.status, stands.eligible_for_outreach, stands.eligible_from) == (status, eligible, eligible_from)
    assert stands.last_contacted == facts.last_sent_at
