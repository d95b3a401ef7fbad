"""What is shown to people alone: what is personal, by role and purpose; and the installation, to superadmins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from contracts.message import PLATFORM
from contracts.taxonomy import Role
from tests.gateway.api.test_journeys import get, lead
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem


@asynccontextmanager
async def signed_in(gateway: Gateway, tenant: str, role: Role) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as browser:
        await gateway.sign_in(browser, tenant, await gateway.user(tenant, role))
        yield browser


async def test_what_is_personal_is_shown_for_a_purpose_that_the_role_may_have_and_each_lead_is_audited(
    gateway: Gateway, acme: Tenancy
) -> None:
    ids = [await lead(acme), await lead(acme)]
    path, wanted = acme.path("/leads/reveal"), {"lead_ids": ids, "purpose": "work_lead", "fields": ["name"]}
    async with signed_in(gateway, acme.name, Role.AGENT) as agent:
        shown = await agent.post(path, json=wanted)
        assert [each["name"] for each in shown.json()["leads"]] == ["Zebedee Quark"] * 2
        assert_problem(await agent.post(path, json=wanted | {"purpose": "fraud_check"}), 403, "purpose")
        assert_problem(await agent.post(acme.path(f"/leads/{ids[0]}/erase"), json={}), 403)
        forged = wanted | {"on_behalf_of": {"user": "user:1", "role": "admin"}}
        assert_problem(await agent.post(path, json=forged), 400, "on_behalf_of")
    async with signed_in(gateway, acme.name, Role.VIEWER) as viewer:
        assert_problem(await viewer.post(path, json=wanted), 403)
        assert (await viewer.get(acme.path("/leads"))).status_code == 200
    assert {row["lead_id"] for row in (await get(acme, "/reveals"))["reveals"]} == set(ids)


async def test_an_admin_exports_and_erases_a_person(gateway: Gateway, acme: Tenancy) -> None:
    lead_id = await lead(acme)
    async with signed_in(gateway, acme.name, Role.ADMIN) as admin:
        entries = (await admin.get(acme.path(f"/leads/{lead_id}/export"))).json()["entries"]
        assert any("Zebedee" in str(entry["content"]) for entry in entries)
        erased = await admin.post(acme.path(f"/leads/{lead_id}/erase"), json={})
        assert erased.status_code == 200, erased.text
        certificate = await admin.get(acme.path(f"/erasures/{erased.json()['erasure_id']}"))
        assert certificate.json()["erasure_id"] == erased.json()["erasure_id"]


async def test_superadmins_see_the_services_run_their_jobs_and_redrive_their_dead_letters(gateway: Gateway) -> None:
    async with signed_in(gateway, PLATFORM, Role.SUPERADMIN) as superadmin:
        below = "/superadmin/api/services/gateway"
        jobs = (await superadmin.get(f"{below}/jobs")).json()["jobs"]
        ran = await superadmin.post(f"{below}/jobs/{next(iter(jobs))}/run")
        assert ran.json()["state"] == "succeeded", ran.text
        assert "outbox_unsent" in (await superadmin.get(f"{below}/status")).json()
        assert (await superadmin.get(f"{below}/dead-letters")).json()["dead_letters"] == []
        assert (await superadmin.post(f"{below}/dead-letters/redrive", json={})).json() == {"redriven": 0}
        assert_problem(await superadmin.get("/superadmin/api/services/nobody/jobs"), 404, "service")


async def test_a_tenants_admin_is_none_of_the_installation(gateway: Gateway, acme: Tenancy) -> None:
    async with signed_in(gateway, acme.name, Role.ADMIN) as admin:
        assert (await admin.get("/superadmin/api/services/gateway/jobs")).status_code == 404
