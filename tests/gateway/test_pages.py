"""Pages: a sign-in link works once, a session ends, and the dashboard shows what there is to see."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from chassis.settings import PublicAddress
from contracts.gateway.sign_in import CreateSignInLink
from contracts.message import ProblemCode, ProblemError
from gateway import newest
from gateway.newest import Newest, Watching
from gateway.seats import Seats
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

HTML = {"Accept": "text/html"}


@pytest.fixture
async def browser(gateway: Gateway, anyone: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is signed in to anyone's tenant."""
    async with gateway.client() as client:
        client.headers.update(HTML)
        await gateway.sign_in(client, anyone.name)
        yield client


async def test_a_sign_in_link_is_offered_as_often_as_it_is_opened_and_used_once(
    gateway: Gateway, acme: Tenancy
) -> None:
    link = await gateway.platform.caller.ask(acme.name, CreateSignInLink())
    async with gateway.client() as first, gateway.client() as second:
        for _ in range(2):
            offered = await first.get(link.path, headers=HTML)
            assert offered.status_code == 200 and '<form method="post">' in offered.text
        assert not first.cookies
        used = await first.post(link.path)
        assert (used.status_code, used.headers["location"]) == (303, f"/t/{acme.name}")
        assert (await first.get(f"/t/{acme.name}")).status_code == 200
        for again in (await second.post(link.path), await second.get(link.path)):
            assert again.status_code == 410 and not second.cookies


async def test_a_sign_in_link_expires_after_a_quarter_of_an_hour(gateway: Gateway, acme: Tenancy) -> None:
    link = await gateway.platform.caller.ask(acme.name, CreateSignInLink())
    async with gateway.platform.sql() as sql, gateway.client() as client:
        left = await sql.fetchval("select expires_at - now() from gateway.sign_in_link where tenant_id = $1", acme.name)
        assert 14 * 60 < left.total_seconds() <= 15 * 60
        await sql.execute(
            "update gateway.sign_in_link set expires_at = now() - interval '1 ms' where tenant_id = $1", acme.name
        )
        assert [(await client.request(method, link.path)).status_code for method in ("GET", "POST")] == [410, 410]


@pytest.mark.parametrize("token", ["x", "x.y", "...", "UPPER.y", "a" * 64 + ".y", "{t}.", "{t}.y"])
async def test_a_made_up_sign_in_link_is_gone_like_a_used_one(gateway: Gateway, anyone: Tenancy, token: str) -> None:
    async with gateway.client() as client:
        for method in ("GET", "POST"):
            response = await client.request(method, f"/sign-in/{token.replace('{t}', anyone.name)}", headers=HTML)
            assert response.status_code == 410 and "no longer works" in response.text


async def test_a_session_is_a_cookie_no_script_reads_and_ends_after_twelve_hours(
    gateway: Gateway, acme: Tenancy
) -> None:
    async with gateway.client() as client:
        response = await gateway.sign_in(client, acme.name)
        cookie = response.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert (await client.get(acme.path("/campaigns"))).status_code == 200, "a session opens the API as well"
        async with gateway.platform.sql() as sql:
            rows = await sql.fetch("select * from gateway.session where tenant_id = $1", acme.name)
            assert client.cookies[f"leadloop_session_{acme.name}"] not in repr(rows)
            await sql.execute(
                "update gateway.session set expires_at = expires_at - interval '12 h' where tenant_id = $1", acme.name
            )
        page = await client.get(f"/t/{acme.name}", headers=HTML)
        assert page.status_code == 401 and "not signed in" in page.text
        fragment = await client.get(f"/t/{acme.name}/win-rates", headers={"HX-Request": "true"})
        assert (fragment.status_code, fragment.headers["hx-refresh"]) == (401, "true")


@pytest.mark.parametrize("by_setting", [False, True], ids=["as the proxy says", "as the operator says"])
async def test_behind_https_a_cookie_is_this_hosts_alone_and_browsers_come_over_tls_only(
    gateway: Gateway, anyone: Tenancy, request: pytest.FixtureRequest, by_setting: bool
) -> None:
    request.addfinalizer(partial(setattr, gateway.app.state, "https", gateway.app.state.https))
    gateway.app.state.https = by_setting
    told = {} if by_setting else {"X-Forwarded-Proto": "https"}
    link = await gateway.platform.caller.ask(anyone.name, CreateSignInLink())
    async with gateway.client() as client:
        response = await client.post(link.path, headers=told)
        name, _, rest = response.headers["set-cookie"].partition("=")
        secret, *attributes = rest.split("; ")
        assert name == f"__Host-leadloop_session_{anyone.name}"
        assert {"Secure", "Path=/", "HttpOnly", "SameSite=lax"} <= set(attributes) and "omain=" not in rest
        assert response.headers["strict-transport-security"] == "max-age=31536000"
        client.cookies.clear()
        mine = await client.get(anyone.path("/me"), headers=told | {"Cookie": f"{name}={secret}"})
        assert mine.status_code == 200 and "strict-transport-security" in mine.headers
        planted = {"Cookie": f"leadloop_session_{anyone.name}={secret}"}
        assert (await client.get(anyone.path("/me"), headers=told | planted)).status_code == 401, "anybody can set that"
        out = await client.post(f"/t/{anyone.name}/sign-out", headers=told | {"Cookie": f"{name}={secret}"})
        assert out.headers["set-cookie"].startswith(f'{name}=""; ') and "Secure" in out.headers["set-cookie"]


async def test_on_plain_http_there_is_neither(gateway: Gateway, browser: httpx.AsyncClient, anyone: Tenancy) -> None:
    assert [cookie.name for cookie in browser.cookies.jar] == [f"leadloop_session_{anyone.name}"]
    assert "strict-transport-security" not in (await browser.get(f"/t/{anyone.name}")).headers


def test_the_operator_says_by_an_address_that_browsers_come_over_tls() -> None:
    assert PublicAddress(public_url=" https://leads.example.com").is_https
    assert not PublicAddress(public_url="").is_https and not PublicAddress(public_url="http://leads.local").is_https


async def test_who_is_signed_in_finds_the_way_back_from_the_front_page(
    browser: httpx.AsyncClient, anyone: Tenancy
) -> None:
    browser.cookies.set("leadloop_session_<script>", "x")
    page = (await browser.get("/")).text
    assert f'href="/t/{anyone.name}"' in page and "<script>" not in page


async def test_signing_out_ends_the_session_on_the_server(browser: httpx.AsyncClient, anyone: Tenancy) -> None:
    cookies = dict(browser.cookies)
    assert (await browser.post(f"/t/{anyone.name}/sign-out")).status_code == 303
    assert not browser.cookies
    browser.cookies.update(cookies)
    assert (await browser.get(f"/t/{anyone.name}")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://["},
    ],
)
async def test_a_page_of_another_origin_can_do_nothing_with_the_session(
    gateway: Gateway, browser: httpx.AsyncClient, anyone: Tenancy, headers: dict[str, str]
) -> None:
    lead = {"source_system": "crm", "source_id": "L-1", "full_name": "Ada Example"}
    assert (await browser.post(f"/t/{anyone.name}/sign-out", headers=headers)).status_code == 403
    assert (await browser.post(anyone.path("/leads"), json=lead, headers=headers)).status_code == 403
    link = await gateway.platform.caller.ask(anyone.name, CreateSignInLink())
    assert (await browser.post(link.path, headers=headers)).status_code == 403
    own = {"Origin": gateway.url, "Sec-Fetch-Site": "same-origin"}
    assert (await browser.post(anyone.path("/leads"), json=lead, headers=own)).is_success


async def test_every_page_says_that_scripts_and_styles_come_from_here_only(
    gateway: Gateway, browser: httpx.AsyncClient, anyone: Tenancy
) -> None:
    link = await gateway.platform.caller.ask(anyone.name, CreateSignInLink())
    pages = [
        "/",
        link.path,
        "/sign-in/none",
        f"/u/{anyone.name}/{anyone.key_id}/{'0' * 64}",
        f"/u/{anyone.name}/none/none",
        f"/t/{anyone.name}",
        f"/t/{anyone.name}?live=false",
        f"/t/{anyone.name}/win-rates",
        f"/t/{anyone.name}/numbers/campaigns_running",
        f"/t/{anyone.name}/nothing",
        f"/t/{anyone.name}/outcomes/bulk",
        f"/t/{anyone.name}/outcomes/bulk?tiers=A",
        f"/t/{anyone.name}/outcomes/missing",
        f"/t/{anyone.name}/inbox",
        f"/t/{anyone.name}/tasks",
        f"/t/{anyone.name}/settings/users",
        f"/t/{anyone.name}/settings/keys",
        f"/t/{anyone.name}/account",
        "/sign-in",
    ]
    for path in pages:
        response = await browser.get(path)
        assert response.headers["content-type"].startswith("text/html"), path
        policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", response.text), path
        assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", response.text), path
    for asset in ("leadloop.css", "mark.svg", "htmx.min.js", "live.js", "regions.js"):
        kept = await browser.get(f"/static/{asset}")
        assert kept.status_code == 200 and kept.headers["cache-control"] == "no-cache"
        again = await browser.get(f"/static/{asset}", headers={"If-None-Match": kept.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), "or each page has all of it come again"


async def test_the_dashboard_shows_win_rates_alerts_and_what_happens(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    await gateway.sign_in(browser, acme.name)
    await gateway.neglected_lead(acme)

    async def too_few() -> bool:
        text = (await browser.get(f"/t/{acme.name}")).text
        return "No group has 5 leads decided" in text and "minimum=0" in text

    for n in range(5):
        lead = {
            "source_system": "crm",
            "source_id": f"L-{n}",
            "full_name": "Zebedee Quark",
            "source": "Web",
            "geo": "Bonn",
        }
        lead_id = (await acme.client.post(acme.path("/leads"), json=lead)).json()["lead_id"]
        outcomes = {"lead": {"lead_id": lead_id}, "outcomes": [{"type": "closed_won"}]}
        assert (await acme.client.post(acme.path("/outcomes"), json=outcomes)).status_code == 201
        if n == 0:
            await until(too_few, what="the first outcome, of which there is no rate to judge by")

    async def shown() -> str:
        text = (await browser.get(f"/t/{acme.name}")).text
        return text if "Outcome recorded" in text and "100.0 %" in text else ""

    page = await until(shown, what="the outcome's arrival on the dashboard")
    assert "web" in page and "the current week is partial" in page and "1 open" in page
    assert "bonn" in (await browser.get(f"/t/{acme.name}?by=geo")).text
    assert not re.search("zebedee|quark", page, re.IGNORECASE)
    dismiss = re.search(r'action="(/t/[^"]+/dismiss)"', page)
    assert dismiss and (await browser.post(dismiss[1])).status_code == 303
    assert "Nothing needs you" in (await browser.get(f"/t/{acme.name}")).text


@asynccontextmanager
async def looking(browser: httpx.AsyncClient, tenant: str, **options: Any) -> AsyncIterator[AsyncIterator[str]]:
    """The lines that a window on a tenant's overview is told, while it is open."""
    async with browser.stream("GET", f"/t/{tenant}/live", **options) as response:
        assert response.status_code == 200 and response.headers["content-type"].startswith("text/event-stream")
        yield response.aiter_lines()


async def next_list(lines: AsyncIterator[str]) -> tuple[str, str]:
    """The next list that is told, with what it is known by."""
    mark = ""
    async with asyncio.timeout(15):
        async for line in lines:
            if line.startswith("id: "):
                mark = line.removeprefix("id: ")
            elif line.startswith("data: <ol"):
                return mark, "\n".join([line async for line in _until_empty(lines)])
    raise AssertionError("the stream ended")


async def _until_empty(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        if not line:
            return
        yield line


async def test_whoever_has_the_overview_open_is_told_what_happens_once_and_is_not_told_what_they_have_seen(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    await gateway.sign_in(browser, acme.name)
    async with looking(browser, acme.name) as first:
        shown = ""
        while "User signed in" not in shown:
            mark, shown = await next_list(first)
        async with looking(browser, acme.name, headers={"Last-Event-ID": mark}) as second:
            lead = {"source_system": "crm", "source_id": "L-1", "full_name": "Zebedee Quark"}
            assert (await acme.client.post(acme.path("/leads"), json=lead)).status_code == 201
            told = [await next_list(lines) for lines in (first, second)]
    assert told[0] == told[1] and told[0][0] != mark
    assert "Lead accepted" in told[0][1] and "Quark" not in told[0][1]


async def test_what_is_told_is_looked_for_once_however_many_have_it_open_and_not_when_nobody_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(newest, "_LOOKED_EVERY_SECONDS", 0.0)
    looks = 0

    async def look(tenant: str, mark: str) -> Newest | None:
        nonlocal looks
        looks += 1
        if looks % 2:
            raise ProblemError(ProblemCode.UNAVAILABLE, "away for a moment")
        return Newest(str(looks), tenant)

    watching = Watching(look)
    windows = [watching.follow("acme", "", 5.0) for _ in range(100)]
    found = [await anext(window) for window in windows]
    assert looks <= 4 and {each.written for each in found if each} == {"acme"}
    for window in windows:
        await window.aclose()
    stopped = looks
    for _ in range(10):
        await asyncio.sleep(0)
    assert looks == stopped


def test_one_user_keeps_only_so_many_windows_open() -> None:
    seats = Seats(3, 2, "too many")
    with ExitStack() as windows:
        for _ in range(2):
            windows.enter_context(seats.taken("user:1"))
        with pytest.raises(ProblemError, match="too many"), seats.taken("user:1"):
            pass
        with seats.taken("user:2"), pytest.raises(ProblemError), seats.taken("user:3"):
            pass
        with seats.taken("user:3"):
            pass
    assert not seats._taken


async def test_a_window_for_which_there_is_no_place_is_refused(
    gateway: Gateway, browser: httpx.AsyncClient, anyone: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.app.state.watching.windows, "most", 0)
    assert (await browser.get(f"/t/{anyone.name}/live")).status_code == 503


async def test_live_activity_can_be_paused(browser: httpx.AsyncClient, anyone: Tenancy) -> None:
    assert "data-live=" in (await browser.get(f"/t/{anyone.name}")).text
    paused = (await browser.get(f"/t/{anyone.name}?live=false")).text
    assert "data-live=" not in paused and "Resume" in paused
