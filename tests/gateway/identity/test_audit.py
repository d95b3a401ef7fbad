"""The audit: every change, by whom; listed, exported, and changed by nobody."""

import csv
import io

import asyncpg
import httpx
import pytest

from contracts.gateway import ChangeTenant, NewTenantSettings
from contracts.gateway.audit import ListChanges
from tests.gateway.conftest import Gateway, Tenancy


async def test_every_change_is_a_row_that_says_who_and_what(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    ask = gateway.platform.caller.ask
    await ask(acme.name, ChangeTenant(version=1, settings=NewTenantSettings(region="DE")))
    user = (await admin.post(acme.path("/users"), json={"role": "agent"})).json()["user_id"]
    await admin.patch(acme.path(f"/users/{user}"), json={"role": "operator"})
    key = (await admin.post(acme.path("/keys"), json={"scopes": ["leads:read"]})).json()["key_id"]
    await admin.delete(acme.path(f"/keys/{key}"))
    provider = {"issuer": "https://accounts.example.com", "client_id": "leadloop", "client_secret": "s3cret"}
    assert (await admin.put(acme.path("/sign-in-providers/google"), json=provider)).is_success
    assert (await admin.delete(acme.path("/sign-in-providers/google"))).is_success
    me = (await admin.get(acme.path("/me"))).json()["actor"]
    assert (await admin.post(f"/t/{acme.name}/sign-out")).status_code == 303

    found = (await acme.client.get(acme.path("/audit"))).json()["changes"]
    rows = [(row["actor"], row["action"], row["subject"]) for row in reversed(found)]
    assert rows == [
        ("operator", "tenant_created", "tenant"),
        ("operator", "key_made", f"key:{acme.key_id}"),
        ("operator", "sign_in_link_made", "first_admin"),
        ("operator", "user_added", me),
        (me, "signed_in", me),
        ("operator", "tenant_changed", "tenant"),
        (me, "user_added", f"user:{user}"),
        (me, "user_changed", f"user:{user}"),
        (me, "key_made", f"key:{key}"),
        (me, "key_revoked", f"key:{key}"),
        (me, "sign_in_provider_set", "sign_in_provider:google"),
        (me, "sign_in_provider_removed", "sign_in_provider:google"),
        (me, "signed_out", me),
    ]
    details = {row["action"]: row["detail"] for row in found}
    assert details["tenant_changed"] == {"region": ["US", "DE"]}
    assert details["user_changed"] == {"role": ["agent", "operator"]}
    assert "s3cret" not in repr(found)
    subjects = (await ask(acme.name, ListChanges(subject=f"user:{user}", actor=me))).changes
    assert [row.action for row in subjects] == ["user_changed", "user_added"]


async def test_the_audit_is_exported_page_by_page(acme: Tenancy, admin: httpx.AsyncClient) -> None:
    first = await acme.client.get(acme.path("/audit"), params={"limit": 2}, headers={"Accept": "text/csv"})
    assert first.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(first.text)))
    assert len(table) == 2 and table[0]["action"] == "signed_in" and table[0]["detail"] == '{"method": "link"}'
    link = first.headers["link"].partition("<")[2].partition(">")[0]
    rest = await acme.client.get(link)
    assert {row["action"] for row in rest.json()["changes"]} & {"tenant_created", "key_made"}


async def test_who_may_not_see_it_does_not(gateway: Gateway, acme: Tenancy, anyone: Tenancy) -> None:
    ours = (await acme.client.get(acme.path("/audit"))).json()["changes"]
    theirs = (await anyone.client.get(anyone.path("/audit"))).json()["changes"]
    assert not {row["change_id"] for row in ours} & {row["change_id"] for row in theirs}


@pytest.mark.parametrize("role", ["leadloop_gateway", "postgres"])
@pytest.mark.parametrize(
    "statement", ["update gateway.identity_change set actor = 'x'", "delete from gateway.identity_change"]
)
async def test_nobody_changes_the_audit(gateway: Gateway, acme: Tenancy, role: str, statement: str) -> None:
    async with gateway.platform.sql(role) as sql:
        with pytest.raises(asyncpg.PostgresError, match=r"append-only|permission denied"):
            await sql.execute(f"{statement} where tenant_id = '{acme.name}'")
