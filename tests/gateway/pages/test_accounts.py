"""Accounts as pages: what each may send today and why, its health term by term, adding one without a secret, and setting its limits."""

import re
from uuid import UUID, uuid4

import httpx

from contracts.outreach.accounts import ExplainAccount
from contracts.outreach.activity import ListActivity
from contracts.outreach.replies import ReportComplaint, ReportDelivery
from contracts.taxonomy import Fault
from tests.gateway.pages.conftest import Shop, rows_of, text_of


def account_of(response: httpx.Response) -> UUID:
    assert response.status_code == 303, text_of(response.text)
    found = re.search(r"/accounts/([0-9a-f-]{36})$", response.headers["location"])
    assert found
    return UUID(found[1])


async def test_the_list_says_how_each_account_stands_and_how_much_of_its_day_is_used(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    page = (await admin.get(f"/t/{shop.name}/accounts")).raise_for_status().text
    rows = {row[0]: row[1:] for row in rows_of(page)}
    assert rows["Sales <b>"][:2] == ["E-mail Sandbox", "active"] and rows["Sales <b>"][4] == "now"
    assert rows["Sales <b>"][3] == "3 of 100"
    assert re.fullmatch(r"1 of \d+ ramp", rows["Slow"][3]), "a new account's day"
    assert re.match(r"\d\d:\d\d:\d\d", rows["Slow"][4]), "the gap after its last message"


async def test_health_is_explained_term_by_term(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/accounts/{shop.harmed.account_id}"
    assert "Nothing bad was heard of its last sends" in (await admin.get(here)).text
    first, second = (await shop.ask(ListActivity(account_id=shop.harmed.account_id))).entries
    await shop.ask(ReportComplaint(message_id=first.message_id, source_key="c"))
    await shop.ask(
        ReportDelivery(message_id=second.message_id, delivered=False, fault=Fault.REPUTATION, source_key="d")
    )
    explained = await shop.ask(ExplainAccount(account_id=shop.harmed.account_id))
    page = (await admin.get(here)).raise_for_status().text
    assert f"Health {explained.account.health} of 100" in text_of(page)
    shown = {row[0]: row[1:] for row in rows_of(page)}
    assert shown.keys() == {"complaint", "reputation bounce"}
    for term in explained.terms:
        row = shown[term.trouble.replace("_", " ")]
        assert row == [str(term.count), str(term.sends), f"{term.points_lost:.1f}", term.why]


async def test_an_account_is_added_by_each_transport_and_no_secret_passes_through_the_page(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    new = f"/t/{shop.name}/accounts/new"
    assert "Password" not in (await admin.get(new)).text
    given = {"title": "Try", "address": "try@example.com", "channel": "sms", "transport": "sandbox", "refuses": "0.5"}
    added = await shop.ask(ExplainAccount(account_id=account_of(await admin.post(new, data=given))))
    assert (added.account.channel, added.account.transport, added.account.sandbox.refuses) == ("sms", "sandbox", 0.5)
    form = (await admin.get(f"{new}?transport=smtp")).text
    assert "variable ends in" in form and 'type="password"' not in form
    given = {
        "title": "Mail", "channel": "email", "address": "ada@example.com", "transport": "smtp", "host": "smtp.example.com",
        "port": "465", "security": "tls", "password": "SALES_1", "dkim_domain": "", "dkim_selector": "", "dkim_key": "",
        "sender_name": "", "rotation": "",
    }  # fmt: skip
    refused = await admin.post(new, data=given)
    assert refused.status_code == 400, "there is no such field"
    del given["rotation"]
    refused = await admin.post(new, data=given | {"password": "my secret"})
    assert refused.status_code == 400 and "Password: " in refused.text and 'value="smtp.example.com"' in refused.text
    page = text_of((await admin.get(f"/t/{shop.name}/accounts/{account_of(await admin.post(new, data=given))}")).text)
    assert "Mail server smtp.example.com:465, tls" in page and "in the variable that ends in SALES_1" in page
    assert "ada@example.com" not in page
    given = {
        "title": "Post",
        "channel": "linkedin",
        "address": "ada",
        "transport": "http",
        "url": "https://messages.example.com/send",
    }
    service = account_of(await admin.post(new, data=given))
    change = f"/t/{shop.name}/accounts/{service}/change"
    form = (await admin.get(change)).text
    assert 'value="https://messages.example.com/send"' in form and 'value="ada"' not in form, (
        "the address is never shown"
    )
    assert account_of(
        await admin.post(change, data=given | {"title": "Service", "channel": "", "address": "", "secret": "KEY_2"})
    )
    changed = (await shop.ask(ExplainAccount(account_id=service))).account
    assert (changed.title, changed.http.secret) == ("Service", "KEY_2")


async def test_limits_and_the_ramp_are_set_and_what_is_wrong_is_said_beside_what_was_typed(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    given = {"title": "Set", "address": "set@example.com", "channel": "email", "transport": "sandbox"}
    account = account_of(await admin.post(f"/t/{shop.name}/accounts/new", data=given))
    here = f"/t/{shop.name}/accounts/{account}"
    settings = {
        "time_zone": "Europe/Berlin", "rotation_set": "nobody", "least_gap_minutes": "1.5", "most_gap_minutes": "3",
        "warm_up_began": "", "email": "7",
    }  # fmt: skip
    assert account_of(await admin.post(f"{here}/settings", data=settings)) == account
    page = (await admin.get(here)).text
    assert ["E-mail", "0", "7", "its daily limit"] in [
        row[:4] for row in rows_of(page)
    ] or "its daily limit" in text_of(page)
    assert 'value="7"' in page and 'value="1.5"' in page and 'value="Europe/Berlin"' in page
    for wrong, said in (
        ({"email": "-1"}, "Email: "),
        ({"time_zone": "Mars"}, "time zone"),
        ({"sms": "5"}, "sends no sms"),
    ):
        refused = await admin.post(f"{here}/settings", data=settings | wrong)
        assert refused.status_code == 400 and said in text_of(refused.text) and 'value="nobody"' in refused.text
    today = await admin.post(f"{here}/settings", data=settings | {"warm_up_began": "2030-01-01", "email": "60"})
    assert account_of(today) and "day 1 of the 28 of its ramp to 60 a day" in text_of((await admin.get(here)).text)


async def test_an_account_is_paused_resumed_and_removed(admin: httpx.AsyncClient, shop: Shop) -> None:
    given = {"title": "Ends", "address": "ends@example.com", "channel": "sms", "transport": "sandbox"}
    account = account_of(await admin.post(f"/t/{shop.name}/accounts/new", data=given))
    here = f"/t/{shop.name}/accounts/{account}"
    for action, badge in (("pause", "paused"), ("resume", "active"), ("remove", "removed")):
        assert account_of(await admin.post(f"{here}/{action}")) == account
        assert f"State {badge}" in text_of((await admin.get(here)).text)
    assert "/settings" not in (await admin.get(here)).text.partition("<main")[2]
    nobody = f"/t/{shop.name}/accounts/{uuid4()}"
    assert [(await admin.get(nobody)).status_code, (await admin.post(f"{nobody}/resume")).status_code] == [404, 404]


async def test_what_keeps_an_account_from_sending_is_said(admin: httpx.AsyncClient, shop: Shop) -> None:
    given = {"title": "Kept", "address": "kept@example.com", "channel": "sms", "transport": "sandbox"}
    account = account_of(await admin.post(f"/t/{shop.name}/accounts/new", data=given))
    here = f"/t/{shop.name}/accounts/{account}"
    for how, said in (
        ("throttled_until = 'infinity'", "wants a person"),
        ("throttled_until = now() + interval '3 h'", "cooling down"),
        ("throttled_until = null, blocked = true, health = 20", "blocked"),
    ):
        async with shop.gateway.platform.sql() as sql:
            await sql.execute(f"update outreach.account set {how} where account_id = $1", account)
        page = (await admin.get(here)).text
        assert said in text_of(page) and f'action="{here}/resume"' in page, said


async def test_who_may_change_nothing_sees_and_changes_nothing(viewer: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/accounts"
    for path in (here, f"{here}/{shop.account.account_id}"):
        page = (await viewer.get(path)).raise_for_status().text.partition("<main")[2]
        assert "<form" not in page and "/new" not in page
    assert (await viewer.post(f"{here}/{shop.account.account_id}/pause")).status_code == 403
