"""The link of an e-mail: opening it changes nothing, one POST from anywhere unsubscribes, and a made-up link does nothing."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.keys import TenantKeys, key_service
from chassis.unit_of_work import Database
from contracts.outreach.people import ListSuppressions
from tests.gateway.conftest import Gateway, Tenancy
from tests.outreach.scene import campaign, messages
from tests.waiting import until

HTML = {"Accept": "text/html"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def message_of(gateway: Gateway, tenancy: Tenancy) -> UUID:
    """A message to a lead of the tenant's."""
    lead = {"source_system": "crm", "source_id": uuid4().hex, "email": f"{uuid4().hex}@example.com"}
    assert (await tenancy.client.post(tenancy.path("/leads"), json=lead)).is_success
    await campaign(gateway.platform, tenancy.name)
    await until(lambda: messages(gateway.platform, tenancy.name), what="the message is queued")
    (message,) = await messages(gateway.platform, tenancy.name)
    message_id: UUID = message["message_id"]
    return message_id


async def path_of(gateway: Gateway, tenant: str, message_id: UUID) -> str:
    """The message's link, as outreach makes it."""
    settings = gateway.platform.settings("outreach")
    database = Database("outreach", settings.database_url)
    async with database.begin(tenant) as uow:
        key = await TenantKeys(key_service(settings.kms_uri)).of(uow, tenant)
    await database.close()
    return f"/u/{tenant}/{message_id}/{key.lasting_token('unsubscribe', str(message_id))}"


async def entries(gateway: Gateway, tenant: str) -> int:
    return len((await gateway.platform.caller.ask(tenant, ListSuppressions())).suppressions)


async def test_opening_the_link_changes_nothing_and_one_post_from_anywhere_unsubscribes(
    gateway: Gateway, acme: Tenancy
) -> None:
    path = await path_of(gateway, acme.name, await message_of(gateway, acme))
    async with gateway.client() as somebody:
        for method in ("GET", "HEAD"):
            offered = await somebody.request(method, path, headers=HTML)
            assert offered.status_code == 200
            assert (offered.headers["cache-control"], offered.headers["referrer-policy"]) == ("no-store", "same-origin")
        assert '<form method="post">' in (await somebody.get(path, headers=HTML)).text
        assert await entries(gateway, acme.name) == 0
        forged = f"{path[:-4]}{'0000' if not path.endswith('0000') else '1111'}"
        nowhere = await somebody.post(forged, data=ONE_CLICK, headers=HTML)
        assert (nowhere.status_code, nowhere.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "write: unsubscribe" in nowhere.text
        assert await entries(gateway, acme.name) == 0

        webmail = {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"}
        ways: list[dict[str, Any]] = [
            {"data": ONE_CLICK, "headers": webmail}, {"files": {"List-Unsubscribe": (None, "One-Click")}}, {},
        ]  # fmt: skip
        for options in ways:
            done = await somebody.post(path, **options)
            assert (done.status_code, "You are unsubscribed" in done.text) == (200, True)
            assert await entries(gateway, acme.name) == 1
        assert not somebody.cookies


@pytest.mark.parametrize(
    "rest",
    ["{tenant}/x/y", "{tenant}/{message}/y", "{tenant}/{message}/{token}0", "UPPER/{message}/{token}", "no-such-tenant/{message}/{token}"],
)  # fmt: skip
async def test_a_made_up_link_is_nowhere(gateway: Gateway, anyone: Tenancy, rest: str) -> None:
    path = f"/u/{rest.format(tenant=anyone.name, message=uuid4(), token='0' * 64)}"
    async with gateway.client() as somebody:
        response = await somebody.post(path, data=ONE_CLICK, headers=HTML)
        assert response.status_code == 404
        assert "this link is not whole" in response.text.lower()
        assert (await somebody.post(path, data=ONE_CLICK)).status_code == 404
