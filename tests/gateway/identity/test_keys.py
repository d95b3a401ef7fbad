"""API keys allow what was said, as long as was said, and are shown once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey, RevokeApiKey
from contracts.gateway.users import ChangeUser, RemoveUser, UserView
from contracts.message import ProblemCode, ProblemError, Request
from contracts.notifier import AlertView, ListAlerts
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until as until_there


async def test_a_key_is_made_listed_without_its_secret_and_revoked(acme: Tenancy, admin: httpx.AsyncClient) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    made = await admin.post(
        acme.path("/keys"), json={"label": "crm", "scopes": ["leads:read"], "expires_at": until.isoformat()}
    )
    assert made.status_code == 201
    key = made.json()
    listed = await admin.get(acme.path("/keys"), params={"limit": 1})
    (shown,) = listed.json()["keys"]
    assert (shown["key_id"], shown["label"], shown["scopes"]) == (key["key_id"], "crm", ["leads:read"])
    assert shown["created_by"].startswith("user:") and shown["expires_at"] and not shown["revoked_at"]
    assert key["secret"] not in listed.text and listed.json()["next_cursor"]
    assert (await admin.delete(acme.path(f"/keys/{key['key_id']}"))).json() == {"revoked": True}
    assert (await admin.delete(acme.path(f"/keys/{key['key_id']}"))).json() == {"revoked": False}
    assert (await admin.delete(acme.path(f"/keys/{uuid4()}"))).status_code == 404
    assert (await admin.get(acme.path("/keys"), params={"limit": 1})).json()["keys"][0]["revoked_at"]


async def test_a_key_that_would_open_nothing_is_not_made(gateway: Gateway, acme: Tenancy) -> None:
    with pytest.raises(ProblemError) as refusal:
        await gateway.platform.caller.ask(acme.name, CreateApiKey(expires_at=datetime.now(UTC)))
    assert (refusal.value.problem.code, refusal.value.problem.field) == (ProblemCode.INVALID, "expires_at")


async def test_a_key_says_what_it_allows(gateway: Gateway, acme: Tenancy) -> None:
    made = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=frozenset({Scope.SELF, Scope.LEADS_READ})))
    async with gateway.client(made.secret) as program:
        me = (await program.get(acme.path("/me"))).json()
        refused = await program.post(acme.path("/leads"), json={})
    assert me == {"actor": f"key:{made.key_id}", "role": None, "allowed": ["leads:read", "self"]}
    assert refused.status_code == 403 and "leads:write" in refused.json()["detail"]


async def test_the_page_of_keys_shows_a_new_one_this_once(acme: Tenancy, admin: httpx.AsyncClient) -> None:
    path = f"/t/{acme.name}/settings/keys"
    made = await admin.post(
        path, data={"label": "crm", "scopes": ["leads:read", "leads:write"], "expires_on": "2999-01-01"}
    )
    secret = made.text.partition("<code>")[2].partition("</code>")[0]
    assert made.status_code == 200 and secret.startswith("ll_") and made.headers["cache-control"] == "no-store"
    page = (await admin.get(path)).text
    assert secret not in page and "crm" in page and "2999-01-01" in page
    past = await admin.post(path, data={"label": "old", "expires_on": "2020-01-01"})
    assert past.status_code == 400 and "would open nothing" in past.text
    key_id = (await admin.get(acme.path("/keys"))).json()["keys"][0]["key_id"]
    assert (await admin.post(f"{path}/{key_id}/revoke")).status_code == 303
    assert "revoked" in (await admin.get(path)).text


async def test_nobody_revokes_a_key_that_may_more_than_they(gateway: Gateway, acme: Tenancy) -> None:
    some = frozenset({Scope.USERS_READ, Scope.USERS_WRITE, Scope.LEADS_READ})
    own = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=some))
    more = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=some | {Scope.OUTREACH_WRITE}))
    less = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=frozenset({Scope.LEADS_READ})))
    async with gateway.client(own.secret) as program:
        for refused in (
            await program.delete(acme.path(f"/keys/{more.key_id}")),
            await program.post(f"/t/{acme.name}/settings/keys/{more.key_id}/revoke"),
        ):
            assert refused.status_code == 403 and "outreach:write" in refused.text
        assert (await program.delete(acme.path(f"/keys/{less.key_id}"))).status_code == 200
        assert (await program.delete(acme.path(f"/keys/{UUID(int=0)}"))).status_code == 404
    async with gateway.client(more.secret) as colleague:
        assert (await colleague.get(acme.path("/me"))).status_code != 401


async def alerts(gateway: Gateway, tenant: str) -> list[AlertView]:
    return (await gateway.platform.caller.ask(tenant, ListAlerts(code="KEYS_LEFT"))).alerts


@pytest.mark.parametrize(
    ("order", "state"),
    [
        (lambda user_id: ChangeUser(user_id=user_id, suspended=True), "suspended"),
        (lambda user_id: RemoveUser(user_id=user_id), "removed"),
    ],
    ids=["suspended", "removed"],
)
async def test_keys_outlive_their_maker_and_people_are_told_which(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient, order: Callable[[UUID], Request[UserView]], state: str
) -> None:
    ask, tenant = gateway.platform.caller.ask, acme.name
    maker, other = await gateway.user(tenant, Role.ADMIN, name="Grace"), await gateway.user(tenant, Role.ADMIN)
    made = [
        await ask(tenant, CreateApiKey(label=label, ordered_by=f"user:{maker}", expires_at=until))
        for label, until in (("crm", None), ("soon over", datetime.now(UTC) + timedelta(days=1)), ("revoked", None))
    ]
    await ask(tenant, RevokeApiKey(key_id=made[2].key_id))
    await ask(tenant, order(other))
    await ask(tenant, order(maker))
    (alert,) = await until_there(lambda: alerts(gateway, tenant), what="the alert")
    assert alert.evidence["keys"] == [f"key:{key.key_id}" for key in (made[1], made[0])]
    assert f"user:{maker} was {state}, and 2 API keys that they made work on" == alert.title
    listed = (await admin.get(acme.path("/keys"))).json()["keys"]
    assert {key["label"]: key["maker_state"] for key in listed} == {
        "crm": state, "soon over": state, "revoked": state, "default": None,
    }  # fmt: skip
    page = (await admin.get(f"/t/{tenant}/settings/keys")).text
    assert page.count(f'<span class="badge badge-warning">who was {state}</span>') == 2
    assert '/settings/keys"' in (await admin.get(f"/t/{tenant}/alerts")).text
    async with gateway.client(made[0].secret) as program:
        assert (await program.get(acme.path("/leads"))).status_code == 200, "programs rest on it"
