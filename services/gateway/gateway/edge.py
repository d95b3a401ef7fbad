"""What every HTTP exchange has: a request id, safe headers, a log line, an answer whatever happens."""

import time
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars
from uuid_utils.compat import uuid7

from chassis.logs import get_logger
from gateway import problems
from gateway.gate import is_https
from gateway.rate_limit import STATE

log = get_logger("http")

SECONDS = Histogram("leadloop_http_seconds", "Seconds an HTTP request took", ["method", "route", "status"])

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are counted and logged by name; anybody can make up others."""
_NOT_LOGGED: Final = ("/healthz", "/readyz", "/metrics", "/static/")

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms, and we could not tell them apart.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every response that does not say otherwise itself (OWASP HTTP Headers Cheat Sheet)."""
_HSTS: Final = "max-age=31536000"
"""A browser that was here over TLS comes by nothing else for a year (RFC 6797); its subdomains are not ours to speak for."""
_OF_FILES: Final[Mapping[str, str]] = {**HEADERS, "Cache-Control": "no-cache"}
"""Our style sheet and scripts hold nothing of anybody: a browser keeps them, and asks whether they have changed."""


class Edge:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # What answers GET answers HEAD (RFC 9110, 9.1); the server leaves the body out.
            scope = {**scope, "method": "GET"}
        request_id = _as_uuid(Headers(scope=scope).get("x-request-id", "")) or uuid7()
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        began = time.perf_counter()

        async def send_completed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                usual = _OF_FILES if scope["path"].startswith("/static/") else HEADERS
                for key, value in usual.items():
                    headers.setdefault(key, value)
                if is_https(HTTPConnection(scope)):
                    headers["Strict-Transport-Security"] = _HSTS
                headers["X-Request-Id"] = str(request_id)
                if "RateLimit" not in headers:  # what a service tells of its own limit says more
                    headers.update(scope["state"].get(STATE, {}))
            await send(message)

        with bound_contextvars(request_id=str(request_id)):
            try:
                await self._app(scope, receive, send_completed)
            except Exception as error:
                if status:
                    log.error("a response broke off", exc_info=error)
                    raise
                await problems.answer(scope, error)(scope, receive, send_completed)
            self._record(scope, status, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's name, never the path: a path can hold a sign-in token, or whatever somebody typed.
        route = getattr(scope.get("route"), "name", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        SECONDS.labels(method, route, status).observe(seconds)
        if not scope["path"].startswith(_NOT_LOGGED):
            log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


def _as_uuid(text: str) -> UUID | None:
    """A caller's request id, if it is one we may log and correlate by; any other could be personal data."""
    try:
        return UUID(text)
    except ValueError:
        return None
