"""The secrets of webhooks as a page: made and shown once, rotated so that the one before counts meanwhile, and revoked alone or together."""

import re
from html import unescape
from typing import Any
from uuid import UUID

import httpx

from contracts.gateway.webhooks import GetWebhook, WebhookSecretInfo
from tests.gateway.pages.conftest import Shop, rows_of, text_of


async def secrets_of(shop: Shop, account_id: UUID) -> list[WebhookSecretInfo]:
    found: list[WebhookSecretInfo] = (await shop.ask(GetWebhook(account_id=account_id))).secrets
    return found


def buttons(page: str, label: str) -> list[str]:
    """The addresses of the forms with a button of this name."""
    forms = re.findall(r'<form[^>]* action="([^"]+)"[^>]*>(.*?)</form>', page, re.DOTALL)
    return [unescape(action) for action, held in forms if re.search(rf">{label}<", held)]


async def test_a_secret_is_made_shown_once_rotated_and_revoked(
    admin: httpx.AsyncClient, viewer: httpx.AsyncClient, shop: Shop
) -> None:
    here, account_id = f"/t/{shop.name}/settings/webhooks", shop.account.account_id
    empty = await admin.get(f"{here}?account_id={account_id}")
    assert "No secret of this account" in text_of(empty.text)
    form: dict[str, Any] = {"account_id": str(account_id)}
    made = await admin.post(here, data=form)
    secret = made.text.partition("<code>")[2].partition("</code>")[0]
    assert made.status_code == 200 and secret.startswith("whsec_") and made.headers["cache-control"] == "no-store"
    page = (await admin.get(here)).text
    assert secret not in page and "Sales <b>" in unescape(page) and f"/hooks/{shop.name}/{account_id}" in page
    (first,) = await secrets_of(shop, account_id)
    assert first.created_by.startswith("user:") and rows_of(page)[0][3] == "you"

    (rotating,) = buttons(page, "Rotate")
    assert (await admin.post(rotating, data=form)).status_code == 200
    newest, before = await secrets_of(shop, account_id)
    assert before.secret_id == first.secret_id and before.ends_at is not None and newest.ends_at is None

    revoking = buttons((await admin.get(here)).text, "Revoke")
    assert len(revoking) == 2
    assert (await admin.post(revoking[1])).status_code == 303
    assert [each.secret_id for each in await secrets_of(shop, account_id)] == [newest.secret_id]

    read = (await viewer.get(here)).text
    assert "it is revoked" in text_of(read) and "<form" not in read.partition("<main")[2], "there to be read"
    assert (await viewer.post(here, data=form)).status_code == 403
    assert (await viewer.post(revoking[0])).status_code == 403

    await admin.post(here, data=form | {"overlap_hours": "1"})
    (all_of_them,) = buttons((await admin.get(here)).text, "Revoke all")
    assert (await admin.post(all_of_them)).status_code == 303
    assert await secrets_of(shop, account_id) == []


async def test_a_secret_of_no_account_is_not_made(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/settings/webhooks"
    nobody = "019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"
    refused = await admin.post(here, data={"account_id": nobody})
    assert refused.status_code == 404 and "account" in text_of(refused.text)
    assert await secrets_of(shop, UUID(nobody)) == []
    assert (await admin.post(here, data={"account_id": nobody, "overlap_hours": "1000"})).status_code == 400
