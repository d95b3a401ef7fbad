"""The queue as a page: today's schedule by the right day, why a message waits, and skipping it with a reason."""

import re
from html import unescape
from uuid import uuid4

import httpx

from contracts.message import ProblemError
from contracts.outreach.people import Suppress
from contracts.outreach.sending import SendState
from tests.gateway.pages.conftest import Shop, rows_of, text_of
from tests.waiting import until


async def test_today_and_after_today_are_parted_by_the_tenants_day(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/queue"
    today = (await admin.get(here)).raise_for_status().text
    assert [row[2] for row in rows_of(today)] == ["Hello"] * 2 and f"by the clock of {shop.zone}" in text_of(today)
    assert {row[5] for row in rows_of(today)} == {"Gap after the last message : why"}
    later = (await admin.get(f"{here}?day=later")).raise_for_status().text
    assert len(rows_of(later)) == 3 and "step 2" in rows_of(later)[0][1]
    everything = (await admin.get(f"{here}?day=all")).raise_for_status().text
    assert rows_of(everything) == rows_of(today) + rows_of(later), "the next one first"
    assert "<b>" not in everything and "Sales &lt;b&gt;" in everything


async def test_with_an_account_the_day_is_the_accounts_and_only_its_messages_are_shown(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    page = (await admin.get(f"/t/{shop.name}/queue?account_id={shop.slow.account_id}&campaign_id=&channel=")).text
    assert len(rows_of(page)) == 2 and f"by the clock of Slow, {shop.zone}" in text_of(page)
    none = await admin.get(f"/t/{shop.name}/queue?account_id={shop.account.account_id}")
    assert "Nothing is to leave today" in none.text and "What leaves after today" in none.text


async def test_every_gate_says_its_verdict_and_one_of_them_is_binding(admin: httpx.AsyncClient, shop: Shop) -> None:
    message = (await shop.messages(shop.waiting, SendState.QUEUED))[0]
    page = (await admin.get(f"/t/{shop.name}/queue/{message.message_id}")).raise_for_status().text
    verdicts = {row[0]: row[1:] for row in rows_of(page)}
    assert len(verdicts) == 14
    binding = verdicts["Gap after the last message binding"]
    assert binding[0] == "waits" and binding[1] and binding[2] == "the account sent something a moment ago"
    assert verdicts["Business hours"][0] == verdicts["60-day rule"][0] == "passes"
    assert "Gap after the last message keeps it longest. It could leave" in text_of(page)
    (sent,) = await shop.messages(shop.waiting, SendState.SENT)
    over = text_of((await admin.get(f"/t/{shop.name}/queue/{sent.message_id}")).text)
    assert "Sent" in over and "Why it has not left" not in over and "About to leave" in over
    assert (await admin.get(f"/t/{shop.name}/queue/{uuid4()}")).status_code == 404


async def test_a_message_is_skipped_with_a_reason_and_the_page_comes_back_where_it_was(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    here = f"/t/{shop.name}/queue?day=all&campaign_id={shop.campaign.campaign_id}"
    page = (await admin.get(here)).text
    skips = [unescape(found) for found in re.findall(r'action="([^"]+/skip[^"]*)"', page)]
    assert len(skips) == 3
    done = await admin.post(skips[0], data={"reason": "wrong_person"})
    assert (done.status_code, done.headers["location"]) == (303, here)
    assert len(rows_of((await admin.get(here)).text)) == 2
    message = re.search(r"/queue/([0-9a-f-]{36})/skip", skips[0])
    assert message
    own = f"/t/{shop.name}/queue/{message[1]}"
    shown = text_of((await admin.get(own)).text)
    assert "skipped wrong person" in shown and "Skipped wrong person" in shown
    again = await admin.post(f"{own}/give-up", data={"reason": "by_hand"})
    assert again.status_code == 409 and "only one that has not begun to leave can be skipped" in again.text
    assert (await admin.post(f"{own}/give-up", data={"reason": "no such reason"})).status_code == 400
    assert (await admin.post(f"{own}/settle", data={"outcome": "sent"})).status_code == 409


async def test_names_are_shown_to_whoever_asks_and_may_and_nowhere_else(
    admin: httpx.AsyncClient, viewer: httpx.AsyncClient, shop: Shop
) -> None:
    lead = await shop.lead(email="named@example.com")

    async def entered() -> bool:
        try:
            await shop.ask(Suppress(lead_id=lead, actor="user:1"))
        except ProblemError:
            return False
        return True

    await until(entered, what="the lead's arrival at outreach")
    for here in (
        f"/t/{shop.name}/queue?campaign_id={shop.waiting.campaign_id}",
        f"/t/{shop.name}/outreach/activity",
        f"/t/{shop.name}/suppressions",
        f"/t/{shop.name}/numbers/todays_sends",
    ):
        page = (await admin.get(here)).text
        button = re.search(r'<form class="names" method="post" action="([^"]+)"', page)
        assert button and "Ada Quark" not in page
        named = (await admin.post(unescape(button[1]))).raise_for_status().text
        assert "Ada Quark" in named and "the audit has that you saw them" in named and "every 5s" not in named
        assert 'class="names"' not in (await viewer.get(here)).text
        assert (await viewer.post(here)).status_code == 403


async def test_who_may_change_nothing_is_offered_nothing_to_do(viewer: httpx.AsyncClient, shop: Shop) -> None:
    page = await viewer.get(f"/t/{shop.name}/queue?day=all")
    assert page.status_code == 200 and "/skip" not in page.text
    message = (await shop.messages(shop.waiting, SendState.QUEUED))[0]
    assert "/give-up" not in (await viewer.get(f"/t/{shop.name}/queue/{message.message_id}")).text
    assert (await viewer.post(f"/t/{shop.name}/queue/{message.message_id}/give-up")).status_code == 403
