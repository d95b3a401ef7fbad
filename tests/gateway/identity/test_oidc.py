"""Signing in by way of another system: who it says somebody is, if everything about its word is right."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import RSAKey

from chassis.outside import Outside
from contracts.gateway.sign_in import NewSignInProvider, SetSignInProvider
from contracts.gateway.users import ChangeUser, ListUsers
from contracts.taxonomy import Role
from gateway.identity.domain_oidc import Round
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.identity.provider import CLIENT, SECRET, Provider

ADA = {"sub": "ada-1", "email": "ada@example.com", "email_verified": True, "name": "Ada"}


@pytest.fixture(scope="module")
async def provider(gateway: Gateway) -> AsyncIterator[Provider]:
    """A provider that the operator allows although its address is not public."""
    async with Provider.running() as running:
        before = gateway.app.state.oidc
        gateway.app.state.oidc = replace(before, outside=Outside(hosts=running.host))
        yield running
        gateway.app.state.oidc = before


@pytest.fixture(autouse=True)
def honest(provider: Provider) -> None:
    provider.who, provider.spoil, provider.signs_with = dict(ADA), {}, None


async def trust(gateway: Gateway, tenant: str, provider: Provider, **more: Any) -> str:
    """Have a tenant trust the provider; where signing in by way of it begins."""
    settings = NewSignInProvider(name="here", issuer=provider.issuer, client_id=CLIENT, **more)
    await gateway.platform.caller.ask(tenant, SetSignInProvider(provider=settings, client_secret=SECRET))
    return f"/sign-in/by/{tenant}/here"


async def go(browser: httpx.AsyncClient, start: str) -> httpx.Response:
    """There and back again; the last answer."""
    there = await browser.get(start)
    assert there.status_code == 303, there.text
    back = await browser.get(there.headers["location"])
    return await browser.get(back.headers["location"])


async def test_a_user_signs_in_by_way_of_the_provider_by_the_address_it_has_confirmed_and_by_its_subject_ever_after(
    gateway: Gateway, acme: Tenancy, provider: Provider
) -> None:
    user_id = await gateway.user(acme.name, Role.OPERATOR, email="ada@example.com")
    start = await trust(gateway, acme.name, provider)
    async with gateway.client() as browser:
        done = await go(browser, start)
        assert (done.status_code, done.headers["location"]) == (303, f"/t/{acme.name}")
        assert (await browser.get(acme.path("/me"))).json()["actor"] == f"user:{user_id}"
        assert "leadloop_round" not in browser.cookies
    provider.who = {"sub": "ada-1"}
    await gateway.platform.caller.ask(acme.name, ChangeUser(user_id=user_id, email="other@example.com"))
    async with gateway.client() as browser:
        assert (await go(browser, start)).status_code == 303
        assert (await browser.get(acme.path("/me"))).json()["actor"] == f"user:{user_id}"


async def test_an_address_that_changed_hands_opens_nobodys_account(
    gateway: Gateway, acme: Tenancy, provider: Provider
) -> None:
    await gateway.user(acme.name, email="ada@example.com")
    start = await trust(gateway, acme.name, provider, new_users=Role.VIEWER)
    async with gateway.client() as browser:
        assert (await go(browser, start)).status_code == 303
    provider.who = ADA | {"sub": "another-ada"}
    async with gateway.client() as browser:
        assert (await go(browser, start)).status_code == 403


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email": None}, {"email": "nobody@example.com"}])
async def test_whom_the_tenant_does_not_know_by_a_confirmed_address_is_let_in_by_nobody(
    gateway: Gateway, acme: Tenancy, provider: Provider, claims: dict[str, object]
) -> None:
    await gateway.user(acme.name, email="ada@example.com")
    provider.who = ADA | claims
    async with gateway.client() as browser:
        refused = await go(browser, await trust(gateway, acme.name, provider))
        assert refused.status_code == 403 and "no user here" in refused.json()["detail"]
        assert f"leadloop_session_{acme.name}" not in browser.cookies


async def test_who_is_suspended_is_let_in_by_no_provider(gateway: Gateway, acme: Tenancy, provider: Provider) -> None:
    user_id = await gateway.user(acme.name, email="ada@example.com")
    await gateway.platform.caller.ask(acme.name, ChangeUser(user_id=user_id, suspended=True))
    async with gateway.client() as browser:
        assert (await go(browser, await trust(gateway, acme.name, provider, new_users=Role.ADMIN))).status_code == 403


async def test_a_tenant_can_take_whoever_its_provider_knows(
    gateway: Gateway, acme: Tenancy, provider: Provider
) -> None:
    start = await trust(gateway, acme.name, provider, new_users=Role.VIEWER)
    for _ in range(2):
        async with gateway.client() as browser:
            assert (await go(browser, start)).status_code == 303
    (user,) = (await gateway.platform.caller.ask(acme.name, ListUsers())).users
    assert (user.role, user.email, user.name) == (Role.VIEWER, "ada@example.com", "Ada")


@pytest.mark.parametrize(
    "spoil",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": ""},
        {"signature": "another key"},
    ],
    ids=lambda spoil: "-".join(f"{name}={value}"[:20] for name, value in spoil.items()),
)
async def test_a_word_that_is_not_right_in_everything_is_no_word(
    gateway: Gateway, acme: Tenancy, provider: Provider, spoil: dict[str, Any]
) -> None:
    await gateway.user(acme.name, email="ada@example.com")
    if "signature" in spoil:
        provider.signs_with = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256"})
    else:
        provider.spoil = spoil
    async with gateway.client() as browser:
        refused = await go(browser, await trust(gateway, acme.name, provider))
        assert refused.status_code == 403 and "begin again" in refused.json()["detail"]


async def test_an_answer_to_one_browser_signs_in_no_other_and_none_twice(
    gateway: Gateway, acme: Tenancy, provider: Provider
) -> None:
    await gateway.user(acme.name, email="ada@example.com")
    start = await trust(gateway, acme.name, provider)
    async with gateway.client() as attacker, gateway.client() as victim:
        back = (await attacker.get((await attacker.get(start)).headers["location"])).headers["location"]
        assert (await victim.get(back)).status_code == 403
        await victim.get(start)
        assert (await victim.get(back)).status_code == 403
        assert (await attacker.get(back)).status_code == 303
        assert (await attacker.get(back)).status_code == 403


async def test_an_answer_made_for_whoever_has_set_out_nowhere_signs_nobody_in(
    gateway: Gateway, acme: Tenancy, provider: Provider
) -> None:
    await gateway.user(acme.name, email="ada@example.com")
    start = await trust(gateway, acme.name, provider)
    everybodys = Round.of("", acme.name, "here")
    challenge = create_s256_code_challenge(everybodys.verifier)
    async with gateway.client() as attacker, gateway.client() as victim:
        there = httpx.URL((await attacker.get(start)).headers["location"])
        crafted = there.copy_merge_params(
            {"state": everybodys.state, "nonce": everybodys.nonce, "code_challenge": challenge}
        )
        back = (await attacker.get(crafted)).headers["location"]
        assert (await victim.get(back)).status_code == 403


async def test_what_only_the_gateway_reaches_is_reached_by_no_provider(
    gateway: Gateway, acme: Tenancy, provider: Provider
) -> None:
    start = await trust(gateway, acme.name, provider)
    oidc = gateway.app.state.oidc
    gateway.app.state.oidc = replace(oidc, outside=Outside())
    try:
        async with gateway.client() as browser:
            assert (await browser.get(start)).status_code == 503
    finally:
        gateway.app.state.oidc = oidc


@pytest.mark.parametrize(
    "path",
    [
        "/sign-in/by/{t}/other",
        "/sign-in/by/no-such-tenant/here",
        "/sign-in/by/UPPER/here",
        "/sign-in/by/{t}/other/back?code=1&state=2",
    ],
)
async def test_a_tenant_without_the_provider_is_as_none(gateway: Gateway, acme: Tenancy, path: str) -> None:
    async with gateway.client() as browser:
        response = await browser.get(path.format(t=acme.name))
    assert response.status_code == 404 and "no such way to sign in" in response.json()["detail"]


async def test_the_form_leads_to_the_provider_and_nowhere_else(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.client() as browser:
        led = await browser.get("/sign-in/by", params={"tenant": acme.name, "provider": "here"})
        assert led.headers["location"] == f"/sign-in/by/{acme.name}/here"
        for provider in ("//evil.example", "a/b", "..", ""):
            assert (
                await browser.get("/sign-in/by", params={"tenant": acme.name, "provider": provider})
            ).status_code == 400


async def test_the_secret_is_sealed_and_told_to_nobody(
    gateway: Gateway, acme: Tenancy, admin: httpx.AsyncClient, provider: Provider
) -> None:
    await trust(gateway, acme.name, provider)
    listed = await admin.get(acme.path("/sign-in-providers"))
    assert listed.json()["providers"][0]["client_id"] == CLIENT and SECRET not in listed.text
    async with gateway.platform.sql() as sql:
        rows = await sql.fetch("select * from gateway.sign_in_provider where tenant_id = $1", acme.name)
    assert SECRET not in repr(rows)
    async with gateway.platform.sql() as sql:
        assert not await sql.fetch("select 1 from gateway.user_identity where tenant_id = $1", acme.name)
