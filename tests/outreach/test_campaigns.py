"""A campaign reaches the leads of its audience, those that come later included, each once; it can be paused."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.unit_of_work import Database
from contracts.message import ProblemCode, ProblemError
from contracts.outreach import (
    Audience,
    CampaignState,
    CreateCampaign,
    LeadMessages,
    ListCampaigns,
    MessageView,
    PauseCampaign,
    ResumeCampaign,
)
from contracts.taxonomy import Channel, Intent, Tier
from outreach import store
from tests.outreach.scene import arrive, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


async def enrolled(platform: Platform, tenant: str) -> set[object]:
    return {message["lead_id"] for message in await messages(platform, tenant)}


async def test_every_lead_of_the_audience_that_is_there_is_enrolled_once(platform: Platform, tenant: str) -> None:
    members = [lead(source_key="web", intent="buyer", tier="A", geo_key=geo) for geo in ("dublin_oh", "columbus_oh")]
    others = [lead(source_key="web", intent="seller", tier="A"), lead(source_key="web"), lead(tier="A", intent="buyer")]
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [*members, *others])
        audience = Audience(source_key="web", intent=Intent.BUYER, tier=Tier.A)
        campaign = await platform.caller.ask(tenant, CreateCampaign(title="Hello", audience=audience))

        assert (campaign.state, campaign.queued, campaign.sent) == (CampaignState.RUNNING, 2, 0)
        assert campaign.audience.model_dump() == audience.model_dump()
        assert await enrolled(platform, tenant) == {member.lead_id for member in members}
        created = await events(platform, tenant, "campaign_created")
        queued = await events(platform, tenant, "message_queued")
        assert [event["campaign_id"] for event in created] == [str(campaign.campaign_id)]
        assert {event["lead_id"] for event in queued} == {str(member.lead_id) for member in members}
        assert {event["correlation_id"] for event in queued} == {created[0]["correlation_id"]}


@pytest.mark.parametrize(
    ("channel", "address"),
    [(Channel.EMAIL, "email"), (Channel.LINKEDIN, "linkedin"), (Channel.SMS, "phone"), (Channel.PHONE, "phone")],
)
async def test_only_leads_with_an_address_for_the_channel_are_enrolled(
    platform: Platform, tenant: str, channel: Channel, address: str
) -> None:
    leads = {kind: lead(**{"email": False, kind: True}) for kind in ("email", "linkedin", "phone")}
    async with outreach(platform, tenant):
        await arrive(platform, tenant, list(leads.values()))
        campaign = await platform.caller.ask(tenant, CreateCampaign(title="Hello", channel=channel))
        assert campaign.queued == 1
        assert await enrolled(platform, tenant) == {leads[address].lead_id}


async def test_a_lead_that_arrives_or_joins_the_audience_later_is_enrolled_once(
    platform: Platform, tenant: str
) -> None:
    newcomer, joining, outsider = lead(tier="A"), lead(tier="C"), lead(tier="C")
    async with outreach(platform, tenant):
        await platform.caller.ask(tenant, CreateCampaign(title="Hello", audience=Audience(tier=Tier.A)))
        await arrive(platform, tenant, [newcomer, joining, outsider])
        assert await enrolled(platform, tenant) == {newcomer.lead_id}

        await arrive(
            platform, tenant, [lead(joining.lead_id, version=2, tier="A"), lead(newcomer.lead_id, version=2, tier="A")]
        )
        assert await enrolled(platform, tenant) == {newcomer.lead_id, joining.lead_id}
        assert len(await events(platform, tenant, "message_queued")) == 2


async def test_an_older_version_of_a_lead_that_comes_late_changes_nothing(platform: Platform, tenant: str) -> None:
    known = lead(version=3, tier="C")
    async with outreach(platform, tenant):
        await platform.caller.ask(tenant, CreateCampaign(title="Hello", audience=Audience(tier=Tier.A)))
        await arrive(platform, tenant, [known])
        await arrive(platform, tenant, [lead(known.lead_id, version=2, tier="A")])
        assert await enrolled(platform, tenant) == set()


async def test_a_lead_that_arrives_while_a_campaign_is_created_is_enrolled(
    platform: Platform, database: Database, tenant: str
) -> None:
    async def someone_waits() -> bool:
        async with platform.sql() as sql:
            waits = "select exists (select from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and not granted)"
            return bool(await sql.fetchval(waits))

    newcomer = lead()
    async with outreach(platform, tenant):
        async with database.begin(tenant) as creating:
            await store.await_leads_being_kept(creating, tenant)
            await store.create_campaign(creating, tenant, uuid4(), CreateCampaign(title="Hello"))
            await platform.publish("intake", tenant, newcomer)
            await until(someone_waits, what="the lead waits for the campaign")
        await until(lambda: enrolled(platform, tenant), what="the lead is enrolled")


async def test_pausing_and_resuming_happen_once_however_often_they_are_asked_for(
    platform: Platform, tenant: str
) -> None:
    async with outreach(platform, tenant):
        campaign = await platform.caller.ask(tenant, CreateCampaign(title="Hello"))
        pause, resume = (order(campaign_id=campaign.campaign_id) for order in (PauseCampaign, ResumeCampaign))
        for _ in range(2):
            assert (await platform.caller.ask(tenant, pause)).state is CampaignState.PAUSED
        for _ in range(2):
            assert (await platform.caller.ask(tenant, resume)).state is CampaignState.RUNNING
        assert len(await events(platform, tenant, "campaign_paused")) == 1
        assert len(await events(platform, tenant, "campaign_resumed")) == 1


async def test_a_tenant_sees_and_switches_its_own_campaigns_only(platform: Platform, tenant: str) -> None:
    other = f"other-{uuid4().hex[:8]}"
    async with outreach(platform, tenant):
        campaigns = [await platform.caller.ask(tenant, CreateCampaign(title=title)) for title in ("First", "Second")]
        listed = await platform.caller.ask(tenant, ListCampaigns())
        assert [campaign.title for campaign in listed.campaigns] == ["Second", "First"]
        assert (await platform.caller.ask(other, ListCampaigns())).campaigns == []
        with pytest.raises(ProblemError, match="no such campaign") as refused:
            await platform.caller.ask(other, PauseCampaign(campaign_id=campaigns[0].campaign_id))
        assert refused.value.problem.code is ProblemCode.NOT_FOUND
        assert await events(platform, other, "campaign_paused") == []


async def test_a_campaign_of_a_tenant_that_does_not_exist_is_refused(platform: Platform) -> None:
    async with platform.running("gateway", "outreach"):
        with pytest.raises(ProblemError, match="no such tenant"):
            await platform.caller.ask(f"missing-{uuid4().hex[:8]}", CreateCampaign(title="Hello"))


async def test_the_messages_to_a_lead_are_listed_in_pages_each_once(platform: Platform, tenant: str) -> None:
    known = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [known])
        for number in range(5):
            await platform.caller.ask(tenant, CreateCampaign(title=str(number)))
        async with platform.sql() as sql:  # two were queued at one moment
            await sql.execute(
                """update outreach.message set queued_at = (select min(queued_at) from outreach.message where tenant_id = $1)
                   where tenant_id = $1 and message_id in
                       (select message_id from outreach.message where tenant_id = $1 order by queued_at limit 2)""",
                tenant,
            )
        queued = [row["message_id"] for row in sorted(await messages(platform, tenant), key=last_queued_first)]
        for limit in (1, 2, 5):
            listed: list[MessageView] = []
            cursor = None
            while True:
                page = await platform.caller.ask(
                    tenant, LeadMessages(lead_id=known.lead_id, limit=limit, cursor=cursor)
                )
                listed += page.messages
                assert page.channels
                if (cursor := page.next_cursor) is None:
                    break
            assert [message.message_id for message in listed] == queued
        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(tenant, LeadMessages(lead_id=known.lead_id, cursor="x"))
        assert refused.value.problem.code is ProblemCode.INVALID


def last_queued_first(row: dict[str, Any]) -> tuple[float, UUID]:
    return -row["queued_at"].timestamp(), row["message_id"]
