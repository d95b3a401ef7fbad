"""Sessions begin by a link or a password, go on under another secret, and end; guessing a password takes years."""

import re
from datetime import datetime
from uuid import UUID

import httpx
import pytest

from chassis.limits.counters import LocalCounters
from contracts.aggregator.events import ListEvents
from contracts.gateway.sign_in import CreateSignInLink
from contracts.gateway.users import ChangeUser, ListUsers, RemoveUser
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import Role
from gateway.identity.attempts import PER_ACCOUNT, PER_ADDRESS, Attempts
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

PASSWORD = "correct horse battery"
EMAIL = "grace@example.com"


async def password_of(gateway: Gateway, tenant: str, browser: httpx.AsyncClient, role: Role = Role.AGENT) -> UUID:
    """A user with a password, who is signed in in the browser."""
    user_id = await gateway.user(tenant, role, email=EMAIL, name="Grace")
    await gateway.sign_in(browser, tenant, user_id)
    assert (await browser.post(f"/t/{tenant}/account/password", data={"password": PASSWORD})).status_code == 303
    return user_id


async def sign_in(
    browser: httpx.AsyncClient, tenant: str, email: str = EMAIL, password: str = PASSWORD
) -> httpx.Response:
    return await browser.post("/sign-in", data={"tenant": tenant, "email": email, "password": password})


def secret_of(browser: httpx.AsyncClient, tenant: str) -> str:
    return browser.cookies[f"leadloop_session_{tenant}"]


async def test_the_first_link_makes_the_first_admin_and_the_next_ones_are_theirs(
    gateway: Gateway, acme: Tenancy
) -> None:
    for _ in range(2):
        async with gateway.client() as browser:
            await gateway.sign_in(browser, acme.name)
            assert (await browser.get(acme.path("/me"))).json()["role"] == "admin"
    (user,) = (await gateway.platform.caller.ask(acme.name, ListUsers())).users
    assert user.email is None and not user.has_password


async def test_a_link_is_its_users_and_of_no_use_to_one_who_may_not_sign_in(gateway: Gateway, acme: Tenancy) -> None:
    ask = gateway.platform.caller.ask
    user_id = await gateway.user(acme.name)
    link = await ask(acme.name, CreateSignInLink(user_id=user_id))
    await ask(acme.name, ChangeUser(user_id=user_id, suspended=True))
    async with gateway.client() as browser:
        assert (await browser.post(link.path)).status_code == 410
    with pytest.raises(ProblemError) as refusal:
        await ask(acme.name, CreateSignInLink(user_id=user_id))
    assert refusal.value.problem.code is ProblemCode.CONFLICT


async def test_a_password_is_set_by_link_and_signs_in_from_then_on(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.client() as browser, gateway.client() as other:
        user_id = await password_of(gateway, acme.name, browser)
        response = await sign_in(other, acme.name, EMAIL.upper())
        assert (response.status_code, response.headers["location"]) == (303, f"/t/{acme.name}")
        cookie = set(response.headers["set-cookie"].split("; "))
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"} <= cookie
        assert (await other.get(acme.path("/me"))).json()["actor"] == f"user:{user_id}"
    async with gateway.platform.sql() as sql:
        stored = await sql.fetchval("select password_hash from gateway.user_account where user_id = $1", user_id)
    assert re.match(r"\$argon2id\$v=19\$m=\d{5,},t=\d,p=\d\$", stored)

    async def told() -> list[str]:
        found = await gateway.platform.caller.ask(acme.name, ListEvents(types=["gateway.event.user_signed_in.v1"]))
        return sorted(event.body["method"] for event in found.events if event.body["user_id"] == str(user_id))

    await until(lambda: _is(told, ["link", "password"]), what="both events")


@pytest.mark.parametrize(
    ("where", "email", "password"),
    [
        ("{t}", EMAIL, "wrong horse battery"),
        ("{t}", "nobody@example.com", PASSWORD),
        ("no-such-tenant", EMAIL, PASSWORD),
        ("NO TENANT", EMAIL, PASSWORD),
        ("", EMAIL, PASSWORD),
    ],
)
async def test_what_was_wrong_is_not_told(
    gateway: Gateway, acme: Tenancy, where: str, email: str, password: str
) -> None:
    async with gateway.client() as browser, gateway.client() as other:
        await password_of(gateway, acme.name, browser)
        response = await sign_in(other, where.format(t=acme.name), email, password)
        assert response.status_code == 401 and "The e-mail address or the password is wrong." in response.text
        assert password not in response.text and not other.cookies
        typed = re.sub(r' value="[^"]*"', "", response.text)
        assert email not in typed, "it is shown where it was typed, and nowhere else"


async def test_who_was_removed_or_suspended_signs_in_no_more(gateway: Gateway, acme: Tenancy) -> None:
    ask = gateway.platform.caller.ask
    async with gateway.client() as browser, gateway.client() as other:
        user_id = await password_of(gateway, acme.name, browser)
        await ask(acme.name, ChangeUser(user_id=user_id, suspended=True))
        assert (await sign_in(other, acme.name)).status_code == 401
        await ask(acme.name, ChangeUser(user_id=user_id, suspended=False))
        assert (await sign_in(other, acme.name)).status_code == 303
        await ask(acme.name, RemoveUser(user_id=user_id))
        assert (await sign_in(other, acme.name)).status_code == 401


async def test_no_session_goes_on_from_before_somebody_signed_in(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.client() as browser, gateway.client() as before:
        await password_of(gateway, acme.name, browser)
        before.cookies.update(browser.cookies)
        assert (await before.get(f"/t/{acme.name}")).status_code == 200
        await sign_in(browser, acme.name)
        assert secret_of(browser, acme.name) != secret_of(before, acme.name)
        assert (await before.get(f"/t/{acme.name}")).status_code == 401
        assert (await browser.get(f"/t/{acme.name}")).status_code == 200


async def test_with_a_new_password_the_session_has_another_secret_and_all_others_end(
    gateway: Gateway, acme: Tenancy
) -> None:
    path = f"/t/{acme.name}/account/password"
    async with gateway.client() as browser, gateway.client() as before, gateway.client() as elsewhere:
        await password_of(gateway, acme.name, browser)
        await sign_in(elsewhere, acme.name)
        await sign_in(browser, acme.name)
        before.cookies.update(browser.cookies)
        wrong = await browser.post(path, data={"current": "wrong horse battery", "password": "another horse battery"})
        assert wrong.status_code == 403 and "current password is wrong" in wrong.text
        short = await browser.post(path, data={"current": PASSWORD, "password": "short"})
        assert short.status_code == 400 and "12 characters" in short.text
        done = await browser.post(path, data={"current": PASSWORD, "password": "another horse battery"})
        assert done.status_code == 303
        assert secret_of(browser, acme.name) != secret_of(before, acme.name)
        assert (await browser.get(f"/t/{acme.name}")).status_code == 200
        for ended in (before, elsewhere):
            assert (await ended.get(f"/t/{acme.name}")).status_code == 401
        assert (await sign_in(elsewhere, acme.name)).status_code == 401
        assert (await sign_in(elsewhere, acme.name, password="another horse battery")).status_code == 303


async def test_whoever_has_a_session_cannot_find_the_password_by_it(gateway: Gateway, acme: Tenancy) -> None:
    path = f"/t/{acme.name}/account/password"
    async with gateway.client() as browser:
        await password_of(gateway, acme.name, browser)
        await sign_in(browser, acme.name)
        guess = {"current": "wrong horse battery", "password": "another horse battery"}
        said = [(await browser.post(path, data=guess)).status_code for _ in range(PER_ACCOUNT + 1)]
        assert said[0] == 403 and said[-1] == 429
        right = await browser.post(path, data=guess | {"current": PASSWORD})
        assert right.status_code == 429 and int(right.headers["retry-after"]) > 0


async def test_a_new_password_does_not_prolong_a_session(gateway: Gateway, acme: Tenancy) -> None:
    path = f"/t/{acme.name}/account/password"
    async with gateway.client() as browser, gateway.platform.sql() as sql:
        user_id = await password_of(gateway, acme.name, browser)

        async def ends() -> datetime:
            ends: datetime = await sql.fetchval("select expires_at from gateway.session where user_id = $1", user_id)
            return ends

        before = await ends()
        assert (
            await browser.post(path, data={"current": PASSWORD, "password": "another horse battery"})
        ).status_code == 303
        assert await ends() == before


async def test_a_session_lives_on_by_what_somebody_does_and_not_by_what_its_page_reads(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient
) -> None:
    async with gateway.platform.sql() as sql:
        for headers, used in (({"Sec-Fetch-Mode": "cors"}, False), ({"Sec-Fetch-Mode": "navigate"}, True)):
            await sql.execute(
                "update gateway.session set used_at = now() - interval '59 minutes' where tenant_id = $1", acme.name
            )
            assert (await admin.get(f"/t/{acme.name}/win-rates", headers=headers)).status_code == 200
            idle = await sql.fetchval("select now() - used_at from gateway.session where tenant_id = $1", acme.name)
            assert (idle.total_seconds() < 60) is used


async def test_whoever_was_signed_in_before_there_were_users_signs_in_again(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.client() as browser, gateway.platform.sql() as sql:
        await sql.execute(
            """insert into gateway.session (tenant_id, digest, session_id, expires_at)
               values ($1, sha256('old'), gen_random_uuid(), now() + interval '1 hour')""",
            acme.name,
        )
        browser.cookies.set(f"leadloop_session_{acme.name}", "old")
        assert (await browser.get(f"/t/{acme.name}")).status_code == 401
        await gateway.sign_in(browser, acme.name)
        assert (await browser.get(f"/t/{acme.name}")).status_code == 200


async def test_a_superadmin_signs_in_without_a_tenant_and_leaves_all_of_them(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    async with gateway.client() as browser:
        await gateway.sign_in(browser, "_")
        assert (await browser.get(anyone.path("/me"))).json()["role"] == "superadmin"
        page = await browser.get(f"/t/{acme.name}/account")
        assert 'href="/superadmin/account"' in page.text
        assert (await browser.post(f"/t/{acme.name}/sign-out")).status_code == 303
        assert (await browser.get(anyone.path("/me"))).status_code == 401


async def test_an_account_can_be_tried_five_times_a_minute_whether_or_not_it_is_there(
    gateway: Gateway, acme: Tenancy
) -> None:
    async with gateway.client() as browser:
        for email in (EMAIL, "nobody@example.com"):
            tried = [await sign_in(browser, acme.name, email) for _ in range(PER_ACCOUNT + 1)]
            assert [response.status_code for response in tried] == [401] * PER_ACCOUNT + [429]
            refused = tried[-1]
            assert 0 < int(refused.headers["retry-after"]) <= 120
            assert refused.headers["ratelimit-policy"] == f'"sign-in";q={PER_ACCOUNT};w=60'
    assert PER_ACCOUNT == 5


async def test_one_address_cannot_try_a_password_on_many_accounts(gateway: Gateway, acme: Tenancy) -> None:
    attempts: Attempts = gateway.app.state.attempts
    for number in range(PER_ADDRESS):
        assert await attempts.refused("127.0.0.1", acme.name, f"{number}@example.com") is None
    async with gateway.client() as browser:
        assert (await sign_in(browser, acme.name)).status_code == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
async def test_all_addresses_of_one_line_are_counted_as_one(one: str, other: str, same: bool) -> None:
    attempts = Attempts(LocalCounters(lambda: 0.0))
    for _ in range(PER_ADDRESS):
        assert await attempts.refused(one) is None
    assert (await attempts.refused(other) is not None) == same


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"tenant": "acme", "email": "x", "password": "y"},
        {"email": EMAIL, "password": "\x00"},
        {"email": EMAIL, "password": "x" * 300},
    ],
)
async def test_a_malformed_form_is_refused_and_its_password_never_quoted(
    gateway: Gateway, form: dict[str, str]
) -> None:
    async with gateway.client() as browser:
        response = await browser.post("/sign-in", data=form)
    assert response.status_code == 400 and f'value="{form.get("password", "?")}"' not in response.text


async def _is(told: object, wanted: list[str]) -> bool:
    return await told() == wanted  # type: ignore[operator, no-any-return]
