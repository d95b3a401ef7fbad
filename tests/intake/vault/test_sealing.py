"""The vault's seal: what it holds can be read again, by whom it is meant for and for what it was sealed."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from nacl.exceptions import CryptoError

from contracts.gateway import TenantSettings
from contracts.intake.leads import LeadSubmission
from intake.leads.domain_lead import NormalLead, normalise
from intake.vault.sealing import open_sealed, seal

LEAD, KEY = UUID(int=1), bytes(32)
ADA = LeadSubmission(
    source_system="web", source_id="1", full_name="Ada Example", phone="(614) 555-0142", notes="Two dogs.",
    source="Website", metadata={"utm_source": "mail", "shoe_size": 40},
)  # fmt: skip


def clean(submission: LeadSubmission) -> NormalLead:
    lead = normalise(submission, TenantSettings(), datetime.now(UTC), strict=True, digest_key=bytes(32))
    assert isinstance(lead, NormalLead)
    return lead


def test_what_is_personal_is_sealed_and_nothing_else() -> None:
    sealed = seal(clean(ADA).personal, LEAD, "acme", KEY)
    assert b"Ada" not in sealed
    assert open_sealed(sealed, LEAD, "acme", KEY) == {
        "name": "Ada Example",
        "phone": "+16145550142",
        "notes": "Two dogs.",
        "metadata": {"shoe_size": 40},
    }


@pytest.mark.parametrize(
    ("lead", "tenant", "key"),
    [(UUID(int=2), "acme", KEY), (LEAD, "other", KEY), (LEAD, "acme", bytes(31) + b"1")],
    ids=["another lead", "another tenant", "another key"],
)
def test_a_seal_opens_for_its_lead_its_tenant_and_its_key_only(lead: UUID, tenant: str, key: bytes) -> None:
    with pytest.raises(CryptoError):
        open_sealed(seal(clean(ADA).personal, LEAD, "acme", KEY), lead, tenant, key)
