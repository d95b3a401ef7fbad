"""An erased lead speaks for nobody, and nobody for it: nothing of an erased person is kept in what others are lent."""

from uuid import UUID

import pytest

from contracts.intake.leads import GetLead, LeadView
from contracts.intake.people import LeadsForReview, MergeLeads
from contracts.intake.privacy import EraseLead
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RunJob
from tests.intake.vault.scene import ADMIN, Vault

BOB = {"full_name": "Bob Example", "phone": None, "email": None, "linkedin_url": None, "metadata": {}, "geo": None}


async def merge(vault: Vault, survivor: UUID, merged: UUID) -> LeadView:
    return await vault.ask("gateway", MergeLeads(survivor_id=survivor, merged_id=merged, actor="user:7"))


async def view(vault: Vault, lead_id: UUID) -> LeadView:
    return await vault.ask("gateway", GetLead(lead_id=lead_id))


async def lent(vault: Vault) -> list[str]:
    return [row[0] for row in await vault.rows(
        "select combined::text from intake.lead where tenant_id = $1 and combined is not null")]  # fmt: skip


async def test_a_lead_is_told_without_what_an_erased_one_had_lent_it(vault: Vault) -> None:
    ada, bob = await vault.new_lead("1"), await vault.new_lead("2", **BOB)
    before = await view(vault, bob)
    assert (await merge(vault, bob, ada)).has_phone
    await vault.ask("gateway", EraseLead(lead_id=ada, on_behalf_of=ADMIN, reason="consent_withdrawn"))
    left, erased = await view(vault, bob), await view(vault, ada)
    assert (left.has_phone, left.merged_leads, left.metadata, left.attribution.geo_key) == (False, [], {}, None)
    assert left.attribution == before.attribution
    assert (erased.merged_into, erased.erased_at is not None) == (None, True)
    assert await lent(vault) == []
    with pytest.raises(ProblemError) as refused:
        await merge(vault, bob, ada)
    assert refused.value.problem.code is ProblemCode.CONFLICT


async def test_what_is_merged_into_an_erased_lead_stands_again_with_what_is_its_own(vault: Vault) -> None:
    ada, bob, carl = await vault.new_lead("1"), await vault.new_lead("2", **BOB), await vault.new_lead("3", **BOB)
    await merge(vault, bob, carl)
    before = await view(vault, bob)
    await merge(vault, ada, bob)
    await vault.ask("gateway", EraseLead(lead_id=ada, on_behalf_of=ADMIN, reason="consent_withdrawn"))
    left = await view(vault, bob)
    assert (left.merged_into, left.merged_leads) == (None, [carl])
    assert left.provenance == before.provenance
    assert (await view(vault, carl)).merged_into == bob
    assert (await view(vault, ada)).merged_leads == []


async def test_an_erased_lead_is_compared_and_listed_no_more(vault: Vault) -> None:
    ada = await vault.new_lead("1")
    await vault.new_lead("2", **{**BOB, "full_name": "Ada Example", "geo": "Dublin, OH"})
    await vault.platform.caller.ask(PLATFORM, RunJob(job="compare_names"), of="intake", seconds=60)
    assert len((await vault.ask("gateway", LeadsForReview())).pairs) == 1
    await vault.ask("gateway", EraseLead(lead_id=ada, on_behalf_of=ADMIN, reason="consent_withdrawn"))
    assert (await vault.ask("gateway", LeadsForReview())).pairs == []
    blocks = await vault.rows("select lead_id from intake.name_block where tenant_id = $1")
    assert ada not in [row["lead_id"] for row in blocks]
