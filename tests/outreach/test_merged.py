"""A person whose leads are merged is contacted by way of the one that stands, and by way of no other beside it."""

from typing import Any
from uuid import UUID, uuid4

from contracts.intake.leads import LeadSnapshot, LeadUpdated
from contracts.intake.people import LeadMerged, LeadUnmerged
from contracts.outreach import Audience, CampaignView, CreateCampaign, ListCampaigns, PauseCampaign, ResumeCampaign
from contracts.taxonomy import Tier
from tests.outreach.scene import Gate, arrive, count, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


def gone(merged: LeadSnapshot, into: UUID | None, version: int = 2) -> LeadUpdated:
    """The news that a lead is merged into another."""
    told = {**merged.__dict__, "version": version, "merged_into": into, "changed": ["merged_into"]}
    return LeadUpdated.model_validate(told)


def stands(survivor: LeadSnapshot, merged: LeadSnapshot, **fields: Any) -> LeadMerged:
    """The news that a lead stands for another."""
    told = {**survivor.__dict__, "version": 2, "merged_lead_ids": [merged.lead_id], "merged_by": "user:7", **fields}
    return LeadMerged.model_validate(told)


def parted(survivor: LeadSnapshot, merged: LeadSnapshot) -> tuple[LeadUnmerged, LeadUpdated]:
    told = {**merged.__dict__, "version": 3, "survivor_id": survivor.lead_id, "unmerged_by": "user:7"}
    other = {**survivor.__dict__, "version": 3, "changed": ["merged_leads", "tier"]}
    return LeadUnmerged.model_validate(told), LeadUpdated.model_validate(other)


async def state_of(platform: Platform, tenant: str) -> dict[UUID, str]:
    return {message["lead_id"]: message["state"] for message in await messages(platform, tenant)}


async def test_a_queued_message_to_a_lead_that_is_merged_is_held_and_queued_again_once_it_is_parted(
    platform: Platform, tenant: str
) -> None:
    survivor, merged = lead(), lead()
    async with outreach(platform, tenant):
        campaign = await paused_campaign(platform, tenant)
        await arrive(platform, tenant, [survivor, merged])
        await arrive(platform, tenant, [gone(merged, survivor.lead_id), stands(survivor, merged)])
        assert await state_of(platform, tenant) == {survivor.lead_id: "queued", merged.lead_id: "held"}
        [view] = (await platform.caller.ask(tenant, ListCampaigns())).campaigns
        assert (view.queued, view.held) == (1, 1)
        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=campaign.campaign_id))
        await until(lambda: _ended(platform, tenant, 1), what="the survivor's message is sent")
        assert (await state_of(platform, tenant))[merged.lead_id] == "held"

        await arrive(platform, tenant, list(parted(survivor, merged)))
        await until(lambda: _ended(platform, tenant, 2), what="the parted lead's message is sent")


async def test_a_lead_that_arrives_merged_is_not_enrolled_and_one_that_stands_is_by_what_it_is_lent(
    platform: Platform, tenant: str
) -> None:
    survivor, merged = lead(email=False), lead(tier="A")
    async with outreach(platform, tenant):
        await paused_campaign(platform, tenant, audience=Audience(tier=Tier.A))
        lent = {"attribution": merged.attribution, "email_token": merged.email_token}
        newcomer = merged.model_copy(update={"merged_into": survivor.lead_id})
        await arrive(platform, tenant, [survivor, newcomer, stands(survivor, merged, **lent)])
        assert await state_of(platform, tenant) == {survivor.lead_id: "queued"}
        second = await paused_campaign(platform, tenant)
        assert second.queued == 1, "a campaign that comes later reaches the one that stands only"


async def test_whoever_was_sent_a_message_is_not_sent_it_again_by_way_of_the_lead_that_stands_now(
    platform: Platform, tenant: str
) -> None:
    gate = Gate(tenant)
    known, queued, newcomer = lead(), lead(tier="A"), lead()
    async with outreach(platform, tenant, gate):
        await platform.caller.ask(tenant, CreateCampaign(title="To all"))
        await arrive(platform, tenant, [known])
        await until(lambda: _handed(gate), what="the message is handed over")
        first = [*gate.handed]
        # While it is being sent: a lead that is merged into a newcomer, in one batch and in the order intake tells it.
        await arrive(
            platform, tenant,
            [gone(known, newcomer.lead_id), newcomer, stands(newcomer, known), queued, gone(queued, newcomer.lead_id)],
        )  # fmt: skip
        gate.open()
        await until(lambda: _ended(platform, tenant, 1), what="the message is sent")
        later = {**newcomer.__dict__, "version": 3, "changed": ["tier"]}
        await arrive(platform, tenant, [LeadUpdated.model_validate(later), last := lead()])
        await until(lambda: _ended(platform, tenant, 2), what="another lead's message is sent")
        states = await state_of(platform, tenant)
        assert set(states) - {newcomer.lead_id, queued.lead_id} == {known.lead_id, last.lead_id}
        assert states.get(newcomer.lead_id, "held") == states.get(queued.lead_id, "held") == "held"
        assert len(gate.handed) == len(set(gate.handed)) == len(first) + 1


async def test_a_lead_that_joins_an_audience_is_not_sent_what_the_person_was_sent_before(
    platform: Platform, tenant: str
) -> None:
    survivor, merged, last = lead(tier="C"), lead(tier="A"), lead(tier="A")
    async with outreach(platform, tenant, Gate("another")):
        await platform.caller.ask(tenant, CreateCampaign(title="Hello", audience=Audience(tier=Tier.A)))
        await arrive(platform, tenant, [survivor, merged])
        await until(lambda: _ended(platform, tenant, 1), what="the message is sent")
        await arrive(platform, tenant, [gone(merged, survivor.lead_id), stands(survivor, merged)])
        await arrive(platform, tenant, [lead(survivor.lead_id, version=3, tier="A"), last])
        assert set(await state_of(platform, tenant)) == {merged.lead_id, last.lead_id}


async def test_a_message_is_told_as_queued_only_when_it_is(platform: Platform, tenant: str) -> None:
    survivor, merged = lead(), lead()
    async with outreach(platform, tenant):
        await paused_campaign(platform, tenant)
        await arrive(platform, tenant, [merged])
        await arrive(platform, tenant, [gone(merged, survivor.lead_id), survivor, stands(survivor, merged)])
        queued = [event["lead_id"] for event in await events(platform, tenant, "message_queued")]
        assert queued == [str(merged.lead_id), str(survivor.lead_id)]


async def paused_campaign(platform: Platform, tenant: str, **fields: Any) -> CampaignView:
    """A campaign that queues and does not send."""
    campaign = await platform.caller.ask(tenant, CreateCampaign(title=f"Hello {uuid4()}", **fields))
    return await platform.caller.ask(tenant, PauseCampaign(campaign_id=campaign.campaign_id))


async def _handed(gate: Gate) -> bool:
    return bool(gate.handed)


async def _ended(platform: Platform, tenant: str, number: int) -> bool:
    ended = [await count(platform, tenant, state) for state in ("sent", "failed")]
    return sum(ended) == number
