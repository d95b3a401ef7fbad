"""Campaigns as pages: how they go, how their variants do, and making one step by step without a script."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx

from contracts.outreach.campaigns import CampaignView, GetCampaign
from tests.gateway.pages.conftest import Shop, rows_of, text_of

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
