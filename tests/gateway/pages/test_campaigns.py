"""Campaigns as pages: how they go, how their variants do, and making one step by step without a script."""

import re
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx

from contracts.intake.memory import ActionView, ListActions
from contracts.outreach.campaigns import CampaignView, GetCampaign
from contracts.taxonomy import ActionType
from tests.gateway.pages.conftest import Shop, rows_of, text_of
from tests.waiting import until

USUAL = {
    "title": "Autumn <b>", "source_key": "nobody", "geo_key": "", "intent": "buyer", "tier": "", "offer": "loan",
    "rotation_set": "default", "daily_cap": "20", "opens": "08:00", "closes": "17:30", "weekdays": ["1", "6"],
    "holidays": "DE", "stop_for_company": "true",
}  # fmt: skip


def steps(*given: tuple[str, str, list[str]]) -> dict[str, Any]:
    """The fields of steps: (kind, days, templates)."""
    templates = [[*ids, "", "", ""][:3] for _, _, ids in given]
    return {
        "kind": [kind for kind, _, _ in given], "delay_days": [days for _, days, _ in given],
        "only_intent": ["" for _ in given], "only_tier": ["A" for _ in given],
        "template": [each for ids in templates for each in ids], "weight": ["2", "1", "1"] * len(given),
    }  # fmt: skip


async def made(shop: Shop, response: httpx.Response) -> CampaignView:
    assert response.status_code == 303, text_of(response.text)
    found = re.search(r"/campaigns/([0-9a-f-]{36})$", response.headers["location"])
    assert found
    campaign: CampaignView = await shop.ask(GetCampaign(campaign_id=UUID(found[1])))
    return campaign


async def test_the_list_says_how_far_each_has_come_and_leads_to_its_messages(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    page = (await admin.get(f"/t/{shop.name}/campaigns")).raise_for_status().text
    shown = next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if str(shop.campaign.campaign_id) in row)
    now = await shop.ask(GetCampaign(campaign_id=shop.campaign.campaign_id))
    (cells,) = rows_of(f"<tbody>{shown}</tbody>")
    assert cells[:10] == [
        "Hello",
        "running",
        "2",
        str(now.enrolled),
        str(now.queued),
        "0",
        "3",
        "0",
        str(now.skipped),
        "0",
    ]
    for address in ("queue?day=all&campaign_id=", "outreach/activity?which=sent&campaign_id="):
        assert f'href="/t/{shop.name}/{address}{shop.campaign.campaign_id}"' in shown


async def test_a_campaign_shows_how_the_variants_of_its_steps_do(admin: httpx.AsyncClient, shop: Shop) -> None:
    page = (await admin.get(f"/t/{shop.name}/campaigns/{shop.campaign.campaign_id}")).raise_for_status().text
    said = text_of(page)
    assert "Step 1: E-mail" in said and "Step 2: E-mail, 3 days after the one before" in said
    variants = rows_of(page)
    assert [row[0] for row in variants] == ["1: first version 1", "2: second version 1"]
    assert sum(int(row[3]) for row in variants) == 3 and {row[2] for row in variants} == {"too early"}
    assert re.search(r"0\.0 % 0, 0–\d+ %", variants[0][4]), "with where the true share lies"
    assert f'href="/t/{shop.name}/templates/{shop.texts[0].template_id}?version=1"' in page


async def test_a_campaign_is_made_step_by_step_and_keeps_what_was_typed(admin: httpx.AsyncClient, shop: Shop) -> None:
    new, (first, second) = f"/t/{shop.name}/campaigns/new", [str(text.template_id) for text in shop.texts]
    assert "Step 1" in (await admin.get(new)).text
    given = USUAL | steps(("email", "0", [first, second]))
    more = (await admin.post(new, data=given | {"do": "add"})).raise_for_status().text
    assert "Step 2" in more and "Autumn &lt;b&gt;" in more and f'<option value="{second}" selected>' in more
    less = (
        await admin.post(new, data=USUAL | steps(("sms", "0", []), ("email", "3", [first])) | {"do": "drop-1"})
    ).text
    assert "Step 2" not in less and f'<option value="{first}" selected>' in less
    assert "Step 2" not in (await admin.post(new, data=given | {"do": ""})).text, "the enter key makes nothing"
    refused = await admin.post(new, data=given | {"title": " ", "do": "draft"})
    assert refused.status_code == 400 and "Title: " in text_of(refused.text) and 'value="loan"' in refused.text
    wrong = await admin.post(new, data=given | {"opens": "19:00", "do": "draft"})
    assert wrong.status_code == 400 and "Closes must be later than opens" in wrong.text

    two = USUAL | steps(("email", "0", [first, second]), ("email", "4", [second])) | {"do": "draft"}
    campaign = await made(shop, await admin.post(new, data=two))
    assert (campaign.title, campaign.state, campaign.audience.intent) == ("Autumn <b>", "draft", "buyer")
    assert [step.delay_days for step in campaign.steps] == [0, 4]
    assert [(str(v.template_id), v.weight) for v in campaign.steps[0].variants] == [(first, 2), (second, 1)]
    assert campaign.steps[0].condition.tier == "A"
    settings = campaign.settings
    assert (settings.offer, settings.daily_cap, settings.stop_for_company) == ("loan", 20, True)
    assert (settings.hours.opens, settings.hours.closes, settings.hours.holidays) == ("08:00", "17:30", "DE")
    assert settings.hours.weekdays == {1, 6}

    like = (await admin.get(f"{new}?like={campaign.campaign_id}")).raise_for_status().text
    assert "Step 2" in like and 'value="17:30"' in like and f'<option value="{second}" selected>' in like
    assert "<b>" not in like


async def remembered(shop: Shop, campaign: CampaignView) -> ActionView:
    async def action() -> ActionView | None:
        known = (await shop.ask(ListActions(action_type=ActionType.OUTREACH))).actions
        return next((each for each in known if each.action_id == campaign.campaign_id), None)

    return await until(action, what="the campaign being remembered")


async def test_who_starts_a_campaign_like_one_before_is_told_of_it_and_may_proceed(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    new, given = f"/t/{shop.name}/campaigns/new", USUAL | steps(("sms", "0", [])) | {"source_key": "recalled"}
    first = await made(shop, await admin.post(new, data=given | {"do": "start", "once": "one"}))
    action = await remembered(shop, first)
    assert action.actor.startswith("user:") and not action.proceeded_anyway
    again = await made(shop, await admin.post(new, data=given | {"do": "start", "once": "one"}))
    assert again.campaign_id == first.campaign_id, "the same form sent twice is no other campaign"

    day = action.acted_at.astimezone(ZoneInfo(shop.zone)).date()
    says = f"A similar campaign was started on {day}: no action"
    for once in ("two", "two", "three"):
        told = (await admin.post(new, data=given | {"do": "start", "once": once})).raise_for_status().text
        assert says in text_of(told) and 'value="proceed">Proceed anyway<' in told and "Autumn &lt;b&gt;" in told
        assert f'href="/t/{shop.name}/campaigns/{first.campaign_id}"' in told
    second = await made(shop, await admin.post(new, data=given | {"do": "proceed", "once": "two"}))
    assert second.state == "running" and second.campaign_id != first.campaign_id
    audited = await remembered(shop, second)
    assert (audited.proceeded_anyway, audited.similar_to) == (True, first.campaign_id)

    draft = await made(shop, await admin.post(new, data=given | {"do": "draft"}))
    here = f"/t/{shop.name}/campaigns/{draft.campaign_id}"
    page = (await admin.get(here)).raise_for_status().text
    assert says in text_of(page) and "Proceed anyway" in page and ">Start<" not in page
    assert (await made(shop, await admin.post(f"{here}/resume", data={"proceed_anyway": "true"}))).state == "running"
    assert (await remembered(shop, draft)).proceeded_anyway
    assert says not in text_of((await admin.get(here)).text), "it is told before the start, and not of itself"


async def test_a_draft_like_none_before_is_started_without_a_word(admin: httpx.AsyncClient, shop: Shop) -> None:
    new, given = f"/t/{shop.name}/campaigns/new", USUAL | steps(("sms", "0", [])) | {"source_key": "unheard_of"}
    draft = await made(shop, await admin.post(new, data=given | {"do": "draft"}))
    page = (await admin.get(f"/t/{shop.name}/campaigns/{draft.campaign_id}")).raise_for_status().text
    assert ">Start<" in page and "similar campaign" not in page


async def test_the_api_tells_of_a_similar_campaign_and_starts_this_one(shop: Shop) -> None:
    client, path = shop.tenancy.client, shop.tenancy.path
    about = {"audience": {"source_key": "by_api"}, "steps": [{"kind": "sms"}]}
    order = {"title": "Hello", "settings": {"offer": "loan"}, **about}
    first = await client.post(path("/campaigns"), json=order)
    assert (first.status_code, first.json()["recall"]["similar_action_found"]) == (201, False)
    known = await remembered(shop, CampaignView.model_validate(first.json()))
    asked = (await client.post(path("/campaigns/check"), json={"offer": "loan", **about})).raise_for_status().json()
    again = await client.post(path("/campaigns"), json=order)
    assert (again.status_code, again.json()["state"], again.json()["recall"]) == (201, "running", asked)
    assert (asked["similar_action_found"], asked["previous_action_status"]) == (True, "no_action")
    draft = (await client.post(path("/campaigns"), json=order | {"start": False})).json()
    assert draft["recall"] is None
    started = await client.post(path(f"/campaigns/{draft['campaign_id']}/resume"))
    assert (started.status_code, started.json()["state"]) == (200, "running")
    assert started.json()["recall"]["similar_action_found"]
    assert (await remembered(shop, CampaignView.model_validate(draft))).proceeded_anyway
    assert known.actor.startswith("key:")


async def test_a_campaign_is_started_paused_resumed_and_ended(admin: httpx.AsyncClient, shop: Shop) -> None:
    new = f"/t/{shop.name}/campaigns/new"
    campaign = await made(shop, await admin.post(new, data=USUAL | steps(("sms", "0", [])) | {"do": "start"}))
    here = f"/t/{shop.name}/campaigns/{campaign.campaign_id}"
    assert campaign.state == "running"
    for action, state in (("pause", "paused"), ("resume", "running"), ("archive", "archived")):
        assert (await made(shop, await admin.post(f"{here}/{action}"))).state == state
        assert f"State {state}" in text_of((await admin.get(here)).text)
    page = (await admin.get(here)).text.partition("<main")[2]
    assert "<form" not in page, "nothing is to be done with one that has ended"
    nobody = f"/t/{shop.name}/campaigns/{uuid4()}"
    assert [(await admin.get(nobody)).status_code, (await admin.post(f"{nobody}/pause")).status_code] == [404, 404]


async def test_who_may_change_nothing_is_offered_nothing_to_do(viewer: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/campaigns"
    for path in (here, f"{here}/{shop.campaign.campaign_id}"):
        assert "<form" not in (await viewer.get(path)).raise_for_status().text.partition("<main")[2]
    assert (await viewer.post(f"{here}/{shop.campaign.campaign_id}/pause")).status_code == 403
