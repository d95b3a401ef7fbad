"""Before a campaign is started a similar one is told of, and what comes of it is remembered; nobody is kept from starting one."""

from typing import Any
from uuid import UUID

import pytest

from contracts.intake.memory import ActionView, ListActions
from contracts.outreach.campaigns import (
    ArchiveCampaign,
    Audience,
    CampaignView,
    CheckCampaign,
    NewStep,
    PauseCampaign,
    ResumeCampaign,
)
from contracts.taxonomy import SendKind, Tier
from tests.outreach.scene import Outboxes, account, campaign, events, new_lead, settled
from tests.platform import Platform
from tests.waiting import until

WEB = {"audience": Audience(source_key="web", tier=Tier.A), "settings": {"offer": "loan"}, "actor": "user:7"}


@pytest.fixture
async def running(platform: Platform, outboxes: Outboxes, tenant: str) -> Platform:
    """Intake and outreach, knowing the tenant."""
    await platform.introduce(tenant, "intake", "outreach")
    return platform


async def remembered(platform: Platform, tenant: str, campaign_id: UUID, status: str = "no_action") -> ActionView:
    """What is remembered of a campaign, once it stands so."""

    async def action() -> ActionView | None:
        known = (await platform.caller.ask(tenant, ListActions(action_type="outreach"))).actions
        return next((each for each in known if each.action_id == campaign_id and each.status == status), None)

    return await until(action, what=f"{status} of the campaign")


async def archive(platform: Platform, tenant: str, made: CampaignView) -> None:
    await platform.caller.ask(tenant, ArchiveCampaign(campaign_id=made.campaign_id, actor="user:7"))


async def sent(platform: Platform, tenant: str) -> CampaignView | None:
    found = await settled(platform, tenant)
    return found if found and found.sent else None


async def test_a_campaign_like_one_before_is_told_of_it_starts_all_the_same_and_auditors_see_it(
    running: Platform, tenant: str
) -> None:
    first = await campaign(running, tenant, **WEB)
    assert first.recall and not first.recall.similar_action_found
    action = await remembered(running, tenant, first.campaign_id)
    assert (action.actor, action.entity_type, action.proceeded_anyway) == ("user:7", "individual", False)

    again = await campaign(running, tenant, **WEB | {"actor": "user:8", "settings": {"offer": "loan", "daily_cap": 5}})
    assert again.state == "running"
    recall = again.recall
    assert (recall.similar_action_found, recall.previous_action_date) == (True, action.acted_at)
    assert (recall.previous_action_status, recall.allow_proceed) == ("no_action", True)
    audited = await remembered(running, tenant, again.campaign_id)
    assert (audited.actor, audited.proceeded_anyway, audited.similar_to) == ("user:8", True, first.campaign_id)


async def test_a_campaign_for_others_or_with_another_offer_is_no_repetition(running: Platform, tenant: str) -> None:
    first = await campaign(running, tenant, **WEB)
    await remembered(running, tenant, first.campaign_id)
    asked: list[dict[str, Any]] = [
        {"audience": Audience(source_key="fair", tier=Tier.A), "offer": "loan"},
        {"audience": WEB["audience"], "offer": "lease"},
        {"audience": WEB["audience"], "offer": "loan", "steps": (NewStep(kind=SendKind.SMS),)},
    ]
    for about in asked:
        assert not (await running.caller.ask(tenant, CheckCampaign(**about))).similar_action_found
    same = CheckCampaign(audience=WEB["audience"], offer="loan")
    assert (await running.caller.ask(tenant, same)).similar_action_found
    assert len((await running.caller.ask(tenant, ListActions())).actions) == 1, "asking records nothing"


async def test_a_draft_is_remembered_from_its_start_on_and_once(running: Platform, tenant: str) -> None:
    draft = await campaign(running, tenant, start=False, **WEB)
    assert draft.recall is None
    assert not await events(running, tenant, "campaign_started")
    order = ResumeCampaign(campaign_id=draft.campaign_id, actor="user:9", proceed_anyway=True)
    started = await running.caller.ask(tenant, order)
    assert started.recall and not started.recall.similar_action_found, "a draft is nothing that was done"
    action = await remembered(running, tenant, draft.campaign_id)
    assert (action.actor, action.proceeded_anyway) == ("user:9", True), "they say that they were told"

    await running.caller.ask(tenant, PauseCampaign(campaign_id=draft.campaign_id))
    resumed = await running.caller.ask(tenant, ResumeCampaign(campaign_id=draft.campaign_id))
    assert resumed.recall is None, "it was started before"
    assert len(await events(running, tenant, "campaign_started")) == 1


async def test_what_came_of_a_campaign_is_remembered(running: Platform, tenant: str) -> None:
    await account(running, tenant)
    for name in ("ada", "bob"):
        await new_lead(running, tenant, email=f"{name}@example.com", source="web")
    made = await campaign(running, tenant, audience=Audience(source_key="web"))
    await until(lambda: sent(running, tenant), what="messages", seconds=30)
    await remembered(running, tenant, made.campaign_id, "partial")
    told = await running.caller.ask(tenant, CheckCampaign(audience=Audience(source_key="web")))
    assert told.previous_action_status == "partial", "it is under way"
    await archive(running, tenant, made)
    await remembered(running, tenant, made.campaign_id, "completed")


async def test_a_campaign_that_was_ended_half_way_is_partial_and_one_that_sent_nothing_is_no_action(
    running: Platform, tenant: str
) -> None:
    await account(running, tenant)
    await new_lead(running, tenant, email="ada@example.com", source="web")
    made = await campaign(running, tenant, NewStep(), NewStep(delay_days=3), audience=Audience(source_key="web"))
    await remembered(running, tenant, made.campaign_id, "partial")
    await archive(running, tenant, made)
    nothing = await campaign(running, tenant, audience=Audience(source_key="nobody"))
    await archive(running, tenant, nothing)

    async def told() -> dict[str, Any] | None:
        ended = {each["campaign_id"]: each["outcome"] for each in await events(running, tenant, "campaign_completed")}
        return ended if len(ended) == 2 else None

    assert await until(told) == {str(made.campaign_id): "partial", str(nothing.campaign_id): "no_action"}
    await remembered(running, tenant, nothing.campaign_id, "no_action")
    await remembered(running, tenant, made.campaign_id, "partial")
