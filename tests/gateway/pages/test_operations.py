"""Operations and the audit: what the numbers are compared with, what waits, what services gave up, and who did what."""

import csv
import io
import re
from collections.abc import AsyncIterator
from html import unescape
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.aggregator.kpis import DashboardStats
from contracts.catalogue import SERVICES
from contracts.gateway import NewTenantSettings
from contracts.intake.limits import ListParked
from contracts.message import PLATFORM
from contracts.operations import ListDeadLetters
from contracts.taxonomy import OutcomeType, Role
from tests.aggregator.recorded import accepted, recorded
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until


@pytest.fixture
async def admin(gateway: Gateway, acme: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, acme.name)
        yield client


async def test_drift_of_numbers_is_found_named_and_put_right(
    gateway: Gateway, admin: httpx.AsyncClient, acme: Tenancy
) -> None:
    here = f"/t/{acme.name}/operations"
    came = accepted(source_key="web")
    for event in (came, recorded(OutcomeType.CLOSED_WON, lead_id=came.lead_id, source_key="web")):
        await gateway.platform.publish(event.topic.owner, acme.name, event)

    async def won() -> bool:
        return (await gateway.platform.caller.ask(acme.name, DashboardStats())).conversions == 1

    await until(won, what="the outcome's arrival in the numbers")
    page = (await admin.get(f"{here}/validation")).text
    assert "drift 0" in page and re.search(r"[1-9]\d* events were folded", page)
    async with gateway.platform.sql() as sql:
        await sql.execute("delete from aggregator.open_item where tenant_id = $1 and kind = 'outcome'", acme.name)
    page = (await admin.get(f"{here}/validation")).text
    assert re.search(r'badge-critical">drift [1-9]', page) and "conversions" in page
    replayed = await admin.post(f"{here}/replay")
    assert replayed.status_code == 200 and "events were read anew" in replayed.text
    assert "drift 0" in (await admin.get(f"{here}/validation")).text
    async with gateway.client() as auditor:
        await gateway.sign_in(auditor, acme.name, await gateway.user(acme.name, Role.AUDITOR))
        assert "Rebuild" not in (await auditor.get(here)).text
        assert (await auditor.post(f"{here}/replay")).status_code == 403


async def test_what_a_source_sends_beyond_its_limit_is_shown_as_waiting(gateway: Gateway, tenant: str) -> None:
    slow = await gateway.tenant(tenant, NewTenantSettings(leads_per_minute=1))
    async with slow.client, gateway.platform.upstream(tenant) as upstream, gateway.client() as browser:
        await gateway.sign_in(browser, tenant)
        assert "Nothing waits" in (await browser.get(f"/t/{tenant}/operations")).text
        for n in range(3):
            lead = f'{{"source_system": "crm", "source_id": "L-{n}", "full_name": "Ada Example"}}'
            await upstream.jetstream().publish(f"intake.command.submit_lead.v1.{tenant}", lead.encode())

        async def parked() -> bool:
            sources = (await gateway.platform.caller.ask(tenant, ListParked())).sources
            return bool(sources) and sources[0].parked >= 2

        await until(parked, what="the second and the third lead")
        page = (await browser.get(f"/t/{tenant}/operations")).text
        assert re.search(r'<th scope="row">crm</th><td class="number">2</td>', page)


async def test_a_superadmin_sees_the_services_and_has_them_do_what_they_gave_up_again(
    gateway: Gateway, acme: Tenancy
) -> None:
    jetstream = gateway.platform.operator.jetstream()
    await jetstream.publish(f"intake.command.submit_lead.v1.{acme.name}", b'{"full_name": 7}')

    async def letters() -> list[int]:
        found = await gateway.platform.caller.ask(PLATFORM, ListDeadLetters(), of="intake")
        return [each.dead_letter_id for each in found.dead_letters if each.tenant == acme.name and not each.redriven_at]

    async def buried() -> list[int]:
        return await letters()

    (letter,) = await until(buried, what="the dead letter")
    async with gateway.client() as browser:
        await gateway.sign_in(browser, "_")
        page = (await browser.get("/superadmin/operations")).text
        assert len(re.findall('badge-good">answers', page)) == len(SERVICES)
        assert re.search(r'events <data value="\d+">', page), "how far each is behind"
        page = (await browser.get("/superadmin/services/intake")).text
        assert f'value="{letter}"' in page and acme.name in page and "intake.command.submit_lead.v1" in page
        none = await browser.post("/superadmin/services/intake/dead-letters")
        assert none.status_code == 400 and "Choose the dead letters" in none.text
        again = await browser.post("/superadmin/services/intake/dead-letters", data={"dead_letter_ids": letter})
        assert again.status_code == 303 and "redriven=1" in again.headers["location"]
        assert "1 was handled again" in (await browser.get(again.headers["location"])).text
        assert letter not in await letters()

        page = (await browser.get("/superadmin/services/gateway")).text
        assert "sign ins" in page and "41 3 * * *" in page
        assert (await browser.post("/superadmin/services/gateway/jobs/sign_ins")).status_code == 303
        assert re.search(r"sign ins</th>.*?badge-good\">succeeded", await _service(browser), re.DOTALL)
        assert (await browser.post("/superadmin/services/gateway/jobs/none")).status_code == 404
        assert (await browser.get("/superadmin/services/none")).status_code == 404
    (letter,) = await until(buried, what="the letter, given up once more")
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name)
        here = f"/t/{acme.name}/operations"
        assert re.search(
            r'services/intake">intake</a></th>\s*<td>[^\n]*answers[^\n]*<td class="number">1<',
            (await browser.get(here)).text,
        )
        page = (await browser.get(f"{here}/services/intake")).text
        assert f'value="{letter}"' in page and "apply routing" in page and "/jobs/" not in page
        none = await browser.post(f"{here}/services/intake/dead-letters")
        assert none.status_code == 400 and "Choose the dead letters" in none.text
        again = await browser.post(f"{here}/services/intake/dead-letters", data={"all": "1"})
        assert again.status_code == 303 and letter not in await letters()
        for path in ("operations", "services/intake"):
            assert (await browser.get(f"/superadmin/{path}")).status_code in (401, 404)


async def _service(browser: httpx.AsyncClient) -> str:
    return (await browser.get("/superadmin/services/gateway")).text


async def test_the_audit_is_read_filtered_and_taken_as_a_file(
    gateway: Gateway, admin: httpx.AsyncClient, acme: Tenancy
) -> None:
    here = f"/t/{acme.name}/audit"
    grace = await gateway.user(acme.name, Role.AGENT, name="Grace Example")
    auditor = await gateway.user(acme.name, Role.AUDITOR)
    await admin.post(f"/t/{acme.name}/settings/users/{grace}", data={"role": "operator"})
    page = unescape((await admin.get(f"{here}?subject=user:{grace}")).text)
    assert "Grace Example" in page and "<del>agent</del> → operator" in page and "Tenant created" not in page
    assert len(re.findall(r'<th scope="row">', page)) == 2
    assert "No change like this" in (await admin.get(f"{here}?until=2026-01-01T00:00")).text

    lead = {"source_system": "crm", "source_id": "L-1", "full_name": "Zebedee Quark"}
    lead_id = UUID((await acme.client.post(acme.path("/leads"), json=lead)).json()["lead_id"])
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name, grace)
        asked = {"lead_ids": [str(lead_id)], "purpose": "work_lead"}
        assert (await browser.post(acme.path("/leads/reveal"), json=asked)).status_code == 200
    page = (await admin.get(f"{here}/reveals?purpose=work_lead&lead_id={lead_id}")).text
    assert "Grace Example" in page and "work lead" in page and str(lead_id) in page
    assert "Nobody was shown anything like this" in (await admin.get(f"{here}/reveals?lead_id={uuid4()}")).text
    assert "Nothing was done in spite of a warning" in (await admin.get(f"{here}/actions")).text

    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name, auditor)
        page = (await browser.get(f"{here}?subject=user:{grace}")).text
        (file,) = re.findall(r'href="(/t/[^"]+/changes\.csv[^"]*)"', page)
        rows = list(csv.DictReader(io.StringIO((await browser.get(unescape(file))).text)))
        assert [row["action"] for row in rows][-2:] == ["user_changed", "user_added"]
        rows = list(csv.DictReader(io.StringIO((await browser.get(f"{here}/reveals.csv")).text)))
        assert [row["lead_id"] for row in rows] == [str(lead_id)]
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name, grace)
        assert (await browser.get(here)).status_code == 403, "an operator reads no audit"


async def test_a_file_of_the_audit_has_every_page(
    gateway: Gateway, admin: httpx.AsyncClient, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await gateway.user(acme.name)
    monkeypatch.setattr("gateway.pages.audit._ROWS_OF_A_FILE", 2)
    rows = list(csv.DictReader(io.StringIO((await admin.get(f"/t/{acme.name}/audit/changes.csv")).text)))
    assert len({row["change_id"] for row in rows}) == len(rows) >= 6
