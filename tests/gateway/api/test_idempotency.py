"""What is sent again under the same `Idempotency-Key` is the same, and not done twice."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey
from contracts.operations import RunJob
from gateway.api.idempotency import METHODS
from gateway.idempotency import Idempotency
from tests.gateway.api.test_breadth import example_of, operations
from tests.gateway.conftest import Gateway, Tenancy, filled
from tests.gateway.test_api import assert_problem
from tests.waiting import until

HEADER = "Idempotency-Key"
CAMPAIGN = {"title": "Spring", "audience": {"tier": "A"}, "start": False}
ACCOUNT = {"title": "Sales", "channel": "email", "address": "sales@example.com"}
USER = {"role": "agent", "email": "zebedee.quark@example.com", "name": "Zebedee Quark"}


async def post(
    tenancy: Tenancy, path: str, body: Any, key: str, client: httpx.AsyncClient | None = None
) -> httpx.Response:
    return await (client or tenancy.client).post(tenancy.path(path), json=body, headers={HEADER: key})


@asynccontextmanager
async def at_work(gateway: Gateway, tenancy: Tenancy, path: str, body: bytes, key: str) -> AsyncIterator[None]:
    """Another replica does what was sent under a key."""
    idempotency: Idempotency = gateway.app.state.idempotency
    actor, content = f"key:{tenancy.key_id}", ("POST", tenancy.path(path), "", body)
    async with idempotency.under(tenancy.name, actor, key, *content):
        yield


@pytest.mark.parametrize(
    ("path", "body", "listed"),
    [
        ("/campaigns", CAMPAIGN, lambda found: found["campaigns"]),
        ("/accounts", ACCOUNT, lambda found: found["accounts"]),
        ("/users", USER, lambda found: [user for user in found["users"] if user["email"] == USER["email"]]),
    ],
    ids=["campaign", "account", "user"],
)
async def test_what_is_sent_again_is_made_once_and_answered_alike(
    acme: Tenancy, path: str, body: Any, listed: Callable[[Any], list[Any]]
) -> None:
    first, again = [await post(acme, path, body, "once") for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert len(listed((await acme.client.get(acme.path(path))).json())) == 1
    if path == "/campaigns":
        other = await post(acme, path, body, "another")
        assert other.json()["campaign_id"] > first.json()["campaign_id"], (
            "and the list stays in the order they were made"
        )


async def test_a_suppression_sent_again_is_one_entry(acme: Tenancy) -> None:
    lead = {"source_system": "crm", "source_id": "L-1", "full_name": "Zebedee Quark", "email": "z@example.com"}
    lead_id = (await acme.client.post(acme.path("/leads"), json=lead)).json()["lead_id"]

    async def heard() -> bool:
        return (await acme.client.get(acme.path(f"/leads/{lead_id}/contact"))).status_code == 200

    await until(heard, what="outreach's copy of the lead")
    order = {"lead_id": lead_id, "note": "asked for it"}
    first, again = [await post(acme, "/suppressions", order, "once") for _ in range(2)]
    assert first.json() == again.json() and first.json()["note"] == "asked for it"
    assert len((await acme.client.get(acme.path("/suppressions"))).json()["suppressions"]) == 1


async def test_a_key_that_came_with_another_request_is_refused(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    assert (await post(acme, "/campaigns", CAMPAIGN, "k")).status_code == 201
    other_body = await post(acme, "/campaigns", CAMPAIGN | {"title": "Summer"}, '"k"')
    other_route = await post(acme, "/accounts", ACCOUNT, "k")
    for refused in (other_body, other_route):
        assert assert_problem(refused, 422, HEADER)["type"] == "urn:leadloop:problem:unprocessable"
    assert len((await acme.client.get(acme.path("/campaigns"))).json()["campaigns"]) == 1
    made = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=frozenset(Scope)))
    async with gateway.client(made.secret) as colleague:
        assert (await post(acme, "/accounts", ACCOUNT, "k", colleague)).status_code == 201, (
            "each caller has keys of their own"
        )
    assert (await post(anyone, "/accounts", ACCOUNT, "k")).status_code == 201
    assert_problem(await post(acme, "/accounts", ACCOUNT, "x" * 201), 400, HEADER)


async def test_what_is_being_done_is_not_begun_a_second_time(gateway: Gateway, acme: Tenancy) -> None:
    body = b'{"title": "Spring", "start": false}'
    send = {"content": body, "headers": {HEADER: "k", "Content-Type": "application/json"}}
    async with at_work(gateway, acme, "/campaigns", body, "k"):
        busy = await acme.client.post(acme.path("/campaigns"), **send)
        assert_problem(busy, 409, HEADER)
        assert int(busy.headers["retry-after"]) > 0
    assert (await acme.client.post(acme.path("/campaigns"), **send)).status_code == 201


async def test_whoever_dies_at_work_leaves_the_key_to_who_comes_again(gateway: Gateway, acme: Tenancy) -> None:
    body = b'{"title": "Spring", "start": false}'
    send = {"content": body, "headers": {HEADER: "k", "Content-Type": "application/json"}}
    async with at_work(gateway, acme, "/campaigns", body, "k"), gateway.platform.sql() as sql:
        row = await sql.fetchrow("select * from gateway.idempotency_key where tenant_id = $1", acme.name)
        assert row["busy_until"] < row["expires_at"], "it is not at work for ever"
        await sql.execute(
            "update gateway.idempotency_key set busy_until = now() - interval '1 s' where tenant_id = $1", acme.name
        )
        made = await acme.client.post(acme.path("/campaigns"), **send)
        assert made.json()["campaign_id"] == str(row["made_id"]), "what the dead one may have made is the same thing"


async def test_what_shows_a_secret_or_has_no_id_is_not_done_again(acme: Tenancy) -> None:
    for path, body in (("/keys", {"label": "crm"}), ("/routing/versions", {"configuration": {}})):
        assert (await post(acme, path, body, path)).status_code == 201
        assert_problem(await post(acme, path, body, path), 409, HEADER)
    assert len((await acme.client.get(acme.path("/routing/versions"))).json()["versions"]) == 1


async def test_a_key_whose_request_was_refused_for_its_body_is_free_for_the_corrected_one(acme: Tenancy) -> None:
    assert_problem(await post(acme, "/accounts", {"title": "Sales"}, "k"), 400)
    assert (await post(acme, "/accounts", ACCOUNT, "k")).status_code == 201


async def test_what_would_mean_other_leads_when_it_is_sent_again_takes_no_key(gateway: Gateway, acme: Tenancy) -> None:
    lead_id, path = await gateway.neglected_lead(acme), "/missing-outcomes/outcomes"
    all_listed = {"outcome": {"type": "contacted"}}
    assert_problem(await post(acme, path, all_listed, "k"), 400, "lead_ids")
    assert (await acme.client.get(acme.path("/missing-outcomes"))).json()["count"] == 1, "nothing was recorded"
    named = all_listed | {"lead_ids": [lead_id]}
    made = [(await post(acme, path, named, "k")).json()["counts"] for _ in range(2)]
    assert made == [{"recorded": 1}, {"duplicate": 1}], "the key was free, and is held from then on"


async def test_neither_the_key_nor_what_came_with_it_can_be_read_or_guessed_from_what_is_kept(
    gateway: Gateway, acme: Tenancy
) -> None:
    key = "zebedee.quark@example.com"
    await post(acme, "/users", USER, key)
    async with gateway.platform.sql() as sql:
        rows = await sql.fetch("select * from gateway.idempotency_key where tenant_id = $1", acme.name)
        assert len(rows) == 1 and "zebedee" not in repr(rows).lower()
        assert rows[0]["key_id"].version == rows[0]["fingerprint"].version == 8, "hashes that take the service's secret"


async def test_keys_that_nobody_sent_for_a_day_are_swept(gateway: Gateway, acme: Tenancy) -> None:
    for key in ("old", "new"):
        await post(acme, "/campaigns", CAMPAIGN, key)
    async with gateway.platform.sql() as sql:
        await sql.execute(
            """update gateway.idempotency_key set expires_at = now() - interval '1 s' where ctid = (
               select min(ctid) from gateway.idempotency_key where tenant_id = $1)""",
            acme.name,
        )
        assert (await gateway.platform.caller.ask(acme.name, RunJob(job="sign_ins"), of="gateway")).state == "succeeded"
        left = await sql.fetchval("select count(*) from gateway.idempotency_key where tenant_id = $1", acme.name)
    assert left == 1


async def test_every_operation_that_makes_or_changes_something_takes_a_key(gateway: Gateway, acme: Tenancy) -> None:
    """Generated: each says so, and refuses one that came with something else."""
    document = (await acme.client.get("/openapi.json")).json()
    key = str(uuid4())
    async with at_work(gateway, acme, "/elsewhere", b"", key):
        pass
    tried = 0
    for method, path, operation in operations(document):
        named = [parameter for parameter in operation["parameters"] if parameter["name"] == HEADER]
        heeds = method in METHODS and path.startswith("/api/t/") and not path.endswith("/imports/{run_id}/file")
        assert len(named) == heeds, (method, path)
        if heeds:
            headers, body = example_of(document, operation)
            response = await acme.client.request(
                method, filled(path, acme.name), headers=headers | {HEADER: key}, content=body
            )
            assert response.status_code == 422, (method, path, response.text)
            tried += 1
    assert tried > 60


async def test_an_upload_takes_no_key_for_it_is_compared_with_what_is_here(acme: Tenancy) -> None:
    made = (await acme.client.post(acme.path("/imports"), json={"file_name": "leads.csv"})).raise_for_status().json()
    address = acme.path(f"/imports/{made['run_id']}/file")

    async def upload(content: bytes, **headers: str) -> httpx.Response:
        return await acme.client.put(address, content=content, headers={"Content-Type": "text/csv", **headers})

    first, other = b"Id,Name\n1,Ada\n", b"Id,Name\n2,Bob\n"
    assert_problem(await upload(first, **{HEADER: str(uuid4())}), 400, HEADER)
    assert (await acme.client.get(acme.path(f"/imports/{made['run_id']}"))).json()["chunks"] == 0, "nothing was kept"
    assert (await upload(first)).status_code == (await upload(first)).status_code == 200
    assert (await upload(other)).status_code == 409
