"""The activity page: scheduled and sent on one timeline, filtered, page by page, and asked for again only when it has changed."""

import re
from datetime import datetime, timedelta
from html import unescape
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from contracts.outreach.activity import ListActivity
from contracts.outreach.replies import TakeReply
from contracts.outreach.sending import SendState
from gateway.pages import activity
from tests.gateway.pages.conftest import Shop, rows_of


async def test_scheduled_and_sent_stand_on_one_timeline_with_what_came_of_them(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    (first,) = await shop.messages(shop.waiting, SendState.SENT)
    await shop.ask(TakeReply(message_id=first.message_id, source_key="r", text="Yes, please call me."))
    here = f"/t/{shop.name}/outreach/activity"
    rows = rows_of((await admin.get(here)).raise_for_status().text)
    everything = (await shop.ask(ListActivity(limit=50))).entries
    assert len(rows) == len(everything) and {"queued", "sent"} <= {row[1] for row in rows}
    sent = rows_of((await admin.get(f"{here}?which=sent")).text)
    assert {row[1] for row in sent} == {"sent"} and any("reply" in row[6] for row in sent)
    waiting = rows_of((await admin.get(f"{here}?which=scheduled&account_id={shop.slow.account_id}")).text)
    assert len(waiting) == 2 and all(row[6].startswith("kept by: gap after the last message, until") for row in waiting)
    assert "Yes, please" not in (await admin.get(here)).text


async def test_the_timeline_is_narrowed_by_all_that_the_form_has(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/outreach/activity"
    of_lead = (await admin.get(f"{here}?lead_id={shop.leads[3]}")).text
    assert set(re.findall("/leads/([0-9a-f-]{36})", of_lead)) == {str(shop.leads[3])} and rows_of(of_lead)
    assert len(rows_of((await admin.get(f"{here}?campaign_id={shop.waiting.campaign_id}")).text)) == 3
    assert "Nothing here" in (await admin.get(f"{here}?channel=sms")).text
    future = (datetime.now(ZoneInfo(shop.zone)) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert {row[1] for row in rows_of((await admin.get(here, params={"since": future})).text)} == {"queued"}
    assert "sent" in {row[1] for row in rows_of((await admin.get(here, params={"until": future, "since": ""})).text)}
    for wrong in ("since=0001-01-01T00:00", "since=yesterday", "which=some", f"since={future}&until={future}"):
        assert (await admin.get(f"{here}?{wrong}")).status_code == 400, wrong


async def test_the_timeline_is_read_page_by_page(
    admin: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "ROWS_SHOWN", 2)
    address, seen = f"/t/{shop.name}/outreach/activity?soonest=true&campaign_id={shop.waiting.campaign_id}", []
    for expected in (2, 1):
        page = (await admin.get(address)).raise_for_status().text
        assert len(rows_of(page)) == expected
        seen += re.findall(r"/queue/([0-9a-f-]{36})", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = unescape(following[1]) if following else ""
    assert len(set(seen)) == 3 and not address
    assert "every 5s" not in page, "only the first page is live"


async def test_the_list_is_sent_again_only_when_it_has_changed_and_can_be_paused(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    here = f"/t/{shop.name}/outreach/activity?which=sent&campaign_id={shop.waiting.campaign_id}"
    page = (await admin.get(here)).text
    again = re.search(r'hx-get="([^"]+)" hx-select="#entries" hx-trigger="every 5s"', page)
    assert again
    poll = unescape(again[1])
    assert (await admin.get(poll)).status_code == 204
    changed = await admin.get(re.sub("seen=.*", f"seen={uuid4()}", poll))
    assert changed.status_code == 200 and 'id="entries"' in changed.text and len(rows_of(changed.text)) == 1
    paused = re.search(r'href="([^"]+)">Pause', page)
    assert paused and "every 5s" not in (await admin.get(unescape(paused[1]))).text
