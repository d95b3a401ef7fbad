"""Who may pass: everything behind the gate needs credentials of the tenant in its path, except what is public by name.

A missing or wrong credential, a revoked key, another tenant's key and a tenant that does not exist are all answered with
the same 401, so that nobody learns which tenants there are.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends, Path
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.caller import Caller
from chassis.service import Service
from contracts.message import Envelope, ProblemCode, ProblemError, Reply, is_tenant
from contracts.message import Request as Ask
from contracts.values import Tenant
from gateway import credentials, store

PUBLIC: Final = frozenset({"/", "/healthz", "/readyz", "/metrics", "/openapi.json"})
PUBLIC_BELOW: Final = ("/static/", "/sign-in/", "/u/")
FROM_ANYWHERE: Final = "/u/"
"""What pages and programs of any origin may send to: its paths carry their own proof, and no cookie counts there (RFC 8058, 3.1)."""
_OF_TENANT: Final = re.compile(r"/(?:api/)?t/([^/]+)(?:/.*)?")
_COOKIE: Final = "leadloop_session_"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
R = TypeVar("R", bound=Reply)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was let in.

    Attributes:
        tenant: the only tenant they may see.
        actor: their id in records: ``key:<id>`` or ``session:<id>``.
        cause: their request, as the cause of the messages it leads to.
    """

    tenant: str
    actor: str
    cause: Envelope
    _caller: Caller = field(repr=False)

    async def ask(self, request: Ask[R], *, seconds: float = 5.0) -> R:
        """A service's reply to a request on their tenant's behalf.

        Raises:
            ProblemError: it was refused, or nobody answered in time.
        """
        return await self._caller.ask(self.tenant, request, seconds=seconds, cause=self.cause)


class Gate:
    """The middleware that lets in whoever shows a tenant's API key or session, and nobody else."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            connection = HTTPConnection(scope)
            path = scope["path"]
            own_proof = path.startswith(FROM_ANYWHERE)
            if scope["method"] not in _SAFE_METHODS and not own_proof and is_cross_origin(connection.headers):
                raise ProblemError(ProblemCode.FORBIDDEN, "this came from a page that is not ours; use our own pages")
            if path not in PUBLIC and not path.startswith(PUBLIC_BELOW):
                scope["state"]["principal"] = await self._admit(connection, path)
        await self._app(scope, receive, send)

    async def _admit(self, connection: HTTPConnection, path: str) -> Principal:
        of_tenant = _OF_TENANT.fullmatch(path)
        if of_tenant is None or not is_tenant(of_tenant[1]):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        tenant = of_tenant[1]
        actor = await self._actor(connection, tenant)
        if actor is None:
            raise _unauthenticated(connection)
        return Principal(tenant, actor, cause_of(connection, tenant), self._service.caller)

    async def _actor(self, connection: HTTPConnection, tenant: str) -> str | None:
        """Who shows valid credentials of the tenant; an API key, where there is one, and else a session."""
        authorization = connection.headers.get("authorization")
        if authorization is None:
            return await self._by_session(connection, tenant)
        scheme, _, presented = authorization.partition(" ")
        return await self._by_key(tenant, presented.strip()) if scheme.lower() == "bearer" else None

    async def _by_key(self, tenant: str, presented: str) -> str | None:
        key_id = credentials.key_id_of(presented)
        if key_id is None:
            return None
        async with self._service.database.begin(tenant) as uow:
            stored = await store.key_digest(uow, tenant, key_id)
        return f"key:{key_id}" if stored and credentials.matches(presented, stored) else None

    async def _by_session(self, connection: HTTPConnection, tenant: str) -> str | None:
        secret = connection.cookies.get(session_cookie(tenant))
        if not secret:
            return None
        async with self._service.database.begin(tenant) as uow:
            session_id = await store.session_id(uow, tenant, credentials.digest(secret))
        return f"session:{session_id}" if session_id else None


def cause_of(connection: HTTPConnection, tenant: str) -> Envelope:
    """An HTTP request, as the cause of the messages it leads to."""
    request_id = connection.state.request_id
    return Envelope(request_id, "gateway.http.request.v1", tenant, datetime.now(UTC), request_id)


def session_cookie(tenant: str) -> str:
    """The name of a tenant's session cookie; one each, so that a browser can be signed in to several."""
    return f"{_COOKIE}{tenant}"


def tenant_of_cookie(name: str) -> str | None:
    """The tenant whose session cookie has this name."""
    tenant = name.removeprefix(_COOKIE)
    return tenant if tenant != name and is_tenant(tenant) else None


def is_cross_origin(headers: Headers) -> bool:
    """Whether a browser sent this from a page of another origin: then its cookies must not count.

    The rule of Go's `net/http.CrossOriginProtection`: browsers say where a request comes from, in `Sec-Fetch-Site` or at
    least in `Origin`; what says neither is no browser, and has no cookies but its own. An API key is never sent by itself.
    """
    if "authorization" in headers:
        return False
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _unauthenticated(connection: HTTPConnection) -> HTTPException:
    headers = {"WWW-Authenticate": 'Bearer realm="leadloop"'}
    if "hx-request" in connection.headers:
        headers["HX-Refresh"] = "true"  # A page whose session has ended loads itself anew, and says so.
    return HTTPException(HTTPStatus.UNAUTHORIZED, "sign in, or send `Authorization: Bearer <API key>`", headers)


def _principal(request: Request, tenant: Annotated[Tenant, Path(description="The tenant's name.")]) -> Principal:
    principal: Principal = request.state.principal
    assert principal.tenant == tenant
    return principal


Admitted = Annotated[Principal, Depends(_principal)]
"""What a route behind the gate declares to get at who was let in."""
