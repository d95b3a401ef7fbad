"""What people do over the API, subject by subject, each from its beginning to its end."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem
from tests.waiting import until

OHIO = {"rules": [{"name": "ohio", "workspace": "ohio"}], "workspaces": {"ohio": {}}}


async def get(acme: Tenancy, path: str, **query: Any) -> Any:
    response = await acme.client.get(acme.path(path), params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def send(acme: Tenancy, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    response = await acme.client.request(method, acme.path(path), json=body, headers=headers)
    assert response.status_code == status, response.text
    return response.json()


async def lead(acme: Tenancy, **values: str) -> str:
    given = {"source_system": "crm", "source_id": uuid4().hex, "full_name": "Zebedee Quark"} | values
    lead_id: str = (await send(acme, "POST", "/leads", given, 201))["lead_id"]
    return lead_id


async def test_rules_are_drafted_tried_published_and_taken_back_and_leads_come_to_agents(acme: Tenancy) -> None:
    first = await send(acme, "POST", "/routing/versions", {"configuration": OHIO}, 201)
    assert (first["status"], first["created_by"]) == ("draft", f"key:{acme.key_id}")
    assert_problem(await acme.client.get(acme.path("/routing")), 404, "version")
    lead_id = await lead(acme)
    trial = await send(acme, "POST", "/routing/dry-run", {"version": first["version"]})
    assert trial["leads"] == 1
    both = await acme.client.post(acme.path("/routing/dry-run"), json={"version": 1, "configuration": OHIO})
    assert_problem(both, 400)
    stale = await acme.client.post(acme.path("/routing/versions/1/publish"), json={"expected": 7})
    assert_problem(stale, 409, "expected")
    published = await send(acme, "POST", "/routing/versions/1/publish", {"expected": None})
    assert published["status"] == "published"

    async def routed() -> bool:
        return bool((await get(acme, f"/leads/{lead_id}/status"))["workspace"] == "ohio")

    await until(routed, what="the waiting lead's way into the workspace")
    assert [waiting["lead_id"] for waiting in (await get(acme, "/work-queue", workspace="ohio"))["leads"]] == [lead_id]
    claimed = await acme.client.post(acme.path(f"/leads/{lead_id}/claim"), params={"user_id": "user:8"})
    assert_problem(claimed, 404, "user_id")
    for user in ("user:7", "user:8"):
        await send(acme, "PUT", f"/agents/{user}", {"workspaces": ["ohio"], "capacity": 5})

    async def owned() -> bool:
        return bool((await get(acme, "/assignments", lead_id=lead_id, active=True))["assignments"])

    await until(owned, what="the lead's owner")
    (owner,) = (await get(acme, "/assignments", lead_id=lead_id, active=True))["assignments"]
    other = {"user:7": "user:8", "user:8": "user:7"}[owner["user_id"]]
    given = await send(acme, "POST", f"/leads/{lead_id}/reassign", {"user_id": other})
    assert given["user_id"] == other
    workload = await get(acme, "/workspaces/ohio/workload")
    assert {agent["user_id"] for agent in workload["agents"]} == {"user:7", "user:8"}
    kinds = [decision["kind"] for decision in (await get(acme, f"/leads/{lead_id}/decisions"))["decisions"]]
    assert "routed" in kinds
    await send(acme, "POST", f"/leads/{lead_id}/complete")
    away = {"starts_at": "2027-01-04T00:00:00Z"}
    once = await send(acme, "POST", "/agents/user:7/time-off", away, 201, **{"Idempotency-Key": "a"})
    again = await send(acme, "POST", "/agents/user:7/time-off", away, 201, **{"Idempotency-Key": '"a"'})
    assert len(once["time_off"]) == 1 and once["time_off"] == again["time_off"]
    await send(acme, "DELETE", f"/agents/user:7/time-off/{once['time_off'][0]['time_off_id']}")
    second = await send(acme, "POST", "/routing/versions", {"configuration": {}}, 201)
    await send(acme, "POST", f"/routing/versions/{second['version']}/publish", {"expected": 1})
    back = await send(acme, "POST", "/routing/versions/1/roll-back")
    assert (await get(acme, "/routing"))["version"] == back["version"] == 3
    forged = await acme.client.post(acme.path("/routing/versions"), json={"configuration": OHIO, "actor": "user:1"})
    assert_problem(forged, 400, "actor")


async def test_leads_are_found_by_a_contact_merged_parted_and_shown_to_people_alone(acme: Tenancy) -> None:
    one = await lead(acme, email="zebedee.quark@example.com")
    two = await lead(acme, source_id="twin")
    found = await send(acme, "POST", "/leads/find", {"email": "Zebedee.Quark@example.com"})
    assert [each["lead_id"] for each in found["leads"]] == [one]
    nothing = await acme.client.post(acme.path("/leads/find"), json={"country": "US"})
    assert "give phone, email or linkedin_url" in assert_problem(nothing, 400)["detail"]
    await send(acme, "POST", f"/leads/{one}/merge", {"merged_id": two})
    assert {each["lead_id"] for each in (await get(acme, f"/leads/{two}/person"))["leads"]} == {one, two}
    await send(acme, "POST", f"/leads/{two}/unmerge")
    assert (await get(acme, "/lead-reviews"))["pairs"] == []
    for path, body in (
        ("/leads/reveal", {"lead_ids": [one], "purpose": "work_lead"}),
        ("/texts/reveal", {"text_ids": [one], "purpose": "work_lead"}),
        (f"/leads/{one}/erase", {}),
    ):
        refused = await acme.client.post(acme.path(path), json=body)
        assert "not to keys" in assert_problem(refused, 403)["detail"]
    assert (await get(acme, "/reveals"))["reveals"] == []


async def test_a_campaign_of_a_template_is_made_from_the_first_text_to_the_archive(acme: Tenancy) -> None:
    text = {
        "name": "first_contact",
        "kind": "email",
        "subject": "Hello",
        "body": 'Hello {{ first_name | default: "there" }}',
    }
    template = await send(acme, "POST", "/templates", text, 201)
    again = await send(acme, "POST", "/templates", text, 201)
    assert (again["template_id"], again["version"]) == (template["template_id"], 1)
    path = f"/templates/{template['template_id']}"
    shown = await send(acme, "POST", f"{path}/preview", {"sample": {"first_name": "Ada"}})
    assert "Hello Ada" in shown["body"]
    assert [version["version"] for version in (await get(acme, f"{path}/versions"))["versions"]] == [1]
    account = {"title": "Sales", "channel": "email", "address": "sales@example.com"}
    account_id = (await send(acme, "POST", "/accounts", account, 201))["account_id"]
    renamed = await send(acme, "PATCH", f"/accounts/{account_id}", {"title": "Sales 1"})
    assert (renamed["title"], renamed["channel"]) == ("Sales 1", "email")
    assert (await send(acme, "POST", f"/accounts/{account_id}/pause"))["state"] == "paused"
    assert (await send(acme, "POST", f"/accounts/{account_id}/resume"))["state"] == "active"
    assert (await get(acme, f"/accounts/{account_id}"))["account"]["account_id"] == account_id
    order = {
        "title": "Spring",
        "start": False,
        "steps": [{"kind": "email", "variants": [{"template_id": template["template_id"]}]}],
    }
    made = await acme.client.post(acme.path("/campaigns"), json=order)
    assert made.status_code == 201, made.text
    path = made.headers["location"].removeprefix(acme.path(""))
    assert (await get(acme, path))["state"] == "draft"
    assert len((await get(acme, f"{path}/results"))["steps"]) == 1
    assert (await send(acme, "POST", f"{path}/resume"))["state"] == "running"
    assert (await send(acme, "POST", f"{path}/archive"))["state"] == "archived"
    assert (await get(acme, "/queue"))["entries"] == []


async def test_suppressions_are_added_lifted_read_from_a_file_and_written_to_one(acme: Tenancy) -> None:
    lead_id = await lead(acme, email="zebedee.quark@example.com")

    async def heard() -> bool:
        return (await acme.client.get(acme.path(f"/leads/{lead_id}/contact"))).status_code == 200

    await until(heard, what="outreach's copy of the lead")
    entry = await send(acme, "POST", "/suppressions", {"lead_id": lead_id, "note": "=HYPERLINK()"}, 201)
    assert entry["actor"] == f"key:{acme.key_id}"
    assert (await send(acme, "DELETE", f"/suppressions/{entry['suppression_id']}"))["lifted_at"]
    rows = "email,reason\r\nzebedee.quark@example.com,unsubscribed\r\nnobody,unsubscribed\r\na@example.com,whim\r\na,b,c\r\n"
    for sent_in, verdict in (({"dry_run": "true"}, "taken"), ({}, "taken"), ({}, "known")):
        done = await file(acme, rows, **sent_in)
        assert done.status_code == 200, done.text
        assert done.json()["counts"][verdict] == 1
        assert [row["row"] for row in done.json()["refused"]] == [2, 3, 4]
        assert "zebedee" not in done.text and "whim" not in done.text
    written = (await acme.client.get(acme.path("/suppressions/export"))).text.splitlines()
    assert written[0].startswith("suppression_id,lead_id,reason,") and "note" not in written[0]
    assert len(written) == 3
    for wrong in ("zebedee.quark@example.com\r\n", "", "email,email\r\n", "\xff"):
        assert_problem(await file(acme, wrong), 400)


async def file(acme: Tenancy, rows: str, **query: str) -> httpx.Response:
    content = rows.encode("latin-1")
    path = acme.path("/suppressions/import")
    return await acme.client.post(path, content=content, params=query, headers={"Content-Type": "text/csv"})


async def test_a_run_that_costs_money_needs_a_key_and_is_started_once_under_it(acme: Tenancy) -> None:
    directory = {"csv": {"rows": [], "kind": "companies"}}
    assert (await acme.client.put(acme.path("/providers/directory"), json=directory)).status_code in (200, 400)
    run = {
        "criteria": {"state": "OH"},
        "providers": {"find_companies": ["directory"]},
        "budget": "5",
        "currency": "USD",
    }
    assert_problem(await acme.client.post(acme.path("/enrichment/runs"), json=run), 400, "Idempotency-Key")


@pytest.mark.parametrize("path", ["/superadmin/api/services/intake/jobs", "/superadmin/api/services/intake/status"])
async def test_the_installation_is_nothing_to_a_tenant(acme: Tenancy, path: str) -> None:
    assert (await acme.client.get(path)).status_code in (401, 404)


async def test_numbers_are_validated_and_made_anew(gateway: Gateway, acme: Tenancy) -> None:
    assert (await get(acme, "/validation"))["drift"] == 0
    assert (await send(acme, "POST", "/replay"))["differences"] == []
