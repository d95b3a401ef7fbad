"""Users are added, changed and removed; each change is told, audited, and takes effect at once."""

from uuid import UUID, uuid4

import httpx
import pytest

from contracts.aggregator.events import ListEvents
from contracts.gateway.audit import ListChanges
from contracts.gateway.users import ChangeUser, CreateUser, GetUser, ListUsers, RemoveUser, UserState
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RotateKeys, RunJob
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

GRACE = {"role": "agent", "email": "Grace@Example.com", "name": "Grace Example"}


async def test_a_user_is_added_changed_and_removed_and_each_change_is_told(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    made = await admin.post(acme.path("/users"), json=GRACE)
    assert made.status_code == 201
    user = made.json()
    assert (user["email"], user["name"], user["role"], user["version"]) == (
        "grace@example.com",
        "Grace Example",
        "agent",
        1,
    )
    path = made.headers["location"]
    changed = await admin.patch(path, json={"role": "operator"})
    assert (changed.json()["role"], changed.json()["email"], changed.json()["version"]) == (
        "operator",
        "grace@example.com",
        2,
    )
    assert (await admin.patch(path, json={"role": "operator"})).json()["version"] == 2
    gone = (await admin.delete(path)).json()
    assert (gone["state"], gone["email"], gone["name"]) == ("removed", None, None)
    assert (await admin.delete(path)).json()["version"] == gone["version"] == 3
    assert (await admin.patch(path, json={"role": "viewer"})).status_code == 409
    listed = (await admin.get(acme.path("/users"))).json()["users"]
    assert user["user_id"] not in [found["user_id"] for found in listed]

    async def told() -> list[tuple[int, str]]:
        events = (
            await gateway.platform.caller.ask(acme.name, ListEvents(types=["gateway.event.user_changed.v1"]))
        ).events
        bodies = [event.body for event in events if event.body["user_id"] == user["user_id"]]
        return sorted((body["version"], body["state"]) for body in bodies) if len(bodies) == 3 else []

    assert await until(told, what="the events") == [(1, "active"), (2, "active"), (3, "removed")]


async def test_what_is_personal_about_users_is_sealed_and_in_no_event_or_audit(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    path = (await admin.post(acme.path("/users"), json=GRACE)).headers["location"]
    await admin.patch(path, json={"name": "Grace Quark"})
    async with gateway.platform.sql() as sql:
        for table in ("user_account", "identity_change"):
            rows = repr(await sql.fetch(f"select * from gateway.{table} where tenant_id = $1", acme.name)).lower()
            assert rows and "grace" not in rows and "quark" not in rows
        bodies = await sql.fetch("select body from gateway.outbox where tenant = $1", acme.name)
    assert "grace" not in repr(bodies).lower()


async def test_what_is_sealed_is_sealed_anew_after_a_rotation_and_still_found(gateway: Gateway, acme: Tenancy) -> None:
    ask = gateway.platform.caller.ask
    user_id = await gateway.user(acme.name, email="grace@example.com", name="Grace")
    await ask(acme.name, RotateKeys(), of="gateway")
    await ask(acme.name, RotateKeys(tokens=True), of="gateway")
    run = await ask(PLATFORM, RunJob(job="reseal"), of="gateway")
    assert run.counts["resealed"] >= 1
    assert (await ask(acme.name, GetUser(user_id=user_id))).email == "grace@example.com"
    with pytest.raises(ProblemError) as refusal:
        await ask(acme.name, CreateUser(role=Role.VIEWER, email="GRACE@example.com"))
    assert (refusal.value.problem.code, refusal.value.problem.field) == (ProblemCode.CONFLICT, "email")


async def test_an_address_is_free_again_once_its_user_is_removed(gateway: Gateway, acme: Tenancy) -> None:
    ask = gateway.platform.caller.ask
    first = await gateway.user(acme.name, email="grace@example.com")
    other = await gateway.user(acme.name)
    with pytest.raises(ProblemError):
        await ask(acme.name, ChangeUser(user_id=other, email="grace@example.com"))
    await ask(acme.name, RemoveUser(user_id=first))
    assert (await ask(acme.name, ChangeUser(user_id=other, email="grace@example.com"))).email == "grace@example.com"


async def test_users_are_listed_page_by_page(gateway: Gateway, acme: Tenancy) -> None:
    made = [await gateway.user(acme.name) for _ in range(3)]
    found: list[UUID] = []
    cursor = None
    while True:
        page = await gateway.platform.caller.ask(acme.name, ListUsers(limit=2, cursor=cursor))
        found += [user.user_id for user in page.users]
        if (cursor := page.next_cursor) is None:
            break
    assert found == made


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"suspended": True}])
async def test_with_another_role_or_suspended_a_user_is_signed_out_everywhere_at_once(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient, change: dict[str, object]
) -> None:
    user_id = await gateway.user(acme.name, Role.OPERATOR)
    async with gateway.client() as one, gateway.client() as two:
        for browser in (one, two):
            await gateway.sign_in(browser, acme.name, user_id)
        assert (await admin.patch(acme.path(f"/users/{user_id}"), json=change)).is_success
        for browser in (one, two):
            assert (await browser.get(f"/t/{acme.name}")).status_code == 401


async def test_an_admin_signs_a_user_out(gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient) -> None:
    user_id = await gateway.user(acme.name)
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name, user_id)
        assert (await admin.post(acme.path(f"/users/{user_id}/sign-out"))).json() == {"ended": 1}
        assert (await browser.get(f"/t/{acme.name}")).status_code == 401


async def test_nobody_changes_their_own_role_or_state(acme: Tenancy, admin: httpx.AsyncClient) -> None:
    me = (await admin.get(acme.path("/me"))).json()
    own = acme.path(f"/users/{me['actor'].partition(':')[2]}")
    assert me["role"] == "admin"
    refused = [
        await admin.patch(own, json={"role": "viewer"}),
        await admin.patch(own, json={"suspended": True}),
        await admin.delete(own),
    ]
    assert [response.status_code for response in refused] == [403] * 3
    assert (await admin.patch(own, json={"name": "Ada"})).json()["name"] == "Ada"


async def test_nobody_makes_changes_or_signs_in_a_user_who_may_more_than_they(gateway: Gateway, acme: Tenancy) -> None:
    boss = await gateway.user(acme.name, Role.ADMIN)
    key = await acme.client.post(acme.path("/keys"), json={"scopes": ["users:read", "users:write"]})
    async with gateway.client(key.json()["secret"]) as program:
        refused = [
            await program.post(acme.path("/users"), json={"role": "admin"}),
            await program.patch(acme.path(f"/users/{boss}"), json={"role": "admin"}),
            await program.patch(acme.path(f"/users/{boss}"), json={"suspended": True}),
            await program.patch(acme.path(f"/users/{boss}"), json={"email": "else@example.com"}),
            await program.post(acme.path(f"/users/{boss}/sign-out")),
            await program.delete(acme.path(f"/users/{boss}")),
            await program.post(acme.path(f"/users/{boss}/sign-in-link")),
            await program.post(acme.path("/keys"), json={"scopes": ["leads:read"]}),
        ]
    assert [response.status_code for response in refused] == [403] * 8
    assert (await acme.client.post(acme.path("/users"), json={"role": "superadmin"})).status_code == 400


async def test_users_of_another_tenant_are_nowhere(gateway: Gateway, acme: Tenancy, anyone: Tenancy) -> None:
    theirs = await gateway.user(anyone.name)
    for user_id in (theirs, uuid4()):
        answers = [
            await acme.client.get(acme.path(f"/users/{user_id}")),
            await acme.client.patch(acme.path(f"/users/{user_id}"), json={"role": "viewer"}),
            await acme.client.delete(acme.path(f"/users/{user_id}")),
            await acme.client.post(acme.path(f"/users/{user_id}/sign-in-link")),
            await acme.client.post(acme.path(f"/users/{user_id}/sign-out")),
        ]
        assert {response.status_code for response in answers} == {404}
        assert len({response.json()["detail"] for response in answers}) == 1
    assert (await gateway.platform.caller.ask(anyone.name, GetUser(user_id=theirs))).state is UserState.ACTIVE


async def test_there_are_users_only_of_tenants_there_are(gateway: Gateway) -> None:
    for request in (CreateUser(role=Role.ADMIN), ListUsers()):
        with pytest.raises(ProblemError) as refusal:
            await gateway.platform.caller.ask("no-such-tenant", request)
        assert refusal.value.problem.code is ProblemCode.NOT_FOUND
    async with gateway.platform.sql() as sql:
        assert not await sql.fetch("select 1 from gateway.tenant_key where tenant_id = 'no-such-tenant'")


async def test_the_page_of_users_adds_changes_and_hands_out_links(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    path = f"/t/{acme.name}/settings/users"
    assert (
        await admin.post(path, data={"name": "<b>Grace</b>", "email": "grace@example.com", "role": "agent"})
    ).status_code == 303
    page = (await admin.get(path)).text
    assert "&lt;b&gt;Grace" in page and "<b>Grace" not in page
    users = (await admin.get(acme.path("/users"))).json()["users"]
    user_id = next(user["user_id"] for user in users if user["email"])
    linked = await admin.post(f"{path}/{user_id}/sign-in-link")
    link = linked.text.partition("<code>")[2].partition("</code>")[0]
    async with gateway.client() as browser:
        assert (await browser.post(link)).status_code == 303
        assert (await browser.get(acme.path("/me"))).json()["actor"] == f"user:{user_id}"
    again = await admin.post(path, data={"name": "", "email": "grace@example.com", "role": "agent"})
    assert again.status_code == 409 and "Another user has this e-mail address" in again.text
    assert (await admin.post(f"{path}/{user_id}", data={"suspended": "true"})).status_code == 303
    assert (await admin.post(f"{path}/{user_id}/remove")).status_code == 303
    actions = [
        change.action
        for change in (await gateway.platform.caller.ask(acme.name, ListChanges(subject=f"user:{user_id}"))).changes
    ]
    assert actions == ["user_removed", "user_changed", "signed_in", "sign_in_link_made", "user_added"]
