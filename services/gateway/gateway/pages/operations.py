"""Operations of a tenant: whether its numbers are what its events say, and what waits because a source sends too much."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from contracts.aggregator.kpis import DashboardStats
from contracts.aggregator.replay import Replay, Validate
from contracts.intake.limits import ListParked
from contracts.message import ProblemError
from gateway.gate import Admitted, Principal
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import RIGHT, Wrong, wrong_with
from gateway.pages.panel import panel
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/operations")

_SECONDS: Final = 600.0
"""To compare or rebuild the numbers, every event of the tenant is read."""


@router.get("")
async def operations(principal: Admitted, request: Request) -> Response:
    return await _page(principal, request)


@router.get("/validation")
async def validation(principal: Admitted, request: Request) -> Response:
    """Compare each number with a fold of the events, now; nothing is changed."""
    try:
        return await _page(principal, request, validation=await principal.ask(Validate(), seconds=_SECONDS))
    except ProblemError as error:
        return await _page(principal, request, wrong_with(error))


@router.post("/replay")
async def replay(principal: Admitted, request: Request) -> Response:
    """Rebuild every number from the events, and show what was otherwise before."""
    try:
        return await _page(principal, request, replayed=await principal.ask(Replay(), seconds=_SECONDS))
    except ProblemError as error:
        return await _page(principal, request, wrong_with(error))


async def _page(
    principal: Principal, request: Request, wrong: Wrong = RIGHT, *, validation: Any = None, replayed: Any = None
) -> Response:
    numbers, parked, zone = await asyncio.gather(
        panel(principal, DashboardStats()), panel(principal, ListParked()), time_zone(request, principal.tenant)
    )
    return page(
        "operations.html",
        wrong.status,
        principal=principal,
        numbers=numbers,
        parked=parked,
        validation=validation,
        replayed=replayed,
        wrong=wrong,
        zone=zone,
        now=datetime.now(UTC),
    )
