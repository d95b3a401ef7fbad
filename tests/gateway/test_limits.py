"""How often one caller may ask each kind of endpoint, and that every route is of one."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from chassis.limits.counters import LocalCounters
from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey
from contracts.message import Request as Ask
from gateway.gate import each, is_public
from gateway.identity.attempts import PER_ACCOUNT
from gateway.limits import Kind, Rates, RateSettings, UnlimitedRouteError, kind_of, must_be_limited
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem

NOBODY = "019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"


@contextmanager
def counting(gateway: Gateway, rates: Rates) -> Iterator[None]:
    """The gateway counts here meanwhile."""
    before, gateway.app.state.rates = gateway.app.state.rates, rates
    try:
        yield
    finally:
        gateway.app.state.rates = before


@pytest.fixture
def usual(gateway: Gateway) -> Iterator[RateSettings]:
    """The limits as they are if nobody says anything else."""
    settings = RateSettings()
    with counting(gateway, Rates(LocalCounters(lambda: 0.0), settings)):
        yield settings


def test_the_usual_limits_are_those_of_the_sprint_plan() -> None:
    usual = RateSettings()
    assert (usual.discovery, usual.scoring, usual.outreach, usual.superadmin, PER_ACCOUNT) == (10, 30, 20, 100, 5)
    assert {kind.value for kind in Kind} == RateSettings.model_fields.keys()


def test_the_environment_says_other_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLOOP_RATE_DISCOVERY", "7")
    assert RateSettings().of(Kind.DISCOVERY) == 7


def test_an_application_with_a_route_that_does_not_say_of_which_kind_it_is_cannot_be_built() -> None:
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter()
    router.add_api_route("/new", lambda: None, methods=["GET"])
    app.include_router(router, prefix="/api/t/{tenant}")
    with pytest.raises(UnlimitedRouteError, match=re.escape("/api/t/{tenant}/new")):
        must_be_limited(app.routes)


def test_what_the_plan_names_is_of_the_kind_it_names(gateway: Gateway) -> None:
    kinds = {
        (method, str(route.path)): kind_of(route, method)
        for route, method in each(gateway.app.routes)
        if not is_public(str(route.path))
    }
    assert kinds["POST", "/api/t/{tenant}/enrichment/runs"] is Kind.DISCOVERY
    for counted in ("win-rates", "win-rates/weekly", "win-rates/trend", "dashboard/stats"):
        assert kinds["GET", f"/api/t/{{tenant}}/{counted}"] is Kind.SCORING
    for decides in ("campaigns", "accounts", "templates", "messages/{message_id}/skip"):
        assert kinds["POST", f"/api/t/{{tenant}}/{decides}"] is Kind.OUTREACH
    for comes_back in ("messages/{message_id}/replies", "messages/{message_id}/delivery", "mails", "suppressions"):
        assert kinds["POST", f"/api/t/{{tenant}}/{comes_back}"] is Kind.INCOMING
    assert {kind for (_, path), kind in kinds.items() if path.startswith("/superadmin")} == {Kind.SUPERADMIN}
    uploads = ("PUT", "/api/t/{tenant}/imports/{run_id}/file"), ("POST", "/t/{tenant}/imports")
    assert [kinds.pop(upload) for upload in uploads] == [Kind.UPLOADING] * 2
    assert kinds.pop(("GET", "/t/{tenant}/operations/validation")) is Kind.OPERATIONS, "it reads every event"
    reading = {kind for (method, path), kind in kinds.items() if method == "GET" and path.startswith("/t/")}
    assert reading == {Kind.PAGES, Kind.SCORING}


def asked_by(endpoint: Any, seen: frozenset[Any] = frozenset()) -> set[type]:
    """The requests that an endpoint names, or a function of its module that it calls."""
    found: set[type] = set()
    for name in _names(endpoint.__code__):
        named = endpoint.__globals__.get(name)
        if isinstance(named, type) and issubclass(named, Ask):
            found.add(named)
        elif isinstance(named, FunctionType) and named.__module__ == endpoint.__module__ and named not in seen:
            found |= asked_by(named, seen | {endpoint})
    return found


def _names(code: CodeType) -> set[str]:
    """What a function names, and what those name that it defines."""
    return set(code.co_names).union(*(_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def test_what_is_done_on_a_page_counts_with_the_same_done_through_the_api(gateway: Gateway) -> None:
    by_api: dict[type, set[tuple[bool, Kind | None]]] = {}
    by_page: list[tuple[str, str, Kind | None, set[type]]] = []
    for route, method in each(gateway.app.routes):
        path, endpoint = str(route.path), getattr(route.original_route, "endpoint", None)
        if is_public(path) or not isinstance(endpoint, FunctionType) or path.startswith("/superadmin"):
            continue
        kind = kind_of(route, method)
        if path.startswith("/t/"):
            by_page.append((method, path, kind, asked_by(endpoint)))
            continue
        parameters = {hint for hint in endpoint.__annotations__.values() if isinstance(hint, type)}
        for asked in asked_by(endpoint) | {hint for hint in parameters if issubclass(hint, Ask)}:
            by_api.setdefault(asked, set()).add((method != "GET", kind))
    compared, wrong = set(), []
    for method, path, kind, all_asked in by_page:
        if path == "/t/{tenant}/numbers/{kpi}" or method == "POST":
            own = {
                (asked, next(iter(kinds))[1])
                for asked in all_asked
                if len(kinds := by_api.get(asked, set())) == 1 and next(iter(kinds))[0] == (method == "POST")
            }
            compared |= {asked for asked, _ in own}
            if own and kind is not Kind.UPLOADING and kind not in {of_api for _, of_api in own}:
                wrong.append((path, kind, {asked.__name__: of_api for asked, of_api in own}))
    assert not wrong
    assert len(compared) > 30, "most of what is done on pages is there in the API, too"


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        (Kind.DISCOVERY, "POST", "/enrichment/runs"),
        (Kind.SCORING, "GET", "/dashboard/events"),
        (Kind.OUTREACH, "POST", f"/campaigns/{NOBODY}/pause"),
    ],
)
async def test_a_caller_is_told_to_wait_after_as_many_requests_as_their_kind_allows(
    gateway: Gateway, acme: Tenancy, usual: RateSettings, kind: Kind, method: str, path: str
) -> None:
    limit = usual.of(kind)
    for asked in range(1, limit + 1):
        answer = await acme.client.request(method, acme.path(path))
        assert answer.status_code in (400, 404), answer.text
        assert answer.headers["ratelimit-policy"] == f'"{kind}";q={limit};w=60'
        assert answer.headers["ratelimit"].startswith(f'"{kind}";r={limit - asked};t='), "refused or not, it tells"
    refused = await acme.client.request(method, acme.path(path))
    problem = assert_problem(refused, 429)
    wait = int(refused.headers["retry-after"])
    assert 0 < wait <= 120 and refused.headers["ratelimit"] == f'"{kind}";r=0;t={wait}'
    assert problem["allowance"] == {"limit": limit, "window_seconds": 60, "remaining": 0, "reset_seconds": wait}
    assert (await acme.client.get(acme.path("/campaigns"))).status_code == 200, "other kinds go on"
    made = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=frozenset(Scope)))
    async with gateway.client(made.secret) as colleague:
        assert (await colleague.request(method, acme.path(path))).status_code in (400, 404), "and so do other callers"


async def test_of_many_requests_at_once_as_many_pass_as_are_allowed(acme: Tenancy, usual: RateSettings) -> None:
    async def ask() -> int:
        return (await acme.client.post(acme.path("/enrichment/runs"))).status_code

    statuses = await asyncio.gather(*(ask() for _ in range(25)))
    assert sorted(statuses) == [400] * 10 + [429] * 15


async def test_superadmins_are_limited_as_well(gateway: Gateway) -> None:
    async with gateway.client() as browser:
        await gateway.sign_in(browser, "_")
        with counting(gateway, Rates(LocalCounters(lambda: 0.0), RateSettings(superadmin=2))):
            statuses = [(await browser.get("/superadmin/account")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_a_window_later_a_caller_may_ask_again(gateway: Gateway, acme: Tenancy) -> None:
    now = 0.0
    with counting(gateway, Rates(LocalCounters(lambda: now), RateSettings(discovery=1))):
        asked = [await acme.client.post(acme.path("/enrichment/runs")) for _ in range(2)]
        assert [answer.status_code for answer in asked] == [400, 429]
        now += int(asked[1].headers["retry-after"])
        assert (await acme.client.post(acme.path("/enrichment/runs"))).status_code == 400


async def test_pages_tell_what_is_left_too_and_what_needs_no_credential_is_not_counted(
    gateway: Gateway, acme: Tenancy
) -> None:
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name)
        page: httpx.Response = await browser.get(f"/t/{acme.name}/settings/keys")
        assert page.headers["ratelimit-policy"].startswith('"pages";')
        assert "ratelimit" not in (await browser.get("/healthz")).headers
