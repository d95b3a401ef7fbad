"""Whoever is refused again and again is told of, once, and people are alerted."""

from uuid import uuid4

from contracts.aggregator.events import ListEvents
from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey, RevokeApiKey
from contracts.notifier import AlertView, ListAlerts
from contracts.taxonomy import Role
from gateway.identity.refusals import MOST
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.identity.test_signing_in import EMAIL, password_of, sign_in
from tests.waiting import until


async def alerts(gateway: Gateway, tenant: str) -> list[AlertView]:
    return (await gateway.platform.caller.ask(tenant, ListAlerts())).alerts


async def test_repeated_refusals_of_a_key_raise_one_alert_that_names_it(gateway: Gateway, acme: Tenancy) -> None:
    narrow = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=frozenset({Scope.LEADS_READ})))
    async with gateway.client(narrow.secret) as program:
        for _ in range(MOST):
            assert (await program.get(acme.path("/campaigns"))).status_code == 403
        for _ in range(3):
            assert (await program.get(acme.path("/campaigns"))).status_code == 403
    (alert,) = await until(lambda: alerts(gateway, acme.name), what="the alert")
    assert (alert.code, alert.evidence["actor"], alert.evidence["refused_for"]) == (
        "ACCESS_REFUSED", f"key:{narrow.key_id}", "scope",
    )  # fmt: skip
    found = await gateway.platform.caller.ask(acme.name, ListEvents(types=["gateway.event.access_refused.v1"]))
    assert len(found.events) == 1


async def test_as_many_refusals_as_mistakes_make_raise_none_and_each_kind_is_counted_apart(
    gateway: Gateway, acme: Tenancy
) -> None:
    revoked = await gateway.platform.caller.ask(acme.name, CreateApiKey())
    await gateway.platform.caller.ask(acme.name, RevokeApiKey(key_id=revoked.key_id))
    async with gateway.client(revoked.secret) as program, gateway.client(f"ll_{'0' * 32}_x") as guesser:
        for _ in range(MOST):
            assert (await program.get(acme.path("/campaigns"))).status_code == 401
            assert (await guesser.get(acme.path("/campaigns"))).status_code == 404
        assert not await alerts(gateway, acme.name)
        await guesser.get(acme.path("/campaigns"))
        await guesser.get("/api/t/no-such-tenant/campaigns")
    (alert,) = await until(lambda: alerts(gateway, acme.name), what="the alert")
    assert alert.evidence["actor"] is None and "somebody unknown" in alert.title


async def test_repeated_wrong_passwords_raise_an_alert_that_names_the_user(gateway: Gateway, acme: Tenancy) -> None:
    attempts = gateway.app.state.attempts
    async with gateway.client() as browser, gateway.client() as guesser:
        user_id = await password_of(gateway, acme.name, browser)
        for _ in range(MOST + 1):
            assert (await sign_in(guesser, acme.name, EMAIL, "wrong horse battery")).status_code == 401
            attempts.counters._counters.clear()  # as a minute later
    (alert,) = await until(lambda: alerts(gateway, acme.name), what="the alert")
    assert alert.evidence["actor"] == f"user:{user_id}" and EMAIL not in alert.model_dump_json()


async def test_whoever_tries_the_addresses_of_other_tenants_is_told_of_to_their_own_tenant_alone(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    user_id = await gateway.user(acme.name, Role.AGENT)
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name, user_id)
        for number in range(MOST):
            address = f"/api/t/no-such-tenant-{number}/leads" if number % 2 else anyone.path(f"/leads/{uuid4()}")
            assert (await browser.get(address)).status_code == 404
        assert not await alerts(gateway, acme.name)
        for _ in range(3):
            assert (await browser.get(anyone.path("/campaigns"))).status_code == 404
        assert (await browser.get(acme.path("/leads"))).status_code == 200
    (alert,) = await until(lambda: alerts(gateway, acme.name), what="the alert")
    assert (alert.evidence["actor"], alert.evidence["elsewhere"]) == (f"user:{user_id}", True)
    assert "addresses of other tenants were tried" in alert.message
    found = await gateway.platform.caller.ask(acme.name, ListEvents(types=["gateway.event.access_refused.v1"]))
    assert len(found.events) == 1
    assert not await alerts(gateway, anyone.name), "which would say that there is such a tenant"


async def test_what_a_page_asks_by_itself_and_cookies_that_open_nothing_are_counted_for_nobody(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    by_itself = {"HX-Request": "true", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    async with gateway.client() as browser, gateway.client() as stranger:
        await gateway.sign_in(browser, acme.name)
        stranger.cookies.set(f"leadloop_session_{acme.name}", "made-up")
        for _ in range(MOST + 3):
            told = await browser.get(f"/t/{anyone.name}/activity", headers=by_itself)
            assert (told.status_code, told.headers["HX-Refresh"]) == (404, "true"), "and such a page loads itself anew"
            assert (await stranger.get(anyone.path("/leads"))).status_code == 404
    counted = [who for tenant, who in gateway.app.state.refusals.counters._counters if tenant == acme.name]
    assert not [who for who in counted if who.startswith("elsewhere")]
