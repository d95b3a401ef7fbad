"""Attacks from outside, and by what a tenant's texts and settings hold: none of them works.

Requests that other origins' pages send (CSRF) are in test_admission.py; what providers may not reach (SSRF), where it is tried against
a server, in tests/intake/enrichment, tests/outreach/providers, tests/outreach/replies and identity/test_oidc.py.
"""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext

from contracts.gateway.access import Scope
from contracts.notifier import ListAlerts
from contracts.taxonomy import Role
from gateway.gate import each, is_public, needs_of
from gateway.idempotency import HEADER
from gateway.identity.domain_access import OF_ROLE
from tests.gateway.api.test_breadth import example_of, operations
from tests.gateway.conftest import Gateway, Tenancy, behind_the_gate, each_page, filled, filled_in
from tests.gateway.hostile import SIGNS, Attacked, attacked

WIRE_BYTES = 150_000
"""How large a page may be."""
FORMULA = re.compile(r"[=+\-@\t\r]")
NUMBER = re.compile(r"-?\d+(\.\d+)?")


@pytest.fixture(scope="module")
async def hostile(gateway: Gateway) -> AsyncIterator[Attacked]:
    async with attacked(gateway, "hostile") as made:
        yield made


@pytest.fixture
async def browser(gateway: Gateway, hostile: Attacked) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, hostile.tenancy.name)
        yield client


async def test_no_text_of_a_tenants_becomes_a_part_of_any_page(
    gateway: Gateway, hostile: Attacked, browser: httpx.AsyncClient
) -> None:
    shown = 0
    for address in hostile.pages(gateway):
        response = await browser.get(address)
        assert response.is_success, (address, response.text)
        assert not [sign for sign in SIGNS if sign in response.text], address
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=\"", response.text), address
        assert len(response.content) <= WIRE_BYTES, f"{address} has {len(response.content)} bytes"
        shown += "&lt;script&gt;alert(2)" in response.text
    assert shown >= 3, "or nothing was tried"


async def test_what_is_another_tenants_is_as_what_never_was(
    gateway: Gateway, hostile: Attacked, anyone: Tenancy
) -> None:
    """Generated: every operation and every page of one's own tenant, by another tenant's ids and by nobody's."""
    nobodys = filled("{x}", "")
    theirs = {name: id_ for name, id_ in hostile.parameters.items() if len(id_) == len(nobodys)}
    ids = re.compile("|".join({nobodys, *theirs.values()}))

    async def met(client: httpx.AsyncClient, method: str, path: str, known: Mapping[str, str], **more: Any) -> Any:
        parts = (known.get(part.strip("{}"), nobodys) if part.startswith("{") else part for part in path.split("/"))
        address = "/".join(parts).replace(f"/{nobodys}", f"/{anyone.name}", 1)
        response = await client.request(method, address, **more)
        told = re.sub(r'"instance":"[^"]*"', "", ids.sub("", response.text)) if path.startswith("/api") else ""
        return response.status_code, ids.sub("", response.headers.get("location", "")), told

    document = (await anyone.client.get("/openapi.json")).json()
    tried = [(method, path, example_of(document, operation)) for method, path, operation in operations(document)]
    tried += [(method, path, ({}, b"")) for method, path in behind_the_gate(gateway.app) if path.startswith("/t/")]
    compared = 0
    async with gateway.client() as browser:
        await gateway.sign_in(browser, anyone.name)
        for method, path, (headers, body) in tried:
            if not path.endswith("/live") and any(f"{{{name}}}" in path for name in theirs):
                client = anyone.client if path.startswith("/api") else browser
                more = {"headers": {name: value for name, value in headers.items() if name != HEADER}, "content": body}
                found, nothing = [await met(client, method, path, known, **more) for known in (theirs, {})]
                assert found == nothing, (method, path)
                compared += 1
    assert compared > 80


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.ADMIN, Role.SUPERADMIN)])
async def test_no_page_has_a_button_or_a_link_that_refuses_whom_it_is_shown_to(
    gateway: Gateway, hostile: Attacked, role: Role
) -> None:
    """Generated: every form and link of every page that the role may open."""
    name = hostile.tenancy.name
    if not (await gateway.platform.caller.ask(name, ListAlerts())).alerts:
        await gateway.neglected_lead(hostile.tenancy)
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, name, await gateway.user(name, role))
        tried, refused = set(), set()
        for address in hostile.pages(gateway):
            response = await client.get(address)
            if response.status_code == 403:
                continue
            for method, path in offered(response.text, address):
                scopes = needs_at(gateway.app, method, path)
                tried.add((method, path))
                if scopes is None or not OF_ROLE[role].issuperset(scopes):
                    refused.add(f"{address}: {method} {path} needs {scopes}")
    assert not refused, "\n".join(sorted(refused))
    assert len(tried) > 10, "or nothing was tried"


def offered(page: str, address: str) -> Iterator[tuple[str, str]]:
    """The method and path of each form and link to a tenant's address; a form without one sends to the page's own."""
    for form in re.findall(r"<form\b[^>]*>", page):
        action = re.search(r'\saction="([^"]*)"', form)
        yield "POST" if 'method="post"' in form else "GET", urlsplit(unescape(action[1]) if action else address).path
    for link in re.findall(r'<a\b[^>]*\shref="([^"]*)"', page):
        yield "GET", urlsplit(urljoin(address, unescape(link))).path


def needs_at(app: FastAPI, method: str, path: str) -> list[Scope] | None:
    """What the route needs that takes a request; nothing of one that is public, none where no route does."""
    if is_public(path):
        return []
    for route, known in each(app.routes):
        if known == method and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", str(route.path)), path):
            return needs_of(route, method)
    return None


async def test_no_cell_of_any_exported_file_is_a_formula(
    gateway: Gateway, hostile: Attacked, browser: httpx.AsyncClient
) -> None:
    exports = [str(route.path) for route, method in each(gateway.app.routes) if method == "GET" and _is_csv(route)]
    assert len(exports) >= 8
    tried = ""
    for path in exports:
        address = filled_in(path, hostile.parameters)
        few = {"minimum": 0} if address.startswith("/api") and "win-rates" in address else {}
        response = await browser.get(address, params=few, headers={"Accept": "text/csv"})
        assert response.status_code == 200, (address, response.text)
        assert response.headers["content-type"].startswith("text/csv"), address
        assert response.headers["content-disposition"].startswith("attachment"), address
        tried += response.text
        for row in csv.reader(io.StringIO(response.text)):
            assert not [cell for cell in row if FORMULA.match(cell) and not NUMBER.fullmatch(cell)], (address, row)
    assert "'=HYPERLINK" in tried, "or nothing was tried"


def _is_csv(route: RouteContext) -> bool:
    described: dict[int | str, dict[str, Any]] = getattr(route, "responses", None) or {}
    return str(route.path).endswith(".csv") or any(
        "text/csv" in answer.get("content", {}) for answer in described.values()
    )


async def test_no_link_of_any_page_leads_nowhere(
    gateway: Gateway, hostile: Attacked, browser: httpx.AsyncClient
) -> None:
    routes = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for _, path in behind_the_gate(gateway.app)]
    found: dict[str, str] = {}
    for address in hostile.pages(gateway):
        page = (await browser.get(address)).text
        links = {unescape(link).partition("#")[0] for link in re.findall(r'<a\b[^>]*? href="(/[^"]*)"', page)}
        # One of each kind: a list has many links to what it lists, and what their queries ask for is its own test.
        kinds = {
            next((at for at in routes if at.fullmatch(link.partition("?")[0])), link): link for link in sorted(links)
        }
        found |= dict.fromkeys(kinds.values(), address)
    once = {link.partition("?")[0]: (link, address) for link, address in found.items() if link != "/openapi.json"}
    assert len(once) > 10
    for link, address in once.values():
        response = await browser.get(link)
        assert response.status_code == 200, f"{address} leads to {link}, which answers {response.status_code}"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "//evil.example/..",
        "/\\evil.example",
        "/%5Cevil.example",
        "/sign-in?next=https://evil.example",
        "/sign-in/by?tenant=acme&provider=//evil.example",
        "/sign-in/by?tenant=//evil.example&provider=x",
        "/sign-in/by//evil.example/x",
        "/sign-in/by/acme/x/back?redirect_uri=https://evil.example",
        "/t//evil.example",
        "/u/https://evil.example/x/y",
    ],
)
async def test_nothing_leads_to_another_host(gateway: Gateway, path: str) -> None:
    for method in ("GET", "POST"):
        status, headers, _ = await raw(gateway, method, path)
        assert status >= 400 or not _leads_away(gateway, headers.get("location", "/")), (status, headers)


async def test_signing_in_leads_home_whatever_is_asked_for(gateway: Gateway, anyone: Tenancy) -> None:
    async with gateway.client() as client:
        began = await gateway.sign_in(client, anyone.name)
        assert began.headers["location"] == f"/t/{anyone.name}"
        for name in ("next", "return_to", "redirect"):
            page = await client.get("/", params={name: "https://evil.example"})
            assert "evil.example" not in page.text


async def test_no_form_of_any_page_leads_to_another_host(gateway: Gateway, anyone: Tenancy) -> None:
    """Not even where its answer sends the browser on, whatever the request says of its own address."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Accept": "text/html"}
    async with gateway.client() as client:
        await gateway.sign_in(client, anyone.name)
        for address in each_page(gateway.app, _Nobody(anyone.name)):
            response = await client.get(address, headers=headers)
            assert "evil.example" not in response.headers.get("location", ""), address
            assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", response.text), address


class _Nobody(dict[str, str]):
    """Paths filled in with what is not there."""

    def __init__(self, tenant: str) -> None:
        super().__init__(tenant=tenant)

    def __missing__(self, name: str) -> str:
        return filled("{x}", "")


@pytest.mark.parametrize(
    "rest",
    [
        "../app.py", "..%2fapp.py", "%2e%2e/app.py", "%2e%2e%2fapp.py", "..\\app.py", "..%5capp.py", "....//app.py", "%252e%252e%252fapp.py",
        "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "leadloop.css/../../app.py", "leadloop.css%00.py", "%00", "..%c0%af..%c0%afetc/passwd",
        ".", "..", "%2e", "", "htmx/../../__init__.py", "ext/%2e%2e/%2e%2e/%2e%2e/__init__.py",
    ],
)  # fmt: skip
async def test_no_path_below_static_leads_out_of_it(gateway: Gateway, rest: str) -> None:
    status, _, body = await raw(gateway, "GET", f"/static/{rest}")
    assert status in (400, 404, 405), body
    assert b"import" not in body and b"root:" not in body


async def test_what_is_served_as_a_file_is_what_it_says(gateway: Gateway) -> None:
    for name, type_ in (("leadloop.css", "text/css"), ("live.js", "text/javascript"), ("mark.svg", "image/svg+xml")):
        status, headers, _ = await raw(gateway, "GET", f"/static/{name}")
        assert (status, headers["content-type"].partition(";")[0]) == (200, type_)
        assert headers["x-content-type-options"] == "nosniff"


async def test_no_line_of_a_request_becomes_a_header_of_the_answer(gateway: Gateway, anyone: Tenancy) -> None:
    for path in (
        f"/t/{anyone.name}%0d%0aSet-Cookie:%20a=b",
        "/sign-in/by?tenant=acme%0d%0aX-Evil:%201&provider=x%0d%0aX-Evil:%201",
    ):
        _, headers, _ = await raw(gateway, "GET", path)
        assert "x-evil" not in headers and "a=b" not in headers.get("set-cookie", "")


def test_whatever_reaches_outside_asks_first_whether_it_may() -> None:
    """Every module of a service that opens a connection a tenant's settings lead to looks the host up by `Outside` (SSRF)."""
    opens = re.compile(r"\b(httpx\.Async|httpx\.Client|urlopen|open_connection|create_connection|IMAP4|SMTP\()")
    services = Path(__file__).parents[2] / "services"
    found = {
        str(path.relative_to(services))
        for path in services.rglob("*.py")
        if opens.search(path.read_text()) and "/migrations/" not in str(path)
    }
    assert found == {
        "gateway/gateway/identity/oidc.py",
        "intake/intake/enrichment/http_provider.py",
        "outreach/outreach/providers/http.py",
        "outreach/outreach/providers/smtp_connection.py",
        "outreach/outreach/replies/imap.py",
    }, "a module that opens connections: have it ask Outside, probe it as its neighbours are, and name it here"


async def raw(gateway: Gateway, method: str, target: str) -> tuple[int, dict[str, str], bytes]:
    """The answer to a request whose target is sent as it is: a client would tidy it up."""
    url = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        head = f"{method} {target} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()
    top, _, body = answer.partition(b"\r\n\r\n")
    first, *fields = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return int(first.split()[1]), headers, body


def _leads_away(gateway: Gateway, location: str) -> bool:
    """Whether a browser that is at the gateway's would leave it."""
    to = urlsplit(location.replace("\\", "/"))
    return bool(to.netloc) and to.netloc != urlsplit(gateway.url).netloc
