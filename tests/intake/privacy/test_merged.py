"""Leads that are merged are one person's: they are shown, exported and erased together, and nothing stays of what one lent another."""

from uuid import UUID

import pytest

from contracts.intake.erasure import EraseLead
from contracts.intake.leads import GetLead, LeadView
from contracts.intake.people import LeadsForReview, MergeLeads, UnmergeLead
from contracts.intake.privacy import ExportKind, ExportLead
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RunJob
from tests.intake.privacy.scene import ADMIN, Vault
from tests.platform import Platform

BOB = {"full_name": "Bob Example", "phone": None, "email": None, "linkedin_url": None, "metadata": {}, "geo": None}
CARL = {**BOB, "full_name": "Carl Example", "phone": "+16145550177"}
DORA = {**BOB, "full_name": "Dora Example", "email": "dora@example.com"}


async def merge(vault: Vault, survivor: UUID, merged: UUID) -> LeadView:
    return await vault.ask("gateway", MergeLeads(survivor_id=survivor, merged_id=merged, actor="user:7"))


async def view(vault: Vault, lead_id: UUID) -> LeadView:
    return await vault.ask("gateway", GetLead(lead_id=lead_id))


async def lent(vault: Vault) -> list[str]:
    return [row[0] for row in await vault.rows(
        "select combined::text from intake.lead where tenant_id = $1 and combined is not null")]  # fmt: skip


async def test_leads_that_are_merged_are_one_person_and_erased_together(vault: Vault) -> None:
    ada, bob, carl = await vault.new_lead("1"), await vault.new_lead("2", **BOB), await vault.new_lead("3", **CARL)
    also_carl, dora = await vault.new_lead("4", **CARL), await vault.new_lead("5", **DORA)
    await merge(vault, bob, carl)
    assert (await merge(vault, ada, bob)).merged_leads == [bob, carl]
    erased = await vault.ask("gateway", EraseLead(lead_id=bob, on_behalf_of=ADMIN))
    assert erased.lead_ids == [ada, bob, carl, also_carl], "of whoever is merged, every lead"
    for each in erased.lead_ids:
        gone = await view(vault, each)
        assert (gone.merged_into, gone.merged_leads, gone.erased_at) == (None, [], erased.erased_at)
    assert (await view(vault, dora)).erased_at is None
    assert await lent(vault) == []
    assert not await vault.rows("select from intake.merge where tenant_id = $1 and undone_at is null")
    assert len(await vault.rows("select from intake.person_key where tenant_id = $1")) == 1, "Dora's"
    again = await vault.ask("gateway", EraseLead(lead_id=also_carl, on_behalf_of=ADMIN))
    assert (again.erasure_id, again.already) == (erased.erasure_id, True)
    with pytest.raises(ProblemError) as refused:
        await merge(vault, dora, ada)
    assert refused.value.problem.code is ProblemCode.CONFLICT


async def test_a_lead_that_was_parted_from_an_erased_one_stays(vault: Vault) -> None:
    ada, bob = await vault.new_lead("1"), await vault.new_lead("2", **BOB)
    before = await view(vault, bob)
    await merge(vault, bob, ada)
    await vault.ask("gateway", UnmergeLead(lead_id=ada, actor="user:7"))
    erased = await vault.ask("gateway", EraseLead(lead_id=ada, on_behalf_of=ADMIN))
    assert erased.lead_ids == [ada]
    left = await view(vault, bob)
    assert (left.attribution, left.metadata, left.has_phone, left.erased_at) == (
        before.attribution, before.metadata, before.has_phone, None,
    )  # fmt: skip


async def test_an_erased_lead_is_compared_and_listed_no_more(vault: Vault) -> None:
    ada = await vault.new_lead("1")
    await vault.new_lead("2", **{**BOB, "full_name": "Ada Example", "geo": "Dublin, OH"})
    await vault.platform.caller.ask(PLATFORM, RunJob(job="compare_names"), of="intake", seconds=60)
    assert len((await vault.ask("gateway", LeadsForReview())).pairs) == 1
    await vault.ask("gateway", EraseLead(lead_id=ada, on_behalf_of=ADMIN, reason="consent_withdrawn"))
    assert (await vault.ask("gateway", LeadsForReview())).pairs == []
    blocks = await vault.rows("select lead_id from intake.name_block where tenant_id = $1")
    assert ada not in [row["lead_id"] for row in blocks]


async def test_a_lead_that_stands_shows_what_merged_ones_lend_it_and_each_is_audited_for_its_own(vault: Vault) -> None:
    ada, bob = await vault.new_lead("1"), await vault.new_lead("2", **BOB)
    await merge(vault, bob, ada)
    (shown,) = (await vault.reveal(bob)).leads
    assert (shown.name, shown.phone, shown.metadata) == ("Bob Example", "+16145550142", {"shoe": 40})
    lent_fields = {"phone", "email", "linkedin_url", "metadata.shoe"}
    assert shown.provenance == dict.fromkeys(lent_fields, ada)
    rows = await vault.rows("select lead_id, person_id, fields from intake.reveal_audit where tenant_id = $1")
    audited = {row["lead_id"]: row for row in rows}
    assert audited[bob]["fields"] == ["name", "notes"]
    assert audited[ada]["fields"] == ["phone", "email", "linkedin_url", "metadata"]
    assert audited[ada]["person_id"] != audited[bob]["person_id"] == shown.person_id


async def test_leads_that_are_merged_are_exported_together_with_their_merges_and_owners(
    vault: Vault, platform: Platform
) -> None:
    async with platform.running("outcomes", "outreach", "aggregator"):
        for service in ("outcomes", "outreach", "aggregator"):
            await platform.introduce(vault.tenant, service)
        ada, bob = await vault.new_lead("1"), await vault.new_lead("2", **BOB)
        await merge(vault, bob, ada)
        page = await vault.ask("gateway", ExportLead(lead_id=ada, on_behalf_of=ADMIN))
    names = [entry.content["personal_name"] for entry in page.entries if entry.kind is ExportKind.LEAD]
    assert names == ["Ada Example", "Bob Example"]
    (merged,) = [entry for entry in page.entries if entry.kind is ExportKind.MERGE]
    assert (merged.lead_id, merged.content["survivor_id"], merged.content["merged_by"]) == (ada, str(bob), "user:7")
