"""The whole installation behind a gateway that listens on a port, as a client meets it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Message

from contracts.catalogue import SERVICES
from contracts.gateway import CreateTenant, NewTenantSettings
from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey
from contracts.gateway.sign_in import CreateSignInLink
from contracts.gateway.users import CreateUser
from contracts.message import ProblemError
from contracts.operations import GetTenant, RunJob
from contracts.outcomes import MissingOutcomes
from contracts.taxonomy import Role
from gateway.app import application
from gateway.gate import each, needs_of
from gateway.limits import RateSettings
from tests.platform import Platform
from tests.waiting import until

UNHURRIED = RateSettings(**dict.fromkeys(RateSettings.model_fields, 1_000_000))
"""Nobody is told to wait who tests something else."""


@dataclass
class Gateway:
    """A running gateway: its application, and where it listens."""

    app: FastAPI
    url: str
    platform: Platform

    def client(self, secret: str | None = None, **options: object) -> httpx.AsyncClient:
        """A client of its own, with an API key if there is one, and no cookies yet."""
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        # It meets no certificate, and to read those that would be believed takes longer than most requests.
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20, verify=False, **options)  # type: ignore[arg-type]

    async def registered(self, name: str, settings: NewTenantSettings | None = None) -> None:
        """A tenant that every service knows, and in which there is nothing."""
        await self.platform.caller.ask(name, CreateTenant(settings=settings or NewTenantSettings()))

        async def known() -> bool:
            try:
                for service in SERVICES:
                    await self.platform.caller.ask(name, GetTenant(), of=service)
            except ProblemError:
                return False
            return True

        await until(known, what=f"every service's copy of {name}")

    async def tenant(self, name: str, settings: NewTenantSettings | None = None) -> "Tenancy":
        """A tenant that every service knows, with an API key."""
        await self.registered(name, settings)
        key = await self.platform.caller.ask(name, CreateApiKey(scopes=frozenset(Scope)))
        return Tenancy(name, key.key_id, key.secret, self.client(key.secret))

    async def neglected_lead(self, tenancy: "Tenancy") -> str:
        """A lead that should long have an outcome, and the alert about it; its id."""
        lead = {
            "source_system": "crm", "source_id": "neglected", "full_name": "Ada Example", "tier": "A",
            "timeline": "0-30", "created_at": "2026-01-05T12:00:00Z",
        }  # fmt: skip
        lead_id: str = (await tenancy.client.post(tenancy.path("/leads"), json=lead)).json()["lead_id"]

        async def missed() -> bool:
            missing = await self.platform.caller.ask(tenancy.name, MissingOutcomes())
            return missing.count == 1

        await until(missed, what="the lead's arrival at outcomes")
        run = await self.platform.caller.ask(tenancy.name, RunJob(job="missing_outcomes"), of="notifier")
        assert run.state == "succeeded"
        return lead_id

    async def sign_in(self, browser: httpx.AsyncClient, tenant: str, user_id: UUID | None = None) -> httpx.Response:
        """Sign a browser in as a user, or the first admin, with a link of its own; the response that began the session."""
        link = await self.platform.caller.ask(tenant, CreateSignInLink(user_id=user_id))
        response = await browser.post(link.path)
        assert response.status_code == 303, response.text
        return response

    async def user(self, tenant: str, role: Role = Role.AGENT, **more: object) -> UUID:
        """A user of a tenant; their id."""
        return (await self.platform.caller.ask(tenant, CreateUser(role=role, **more))).user_id  # type: ignore[arg-type]


@dataclass
class Tenancy:
    """A tenant and a client that shows its key."""

    name: str
    key_id: UUID
    secret: str
    client: httpx.AsyncClient

    def path(self, rest: str) -> str:
        return f"/api/t/{self.name}{rest}"


@pytest.fixture(scope="package")
async def gateway(platform: Platform) -> AsyncIterator[Gateway]:
    app = application(platform.build("gateway"), UNHURRIED)
    others = [service for service in SERVICES if service != "gateway"]
    async with platform.running(*others, gateway=True), listening(app) as url:
        yield Gateway(app, url, platform)


@pytest.fixture
async def acme(gateway: Gateway, tenant: str) -> AsyncIterator[Tenancy]:
    """A tenant of the test's own."""
    made = await gateway.tenant(tenant)
    async with made.client:
        yield made


@pytest.fixture(scope="package")
async def anyone(gateway: Gateway) -> AsyncIterator[Tenancy]:
    """A tenant for what changes nothing."""
    made = await gateway.tenant("anyone")
    async with made.client:
        yield made


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """The application served over HTTP in this process; its address."""
    with socket.socket(
        proto=socket.IPPROTO_TCP
    ) as listener:  # asyncio sets TCP_NODELAY only where it sees the protocol
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))

        async def started() -> bool:
            return server.started or serving.done()

        await until(started, what="the gateway's start")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path of the application, mounted ones with a path of their own."""
    for route, method in each(app.routes):
        yield method, str(route.path)


def behind_the_gate(app: FastAPI) -> list[tuple[str, str]]:
    """Every route of a tenant."""
    return [(method, path) for method, path in routes(app) if path.startswith(("/api/t/{tenant}", "/t/{tenant}"))]


def each_page(app: FastAPI, parameters: Mapping[str, str]) -> list[str]:
    """The address of every page of a tenant, its parameters filled in by name, or by name with what stands before it: `api/name`.

    Streams and files are no pages.

    Raises:
        KeyError: it is not said what a page's parameter stands for.
    """
    paths = [path for method, path in behind_the_gate(app) if method == "GET" and path.startswith("/t/")]
    return [filled_in(path, parameters) for path in paths if not path.endswith(("/live", "/errors", ".csv"))]


def filled_in(path: str, parameters: Mapping[str, str]) -> str:
    """A route's path with each parameter by its name."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if part.startswith("{"):
            name = part.strip("{}")
            parts[number] = parameters.get(f"{parts[number - 1]}/{name}") or parameters[name]
    return "/".join(parts)


def needed(app: FastAPI) -> dict[tuple[str, str], list[Scope]]:
    """What each of them needs."""
    return {(method, str(route.path)): needs_of(route, method) for route, method in each(app.routes)}


async def answers(
    client: httpx.AsyncClient,
    gateway: Gateway,
    tenant: str,
    which: Callable[[str, str], bool] = lambda method, path: True,
) -> dict[tuple[str, str], int]:
    """The status of every route of a tenant, or some, as this client meets it.

    They are asked of the application itself: there are hundreds, and a connection takes longer than most of the answers.
    """
    which_are = [route for route in behind_the_gate(gateway.app) if which(*route)]
    return {
        (method, path): await _status(gateway.app, client.build_request(method, filled(path, tenant)))
        for method, path in which_are
    }


async def _status(app: FastAPI, request: httpx.Request) -> int:
    """Of the answer to a request whose sender has gone by then, so that a stream ends."""
    answered: list[Message] = []
    sent = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        return next(sent, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method, "scheme": request.url.scheme,
        "path": request.url.path, "raw_path": request.url.raw_path, "query_string": request.url.query, "state": {},
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1), "server": (request.url.host, request.url.port),
    }  # fmt: skip
    await app(scope, receive, send)
    status: int = answered[0]["status"]
    return status


def filled(path: str, tenant: str) -> str:
    """A route's path with its parameters filled in."""
    nobody = "019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"
    return "/".join(
        tenant if part == "{tenant}" else nobody if part.startswith("{") else part for part in path.split("/")
    )
