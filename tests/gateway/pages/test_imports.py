"""The pages of imports: a file is uploaded, mapped, checked, imported and taken back without a script."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.taxonomy import Role
from gateway.pages.uploading import _Form
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

CSV = (
    b"Lead Id,Name,E-mail,Stage\nL-1,Zebedee Quark,zebedee@example.com,contacted\n"
    b"L-2,<script>alert(1)</script>,b@example.com,\n,Nobody,,\n"
)


@pytest.fixture
async def browser(gateway: Gateway, acme: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, acme.name)
        client.follow_redirects = True
        yield client


async def shows(client: httpx.AsyncClient, address: str, text: str) -> str:
    """The page, once it says so."""

    async def looked() -> str:
        page = await client.get(address)
        assert page.status_code == 200
        return page.text if text in page.text else ""

    return await until(looked, seconds=30, what=text)


async def test_a_file_goes_all_the_way_and_back_again(browser: httpx.AsyncClient, acme: Tenancy) -> None:
    home = f"/t/{acme.name}/imports"
    assert "No imports yet" in (await browser.get(home)).text
    page = await browser.post(home, files={"file": ("leads.csv", CSV, "text/csv")})
    assert page.status_code == 200, page.text
    at = page.url.path
    assert at.startswith(f"{home}/")
    assert "leads.csv" in page.text
    assert "Zebedee" not in page.text
    assert re.search(r'name="lead_email">.*?<option value="E-mail" selected>', page.text, re.DOTALL)

    shown = await browser.post(f"{at}/preview")
    assert "Zebedee Quark" in shown.text
    assert "<script>alert" not in shown.text
    assert "Zebedee" not in (await browser.get(at)).text

    wrong = await browser.post(f"{at}/columns", data={"source_system": "crm", "lead_source_id": "Nam"})
    assert wrong.status_code == 400
    assert "did you mean" in wrong.text
    columns = {"source_system": "crm", "lead_source_id": "Lead Id", "lead_full_name": "Name", "lead_email": "E-mail"}
    mapped = await browser.post(f"{at}/columns", data=columns | {"outcome_type": "Stage"})
    assert mapped.status_code == 200
    assert "Check" in mapped.text
    await browser.post(f"{at}/check")
    checked = await shows(browser, at, "Would not be imported")
    assert "source_id" in checked
    errors = await browser.get(f"{at}/errors.csv")
    assert errors.headers["content-disposition"].startswith("attachment")
    assert errors.text.splitlines()[1].startswith("3,4,source_id,")

    await browser.post(f"{at}/start")
    done = await shows(browser, at, "Take it back")
    assert "completed" in done
    unsure = await browser.post(f"{at}/revert", data={})
    assert unsure.status_code >= 400
    await browser.post(f"{at}/revert", data={"sure": "yes"})
    back = await shows(browser, at, "reverted")
    assert "2 leads withdrawn, 0 stay, 1 outcomes voided" in back
    assert "leads.csv" in (await browser.get(home)).text


async def test_what_goes_wrong_is_said_where_it_went_wrong(browser: httpx.AsyncClient, acme: Tenancy) -> None:
    home = f"/t/{acme.name}/imports"
    for files in ({"file": ("", b"", "text/csv")}, {"other": ("x.csv", CSV, "text/csv")}):
        refused = await browser.post(home, files=files)
        assert refused.status_code == 400
        assert "Choose a CSV file" in refused.text
    assert (await browser.post(home, data={"file": "x"})).status_code == 400
    page = await browser.post(home, files={"file": ("leads.csv", CSV, "text/csv")})
    written = await browser.post(f"{page.url.path}/mapping", data={"mapping": "lead:\n  source_id: {colum: Id}\n"})
    assert written.status_code == 400
    assert "mapping:2: lead.source_id.colum" in written.text.replace("Mapping:2", "mapping:2")
    assert "{colum: Id}" in written.text


async def test_who_may_only_look_is_offered_nothing_else(gateway: Gateway, acme: Tenancy) -> None:
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, acme.name, await gateway.user(acme.name, Role.AUDITOR))
        page = await client.get(f"/t/{acme.name}/imports")
        assert page.status_code in (200, 403)
        assert "Upload</button>" not in page.text


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_a_form_is_read_however_it_is_cut(size: int) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nnot this\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="C:\\a\\leads.csv"\r\nContent-Type: text/csv\r\n\r\n'
        + CSV
        + b"\r\n--b--\r\n"
    )
    form, content = _Form(b"b", "file"), b""
    for at in range(0, len(body), size):
        form.write(body[at : at + size])
        content += form.take()
    assert (form.name, content) == ("leads.csv", CSV)
