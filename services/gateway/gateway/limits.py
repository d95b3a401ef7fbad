"""Of which kind each endpoint is: how often one caller may ask it within a minute.

Every router says so where it is listed (`limited`), or the application cannot be built (`must_be_limited`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends
from fastapi.routing import RouteContext
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.requests import Request
from starlette.routing import BaseRoute

from chassis.limits.counters import WINDOW_SECONDS, Counters
from contracts.message import Allowance
from gateway.gate import Principal, each, is_public
from gateway.identity.domain_session import SAFE_METHODS
from gateway.problems import RefusedError
from gateway.rate_limit import STATE, header_fields


class Kind(StrEnum):
    """A kind of endpoints; what a caller asks of any of them is counted together."""

    READING = "reading"
    WRITING = "writing"
    PAGES = "pages"
    """Looking at the pages people work in, which ask anew by themselves. What somebody does there is of the kind that the same is of the API."""
    SUBMITTING = "submitting"
    """Leads and outcomes, which programs send as they come; how many leads is the tenant's to say (`leads_per_minute`)."""
    INCOMING = "incoming"
    """What comes back of messages, and who is not to be contacted: it must not be lost."""
    UPLOADING = "uploading"
    """What takes files, which are read as they come and never lie whole in memory; a route says so itself, beside its router."""
    DISCOVERY = "discovery"
    """What finds companies and people, and costs money."""
    SCORING = "scoring"
    """What counts many events to say how something does: win rates, the dashboard's numbers, results."""
    OUTREACH = "outreach"
    """What decides on what is sent: campaigns, accounts, templates, the queue."""
    PERSONAL = "personal"
    """What shows or erases persons; intake counts how many of them somebody sees."""
    OPERATIONS = "operations"
    """What reads or handles everything anew."""
    SUPERADMIN = "superadmin"


PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]


class RateSettings(BaseSettings):
    """How often one caller may ask each kind within a minute: environment variables such as ``LEADLOOP_RATE_SCORING``.

    Discovery, scoring, outreach and superadmin are as S351 has them; its fifth, sign-in, is `gateway.identity.attempts`.
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_RATE_", frozen=True, extra="ignore")

    reading: PerMinute = 1200
    writing: PerMinute = 600
    pages: PerMinute = 3000
    submitting: PerMinute = 60_000
    incoming: PerMinute = 1200
    uploading: PerMinute = 600
    discovery: PerMinute = 10
    scoring: PerMinute = 30
    outreach: PerMinute = 20
    personal: PerMinute = 60
    operations: PerMinute = 10
    superadmin: PerMinute = 100

    def of(self, kind: Kind) -> int:
        found: int = getattr(self, kind.value)
        return found


@dataclass(frozen=True, slots=True)
class Rates:
    """Counts what callers ask: in Valkey for all replicas together, else in the process."""

    counters: Counters
    settings: RateSettings

    async def take(self, tenant: str, caller: str, kind: Kind) -> tuple[bool, Allowance]:
        """Count one request; whether it is within the limit, and what is left of that."""
        limit = self.settings.of(kind)
        granted, usage = await self.counters.take(tenant, f"{kind.value}|{caller}", 1, limit)
        reset = max(1, -(-usage.wait(limit) // 1000))
        allowance = Allowance(
            limit=limit, window_seconds=WINDOW_SECONDS, remaining=usage.free(limit), reset_seconds=reset
        )
        return granted > 0, allowance


@dataclass(frozen=True, slots=True)
class Limited:
    """Of which kind a route is for who reads, and for who changes something."""

    read: Kind
    write: Kind

    def of(self, method: str) -> Kind:
        return self.read if method in SAFE_METHODS else self.write

    async def __call__(self, request: Request) -> None:
        nearer = _said(request.scope["route"])
        if nearer and self not in nearer:
            return
        principal: Principal = request.state.principal
        await count(request, principal.tenant, principal.actor, self.of(request.method))


def limited(read: Kind, write: Kind | None = None) -> Any:
    """Of which kind every route of a router is, among its dependencies, or one route, among its own, which then counts alone.

    Without `write` it is of the same kind whatever is done.
    """
    return Depends(Limited(read, write or read))


async def count(request: Request, tenant: str, caller: str, kind: Kind) -> None:
    """Count a request of a caller's, and have its answer tell what is left.

    Raises:
        RefusedError: 429, they have asked as often as they may.
    """
    rates: Rates = request.app.state.rates
    granted, allowance = await rates.take(tenant, caller, kind)
    request.scope["state"][STATE] = header_fields(allowance, kind.value)
    if not granted:
        raise RefusedError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"you asked this kind of address ({kind}) {allowance.limit} times within a minute, and may again in "
            f"{allowance.reset_seconds} s",
            headers={"Retry-After": str(allowance.reset_seconds)}, allowance=allowance,
        )  # fmt: skip


class UnlimitedRouteError(Exception):
    """A route does not say of which kind it is."""


def must_be_limited(routes: Sequence[BaseRoute]) -> None:
    """Check that every route is public by name or says of which kind it is.

    Raises:
        UnlimitedRouteError: at the first that does not.
    """
    for route, method in each(routes):
        if not (is_public(str(route.path)) or kind_of(route, method)):
            raise UnlimitedRouteError(
                f"{method} {route.path} does not say of which kind it is: give its router `limited(...)`, see gateway/limits.py"
            )


def kind_of(route: RouteContext, method: str) -> Kind | None:
    """Of which kind a route is with this method; none where it does not say. What is said nearest to the route counts."""
    said = _said(route)
    return said[-1].of(method) if said else None


def _said(route: Any) -> list[Limited]:
    dependant = getattr(route, "dependant", None)
    return [found.call for found in dependant.dependencies if isinstance(found.call, Limited)] if dependant else []
