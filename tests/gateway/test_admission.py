"""Nobody gets in without credentials of the tenant in the path, nor does what they do not allow: checked on every route there is,
present and future."""

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.types import Message

from contracts.gateway import CreateTenant, NewTenantSettings
from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey, RevokeApiKey
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import Role
from gateway.gate import PUBLIC, PUBLIC_BELOW, UnguardedRouteError, must_be_guarded, needs
from gateway.identity.domain_access import OF_PROGRAMS, OF_ROLE
from tests.gateway.conftest import Gateway, Tenancy, answers, behind_the_gate, needed, routes
from tests.platform import Platform

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
ENDS_THE_SESSION = "/t/{tenant}/sign-out"


def test_every_route_is_behind_the_gate_or_public_by_name(gateway: Gateway) -> None:
    guarded = {path for _, path in behind_the_gate(gateway.app)}
    outside = {path for _, path in routes(gateway.app)} - guarded
    by_provider = {"/sign-in/by" + rest for rest in ("", "/{tenant}/{provider}", "/{tenant}/{provider}/back")}
    of_platform = {path for path in outside if path.startswith("/superadmin")}
    assert outside - of_platform == PUBLIC | by_provider | {
        "/static", "/sign-in/{token}", "/u/{tenant}/{message_id}/{token}", "/hooks/{tenant}/{account_id}",
    }  # fmt: skip
    assert PUBLIC_BELOW == ("/static/", "/sign-in/", "/u/", "/hooks/")
    assert len(guarded) >= 30 and of_platform
    unguarded = {path for (_, path), scopes in needed(gateway.app).items() if not scopes}
    assert unguarded == outside - of_platform


@pytest.mark.parametrize(
    ("method", "dependencies"),
    [("GET", []), ("POST", []), ("POST", [needs(Scope.LEADS_READ)])],
    ids=["nothing said of reading", "nothing said of writing", "only what reading needs"],
)
def test_an_application_with_a_route_that_does_not_say_what_it_needs_cannot_be_built(
    method: str, dependencies: list[object]
) -> None:
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter()
    router.add_api_route("/new", lambda: None, methods=[method])
    app.include_router(router, prefix="/api/t/{tenant}", dependencies=dependencies)  # type: ignore[arg-type]
    with pytest.raises(UnguardedRouteError, match=re.escape("/api/t/{tenant}/new")):
        must_be_guarded(app.routes)


async def test_every_route_refuses_who_shows_nothing(gateway: Gateway, anyone: Tenancy) -> None:
    async with gateway.client() as nobody:
        assert set((await answers(nobody, gateway, anyone.name)).values()) == {401}


async def test_every_route_refuses_a_revoked_key(gateway: Gateway, acme: Tenancy) -> None:
    assert (await acme.client.get(acme.path("/campaigns"))).status_code == 200
    revoked = await gateway.platform.caller.ask(acme.name, RevokeApiKey(key_id=acme.key_id))
    again = await gateway.platform.caller.ask(acme.name, RevokeApiKey(key_id=acme.key_id))
    assert (revoked.revoked, again.revoked) == (True, False)
    assert set((await answers(acme.client, gateway, acme.name)).values()) == {401}


async def test_every_route_refuses_an_expired_key(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.platform.sql() as sql:
        await sql.execute("update gateway.api_key set expires_at = now() where tenant_id = $1", acme.name)
    assert set((await answers(acme.client, gateway, acme.name)).values()) == {401}


@pytest.mark.parametrize(
    "column", ["expires_at = now()", "used_at = now() - interval '1 hour'"], ids=["absolute", "idle"]
)
async def test_every_route_refuses_a_session_whose_time_is_over(gateway: Gateway, acme: Tenancy, column: str) -> None:
    async with gateway.client() as browser, gateway.platform.sql() as sql:
        await gateway.sign_in(browser, acme.name)
        assert (await browser.get(f"/t/{acme.name}")).status_code == 200
        await sql.execute(f"update gateway.session set {column} where tenant_id = $1", acme.name)
        assert set((await answers(browser, gateway, acme.name)).values()) == {401}


async def test_every_route_refuses_a_key_of_another_tenant_and_tells_no_tenant_from_none(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    assert set((await answers(acme.client, gateway, anyone.name)).values()) == {404}
    there = await acme.client.get(anyone.path("/leads"))
    nowhere = await acme.client.get("/api/t/no-such-tenant/leads")
    assert nowhere.status_code == 404
    assert _without_instance(there) == _without_instance(nowhere)


async def test_every_route_refuses_a_session_of_another_tenant_and_tells_no_tenant_from_none(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name)
        assert set((await answers(browser, gateway, anyone.name)).values()) == {404}
        there, nowhere = await browser.get(anyone.path("/leads")), await browser.get("/api/t/no-such-tenant/leads")
        assert _without_instance(there) == _without_instance(nowhere)
        forged = {f"leadloop_session_{anyone.name}": browser.cookies[f"leadloop_session_{acme.name}"]}
        browser.cookies.update(forged)
        assert set((await answers(browser, gateway, anyone.name)).values()) == {401}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SUPERADMIN])
async def test_every_route_refuses_a_role_that_does_not_allow_it_and_no_other(
    gateway: Gateway, acme: Tenancy, role: Role
) -> None:
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name, await gateway.user(acme.name, role))
        await _meets_what_it_allows(gateway, acme.name, browser, OF_ROLE[role])


async def test_every_route_refuses_a_key_whose_scopes_do_not_allow_it_and_no_other(
    gateway: Gateway, acme: Tenancy
) -> None:
    ask = gateway.platform.caller.ask
    narrow = await ask(acme.name, CreateApiKey(scopes=frozenset({Scope.LEADS_WRITE})))
    usual = await ask(acme.name, CreateApiKey())
    for made, allowed in ((narrow, frozenset({Scope.LEADS_WRITE})), (usual, OF_PROGRAMS)):
        async with gateway.client(made.secret) as program:
            await _meets_what_it_allows(gateway, acme.name, program, allowed)


async def test_a_key_from_before_keys_had_scopes_allows_what_programs_need(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.platform.sql() as sql:
        await sql.execute("update gateway.api_key set scopes = null where tenant_id = $1", acme.name)
    allowed = (await acme.client.get(acme.path("/campaigns"))).status_code
    refused = (await acme.client.get(acme.path("/users"))).status_code
    assert (allowed, refused) == (200, 403)


async def test_every_route_lets_its_own_key_in(gateway: Gateway, anyone: Tenancy) -> None:
    let_in = await answers(anyone.client, gateway, anyone.name)
    let_in = {route: status for route, status in let_in.items() if "/account/" not in route[1]}  # a key has none
    of_people = [route for route in let_in if route[1].endswith(("_id}/export", "_id}/erase"))]
    assert {let_in.pop(route) for route in of_people} == {403}, "what is personal is shown to people alone"
    assert not {401, 403, 405, 500} & set(let_in.values())


async def test_no_unsafe_method_of_a_session_works_from_a_page_of_another_origin(
    gateway: Gateway, acme: Tenancy
) -> None:
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name)
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            browser.headers.update(headers)
            met = await answers(browser, gateway, acme.name, lambda method, _: method in UNSAFE)
            assert len(met) > 15 and set(met.values()) == {403}


async def test_a_socket_is_opened_to_nobody(gateway: Gateway) -> None:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/api/t/acme/leads", "headers": [], "query_string": b""}
    await gateway.app(scope, receive, send)
    assert [message["type"] for message in said] == ["websocket.close"]


@pytest.fixture
async def superadmin(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which a superadmin is signed in."""
    async with gateway.client() as browser:
        await gateway.sign_in(browser, "_")
        yield browser


async def test_a_superadmin_is_let_in_everywhere_and_where_there_is_no_tenant_nothing_is(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy, superadmin: httpx.AsyncClient
) -> None:
    met = await answers(superadmin, gateway, acme.name, lambda method, _: method == "GET")
    assert not {401, 403, 405, 500} & set(met.values())
    assert (await superadmin.get(f"/t/{anyone.name}")).status_code == 200
    assert set((await answers(superadmin, gateway, "no-such-tenant")).values()) == {404}
    assert f'href="/t/{acme.name}"' in (await superadmin.get("/superadmin", params={"name": acme.name})).text


async def test_superadmins_page_through_tenants_and_find_them_by_name(
    gateway: Gateway, superadmin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [f"paged-{n}" for n in range(5)]
    for name in made:
        await gateway.platform.caller.ask(name, CreateTenant(settings=NewTenantSettings()))
    monkeypatch.setattr("gateway.pages.superadmin.ROWS_SHOWN", 2)
    shown, address, pages = [], "/superadmin?name=%20Paged-", 0
    while address:
        page = (await superadmin.get(address)).raise_for_status().text
        shown += re.findall(r'<th scope="row"><a href="/t/([^"]+)"', page)
        after = re.search(r'rel="next" href="([^"]+)"', page)
        address, pages = unescape(after[1]) if after else "", pages + 1
    assert (shown, pages) == (made, 3)
    assert "No tenant matches" in (await superadmin.get("/superadmin?name=nobody-is-called-so")).text
    found = (await superadmin.get("/superadmin")).text
    assert len(re.findall(r'<th scope="row"><a href="/t/', found)) == 2, "no more than a page, whatever is asked for"


async def test_what_is_the_installations_is_nobodys_of_a_tenant(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    paths = [(method, path) for method, path in routes(gateway.app) if path.startswith("/superadmin")]
    async with gateway.client() as browser, gateway.client() as nobody:
        await gateway.sign_in(browser, acme.name)
        for method, path in paths:
            assert (await browser.request(method, path)).status_code == 404
            assert (await acme.client.request(method, path)).status_code == 404
            assert (await nobody.request(method, path)).status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ll_", "Bearer ll__", "Bearer ll_0_x", "Basic YTpi", "Bearer \xff"],
)
async def test_a_malformed_credential_is_refused(gateway: Gateway, anyone: Tenancy, authorization: str) -> None:
    async with gateway.client() as client:
        response = await client.get(anyone.path("/leads"), headers={"Authorization": authorization.encode("latin-1")})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_the_right_key_id_with_another_secret_is_refused(gateway: Gateway, anyone: Tenancy) -> None:
    forged = anyone.secret[:-4] + ("AAAA" if not anyone.secret.endswith("AAAA") else "BBBB")
    async with gateway.client(forged) as client:
        assert (await client.get(anyone.path("/leads"))).status_code == 401


async def test_no_secret_is_stored(platform: Platform, gateway: Gateway, acme: Tenancy) -> None:
    async with platform.sql() as sql:
        rows = await sql.fetch("select * from gateway.api_key where tenant_id = $1", acme.name)
    assert len(rows) == 1
    assert acme.secret not in repr(rows) and acme.secret.rpartition("_")[2] not in repr(rows)


async def test_keys_are_made_for_tenants_there_are_and_revoked_by_their_own(gateway: Gateway, anyone: Tenancy) -> None:
    for request in (CreateApiKey(), RevokeApiKey(key_id=anyone.key_id)):
        with pytest.raises(ProblemError) as refusal:
            await gateway.platform.caller.ask("no-such-tenant", request)
        assert refusal.value.problem.code is ProblemCode.NOT_FOUND
    assert (await anyone.client.get(anyone.path("/campaigns"))).status_code == 200


def _without_instance(response: httpx.Response) -> dict[str, object]:
    return {name: value for name, value in response.json().items() if name != "instance"}


async def _meets_what_it_allows(
    gateway: Gateway, tenant: str, client: httpx.AsyncClient, allowed: frozenset[Scope]
) -> None:
    """Every route that needs more answers 403, and none of the others does."""
    needs_of_routes = needed(gateway.app)
    met = await answers(client, gateway, tenant, lambda _, path: path != ENDS_THE_SESSION)
    for route, status in met.items():
        if "/account/" not in route[1]:  # which asks more of whoever comes than to be let in
            assert (status == 403) is not (set(needs_of_routes[route]) <= allowed), (route, status)
            assert status not in (401, 405, 500), (route, status)
