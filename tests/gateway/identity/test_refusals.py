"""Whoever is refused again and again is told of, once, and people are alerted."""

from contracts.aggregator.events import ListEvents
from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey, RevokeApiKey
from contracts.notifier import AlertView, ListAlerts
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
