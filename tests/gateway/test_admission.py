"""Nobody gets in without credentials of the tenant in the path: checked on every route there is, present and future."""

import httpx
import pytest

from contracts.gateway import CreateApiKey, RevokeApiKey
from contracts.message import ProblemCode, ProblemError
from gateway.gate import PUBLIC, PUBLIC_BELOW
from tests.gateway.conftest import Gateway, Tenancy, answers, behind_the_gate, routes
from tests.platform import Platform


def test_every_route_is_behind_the_gate_or_public_by_name(gateway: Gateway) -> None:
    guarded = {path for _, path in behind_the_gate(gateway.app)}
    outside = {path for _, path in routes(gateway.app)} - guarded
    assert outside == PUBLIC | {"/static", "/sign-in/{token}", "/u/{tenant}/{message_id}/{token}"}
    assert PUBLIC_BELOW == ("/static/", "/sign-in/", "/u/")
    assert len(guarded) >= 18


async def test_every_route_refuses_who_shows_nothing(gateway: Gateway, anyone: Tenancy) -> None:
    async with gateway.client() as nobody:
        assert set((await answers(nobody, gateway, anyone.name)).values()) == {401}


async def test_every_route_refuses_a_revoked_key(gateway: Gateway, acme: Tenancy) -> None:
    assert (await acme.client.get(acme.path("/campaigns"))).status_code == 200
    revoked = await gateway.platform.caller.ask(acme.name, RevokeApiKey(key_id=acme.key_id))
    again = await gateway.platform.caller.ask(acme.name, RevokeApiKey(key_id=acme.key_id))
    assert (revoked.revoked, again.revoked) == (True, False)
    assert set((await answers(acme.client, gateway, acme.name)).values()) == {401}


async def test_every_route_refuses_a_key_of_another_tenant_and_tells_no_tenant_from_none(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    assert set((await answers(acme.client, gateway, anyone.name)).values()) == {401}
    there = await acme.client.get(anyone.path("/leads"))
    nowhere = await acme.client.get("/api/t/no-such-tenant/leads")
    assert nowhere.status_code == 401
    assert _without_instance(there) == _without_instance(nowhere)


async def test_every_route_lets_its_own_key_in(gateway: Gateway, anyone: Tenancy) -> None:
    let_in = await answers(anyone.client, gateway, anyone.name)
    assert not {401, 403, 405, 500} & set(let_in.values())


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
