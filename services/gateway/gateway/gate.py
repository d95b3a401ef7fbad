"""Who may pass, and what for.

Everything needs credentials of the tenant in its path, except what is public by name; and every route says what it needs of
whoever comes (`needs`), or the application cannot be built (`must_be_guarded`).

Who shows nothing, or what opens nothing any more, is answered 401. Who shows what is not this tenant's is answered 404, as for
a tenant that does not exist, so that nobody learns which tenants there are.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import Depends, Path
from fastapi.routing import RouteContext, iter_route_contexts
from sqlalchemy import RowMapping
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.caller import Caller
from chassis.service import Service
from contracts.gateway.access import RefusedFor
from contracts.gateway.access import Scope as Access
from contracts.intake.privacy import OnBehalfOf
from contracts.message import PLATFORM, Envelope, ProblemCode, ProblemError, Reply, is_tenant
from contracts.message import Request as Ask
from contracts.taxonomy import Role
from contracts.values import Tenant
from gateway import store
from gateway.identity import audit, credentials, store_sessions
from gateway.identity.domain_access import OF_ROLE, of_key
from gateway.identity.domain_session import IDLE, NOTED_EVERY, SAFE_METHODS, is_use
from gateway.identity.refusals import Refusals

PUBLIC: Final = frozenset({"/", "/sign-in", "/healthz", "/readyz", "/metrics", "/openapi.json"})
PUBLIC_BELOW: Final = ("/static/", "/sign-in/", "/u/", "/hooks/")
FROM_ANYWHERE: Final = ("/u/", "/hooks/")
"""What pages and programs of any origin may send to: its paths carry their own proof, and no cookie counts there (RFC 8058, 3.1; Standard Webhooks)."""
_OF_TENANT: Final = re.compile(r"/(?:api/)?t/([^/]+)(?:/.*)?")
_OF_PLATFORM: Final = re.compile(r"/superadmin(?:/.*)?")
_COOKIE: Final = "leadloop_session_"
_POLICY_VIOLATION: Final = 1008
_MOST_LOOKED_UP: Final = 5
"""How many sessions of other tenants are looked for: whoever shows more than a person has gets no more work done."""
R = TypeVar("R", bound=Reply)
Still = Callable[[], Awaitable[bool]]
"""Looks up whether what let somebody in lets them in now."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was let in.

    Attributes:
        tenant: the only tenant they may see; a superadmin sees one at a time.
        actor: their id in records: ``key:<id>`` or ``user:<id>``.
        allowed: what they may do.
        cause: their request, as the cause of the messages it leads to.
        still: whether what let them in does so now.
        role: a user's; none of an API key.
    """

    tenant: str
    actor: str
    allowed: frozenset[Access]
    cause: Envelope
    still: Still = field(repr=False)
    _caller: Caller = field(repr=False)
    role: Role | None = None
    user_id: UUID | None = None

    async def ask(self, request: Ask[R], *, of: str = "", seconds: float = 5.0) -> R:
        """A service's reply to a request on their tenant's behalf; `of` names the service where each has the request.

        Raises:
            ProblemError: it was refused, or nobody answered in time.
        """
        return await self._caller.ask(self.tenant, request, of=of, seconds=seconds, cause=self.cause)

    def on_behalf_of(self) -> OnBehalfOf:
        """Them, as intake wants to know for whom it shows what is personal.

        Raises:
            ProblemError: `forbidden`, it is an API key: what is personal is shown to people.
        """
        if self.role is None:
            raise ProblemError(ProblemCode.FORBIDDEN, "what is personal is shown to users who signed in, not to keys")
        return OnBehalfOf(user=self.actor, role=self.role)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route asks for: one thing of who reads, another of who changes something."""

    read: Access
    write: Access | None

    def of(self, method: str) -> Access | None:
        return self.read if method in SAFE_METHODS else self.write

    async def __call__(self, request: Request) -> None:
        principal: Principal = request.state.principal
        wanted = self.of(request.method)
        if wanted is None or wanted not in principal.allowed:
            refusals: Refusals = request.app.state.refusals
            await refusals.note(principal.cause, RefusedFor.SCOPE, principal.actor)
            whose = f"the role {principal.role}" if principal.role else "this API key"
            raise ProblemError(ProblemCode.FORBIDDEN, f"this needs `{wanted}`, which {whose} does not allow")


def needs(read: Access, write: Access | None = None) -> Any:
    """What every route of a router needs, among its dependencies; without `write` nothing of it changes anything."""
    return Depends(Needs(read, write))


class UnguardedRouteError(Exception):
    """A route does not say what it needs."""


def must_be_guarded(routes: Sequence[BaseRoute]) -> None:
    """Check that every route is public by name or says what it needs.

    Raises:
        UnguardedRouteError: at the first that does not.
    """
    for route, method in each(routes):
        if not (is_public(str(route.path)) or needs_of(route, method)):
            raise UnguardedRouteError(
                f"{method} {route.path} does not say what it needs: give its router `needs(...)`, see gateway/gate.py"
            )


def each(routes: Sequence[BaseRoute]) -> Iterator[tuple[RouteContext, str]]:
    """Every route with each of its methods; what is mounted has GET."""
    for route in iter_route_contexts(routes):
        for method in sorted(route.methods or {"GET"}):
            yield route, method


def needs_of(route: RouteContext, method: str) -> list[Access]:
    """All that a route needs of who comes with this method; nothing where it does not say."""
    dependant = getattr(route, "dependant", None)
    asked = [] if dependant is None else [found.call for found in dependant.dependencies]
    wanted = [guard.of(method) for guard in asked if isinstance(guard, Needs)]
    return [] if None in wanted else [scope for scope in wanted if scope]


def is_public(path: str) -> bool:
    """Whether a path needs no credentials."""
    return path in PUBLIC or f"{path}/".startswith(PUBLIC_BELOW)


class Gate:
    """The middleware that lets in whoever shows a tenant's API key or session, or a superadmin's, and nobody else."""

    def __init__(self, app: ASGIApp, service: Service, refusals: Refusals) -> None:
        self._app = app
        self._service = service
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        if scope["type"] == "http":
            connection = HTTPConnection(scope)
            path = scope["path"]
            own_proof = path.startswith(FROM_ANYWHERE)
            if scope["method"] not in SAFE_METHODS and not own_proof and is_cross_origin(connection.headers):
                raise ProblemError(ProblemCode.FORBIDDEN, "this came from a page that is not ours; use our own pages")
            if path not in PUBLIC and not path.startswith(PUBLIC_BELOW):
                scope["state"]["principal"] = await self._admit(connection, path)
        await self._app(scope, receive, send)

    async def _admit(self, connection: HTTPConnection, path: str) -> Principal:
        tenant = PLATFORM if _OF_PLATFORM.fullmatch(path) else None
        if tenant is None:
            of_tenant = _OF_TENANT.fullmatch(path)
            if of_tenant is None or not is_tenant(of_tenant[1]):
                raise HTTPException(HTTPStatus.NOT_FOUND)
            tenant = of_tenant[1]
        cause = cause_of(connection, tenant)
        if (authorization := connection.headers.get("authorization")) is not None:
            return await self._by_key(connection, cause, authorization)
        return await self._by_session(connection, cause)

    async def _by_key(self, connection: HTTPConnection, cause: Envelope, authorization: str) -> Principal:
        scheme, _, presented = authorization.partition(" ")
        presented = presented.strip()
        key_id = credentials.key_id_of(presented) if scheme.lower() == "bearer" else None
        if key_id is None:
            raise _unauthenticated(connection)
        key = await self._key(cause.tenant, key_id)
        if key is None:
            await self._refusals.note(cause, RefusedFor.CREDENTIAL)
            raise HTTPException(HTTPStatus.NOT_FOUND)
        if not (credentials.matches(presented, key["digest"]) and key["valid"]):
            await self._refusals.note(cause, RefusedFor.CREDENTIAL, audit.key(key_id))
            raise _unauthenticated(connection)
        still = partial(self._key_opens, cause.tenant, key_id)
        return Principal(cause.tenant, audit.key(key_id), of_key(key["scopes"]), cause, still, self._service.caller)

    async def _key(self, tenant: str, key_id: UUID) -> RowMapping | None:
        async with self._service.database.begin(tenant) as uow:
            return await store_sessions.key(uow, tenant, key_id)

    async def _key_opens(self, tenant: str, key_id: UUID) -> bool:
        key = await self._key(tenant, key_id)
        return key is not None and key["valid"]

    async def _session_lasts(self, tenant: str, digest: bytes) -> bool:
        """Whether a session has not ended, which it also does when what its user may do changes."""
        async with self._service.database.begin(tenant) as uow:
            return await store_sessions.session(uow, tenant, digest, IDLE) is not None

    async def _by_session(self, connection: HTTPConnection, cause: Envelope) -> Principal:
        for tenant in dict.fromkeys((cause.tenant, PLATFORM)):
            if not (secret := connection.cookies.get(session_cookie(connection, tenant))):
                continue
            digest = credentials.digest(secret)
            async with self._service.database.begin(tenant) as uow:
                session = await store_sessions.session(uow, tenant, digest, IDLE)
                if session is None:
                    continue
                used = is_use(connection.scope["method"], connection.headers)
                if used and session["now"] - session["used_at"] >= NOTED_EVERY:
                    await store_sessions.note_use(uow, tenant, digest)
                if cause.tenant not in (tenant, PLATFORM) and await store.registered_tenant(uow, cause.tenant) is None:
                    raise HTTPException(HTTPStatus.NOT_FOUND)
            role, still = Role(session["role"]), partial(self._session_lasts, tenant, digest)
            return Principal(
                cause.tenant, audit.user(session["user_id"]), OF_ROLE[role], cause, still, self._service.caller,
                role=role, user_id=session["user_id"] if tenant == cause.tenant else None,
            )  # fmt: skip
        shown = set(connection.cookies)
        own = {session_cookie(connection, tenant) for tenant in (cause.tenant, PLATFORM)}
        if shown.isdisjoint(own) and any(name.startswith(cookie_name(connection, _COOKIE)) for name in shown):
            # A window that is left open goes on asking once its session is over; that is nobody who tries anything.
            if is_use(connection.scope["method"], connection.headers):
                await self._note_elsewhere(connection)
            raise HTTPException(HTTPStatus.NOT_FOUND, headers=_anew(connection))
        raise _unauthenticated(connection)

    async def _note_elsewhere(self, connection: HTTPConnection) -> None:
        """Count the refusal of somebody who is signed in to another tenant, with that one: the tenant of the address is not told, so
        that nobody learns from what follows whether there is one."""
        shown = [(tenant_of_cookie(connection, name), secret) for name, secret in connection.cookies.items()]
        for tenant, secret in shown[:_MOST_LOOKED_UP]:
            if tenant is None:
                continue
            async with self._service.database.begin(tenant) as uow:
                session = await store_sessions.session(uow, tenant, credentials.digest(secret), IDLE)
            if session is not None:
                cause, actor = cause_of(connection, tenant), audit.user(session["user_id"])
                await self._refusals.note(cause, RefusedFor.SCOPE, actor, elsewhere=True)


def cause_of(connection: HTTPConnection, tenant: str) -> Envelope:
    """An HTTP request, as the cause of the messages it leads to."""
    request_id = connection.state.request_id
    return Envelope(request_id, "gateway.http.request.v1", tenant, datetime.now(UTC), request_id)


def is_https(connection: HTTPConnection) -> bool:
    """Whether browsers reach us over TLS: as the operator says (`LEADLOOP_PUBLIC_URL`), or as this one came."""
    return connection.app.state.https or connection.url.scheme == "https"


def cookie_name(connection: HTTPConnection, name: str) -> str:
    """What a cookie of ours is called. Over TLS a browser takes it from this host alone, and from no neighbour's or forged answer, by its name.

    The prefix asks for `Secure`, for the path `/` and for no domain (RFC 6265bis, 4.1.3.2).
    """
    return f"__Host-{name}" if is_https(connection) else name


def session_cookie(connection: HTTPConnection, tenant: str) -> str:
    """The name of a tenant's session cookie; one each, so that a browser can be signed in to several."""
    return cookie_name(connection, f"{_COOKIE}{tenant}")


def tenant_of_cookie(connection: HTTPConnection, name: str) -> str | None:
    """The tenant whose session cookie has this name."""
    tenant = name.removeprefix(cookie_name(connection, _COOKIE))
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
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _unauthenticated(connection: HTTPConnection) -> HTTPException:
    headers = {"WWW-Authenticate": 'Bearer realm="leadloop"', **_anew(connection)}
    return HTTPException(HTTPStatus.UNAUTHORIZED, "sign in, or send `Authorization: Bearer <API key>`", headers)


def _anew(connection: HTTPConnection) -> dict[str, str]:
    """What has a page whose session has ended load itself anew, and say so, where it would ask again and again."""
    return {"HX-Refresh": "true"} if "hx-request" in connection.headers else {}


def _principal(request: Request, tenant: Annotated[Tenant, Path(description="The tenant's name.")]) -> Principal:
    principal: Principal = request.state.principal
    assert principal.tenant == tenant
    return principal


Admitted = Annotated[Principal, Depends(_principal)]
"""What a route behind the gate declares to get at who was let in."""


def _superadmin(request: Request) -> Principal:
    principal: Principal = request.state.principal
    assert principal.tenant == PLATFORM
    return principal


Superadmin = Annotated[Principal, Depends(_superadmin)]
"""The same for a route below `/superadmin`, where users of the platform alone are let in."""
