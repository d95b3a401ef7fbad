"""Operations of a tenant: whether its numbers are what its events say, and what waits because a source sends too much."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from contracts.aggregator.kpis import DashboardStats
from contracts.aggregator.replay import Replay, Validate
from contracts.catalogue import SERVICES
from contracts.intake.limits import ListParked
from contracts.message import ProblemError
from contracts.operations import ListDeadLetters
from gateway.api.services import Service, list_jobs_of_service
from gateway.gate import Admitted, Principal
from gateway.limits import Kind, limited
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import RIGHT, Filled, Wrong, WrongError, wrong_with
from gateway.pages.installation import LETTERS_SHOWN, REDRIVE_SECONDS, Done, chosen_letters
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/operations")

_SECONDS: Final = 600.0
"""To compare or rebuild the numbers, every event of the tenant is read."""


@router.get("")
async def operations(principal: Admitted, request: Request) -> Response:
    return await _page(principal, request)


@router.get("/validation", dependencies=[limited(Kind.OPERATIONS)])
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


@router.get("/services/{service}")
async def service(principal: Admitted, service: Service, done: Annotated[Done, Query()], request: Request) -> Response:
    """What a service gave up of the tenant's messages, and when its jobs ran."""
    return await _service(principal, service, request, done=done)


@router.post("/services/{service}/dead-letters")
async def redrive(principal: Admitted, service: Service, form: Filled, request: Request) -> Response:
    """Have dead letters of the tenant handled again: those chosen, or all that were not yet."""
    try:
        result = await principal.ask(chosen_letters(form), of=service, seconds=REDRIVE_SECONDS)
    except (ProblemError, WrongError) as error:
        return await _service(principal, service, request, wrong_with(error))
    here = f"/t/{principal.tenant}/operations/services/{service}"
    return see_other(f"{here}?{urlencode({'redriven': result.redriven})}#letters")


async def _service(
    principal: Principal,
    service: str,
    request: Request,
    wrong: Wrong = RIGHT,
    done: Done = Done(),  # noqa: B008 - it is frozen
) -> Response:
    letters, jobs, zone = await asyncio.gather(
        panel(principal, ListDeadLetters(limit=LETTERS_SHOWN, cursor=done.cursor), of=service),
        list_jobs_of_service(principal, service),
        time_zone(request, principal.tenant),
    )
    return page(
        "tenant_service.html",
        wrong.status,
        principal=principal,
        service=service,
        letters=letters,
        jobs=jobs.jobs,
        wrong=wrong,
        redriven=done.redriven,
        first=done.cursor is None,
        zone=zone,
        now=datetime.now(UTC),
    )


async def _page(
    principal: Principal, request: Request, wrong: Wrong = RIGHT, *, validation: Any = None, replayed: Any = None
) -> Response:
    numbers, parked, zone, *letters = await asyncio.gather(
        panel(principal, DashboardStats()),
        panel(principal, ListParked()),
        time_zone(request, principal.tenant),
        *(panel(principal, ListDeadLetters(limit=1), of=service) for service in SERVICES),
    )
    return page(
        "operations.html",
        wrong.status,
        principal=principal,
        numbers=numbers,
        parked=parked,
        services=list(zip(SERVICES, letters, strict=True)),
        validation=validation,
        replayed=replayed,
        wrong=wrong,
        zone=zone,
        now=datetime.now(UTC),
    )
