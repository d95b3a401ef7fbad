"""The installation, for superadmins: how each service does, its jobs, and the messages it gave up, of all tenants together."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts.catalogue import SERVICES
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import GetStatus, ListDeadLetters, ListJobs, RedriveDeadLetters, RunJob, ServiceStatus
from gateway.api.operations import AtDesk, Desk
from gateway.gate import Superadmin
from gateway.pages.filled_in import RIGHT, Filled, Wrong, several, wrong_with
from gateway.pages.panel import Panel
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/superadmin")

_STATUS_SECONDS: Final = 2.0
_JOB_SECONDS: Final = 20.0
"""A job that takes longer goes on while nobody waits for it."""
_REDRIVE_SECONDS: Final = 60.0
_LETTERS_SHOWN: Final = 100


class Done(BaseModel):
    """What was just done, as the address says."""

    model_config = ConfigDict(frozen=True)

    redriven: Annotated[int | None, Field(ge=0), BeforeValidator(lambda text: text or None)] = None


@router.get("/operations")
async def installation(request: Request, principal: Superadmin) -> Response:
    """Every service: whether it answers, how far behind it is, and what it gave up."""
    found = await asyncio.gather(*(_status(request, principal, service) for service in SERVICES))
    return page(
        "installation.html",
        principal=principal,
        services=list(zip(SERVICES, found, strict=True)),
        now=datetime.now(UTC),
    )


@router.get("/services/{service}")
async def service(desk: AtDesk, service: str, principal: Superadmin, done: Annotated[Done, Query()]) -> Response:
    return await _service(desk, service, principal, redriven=done.redriven)


@router.post("/services/{service}/jobs/{job}")
async def run_job(desk: AtDesk, service: str, job: str, principal: Superadmin) -> Response:
    """Run a job now, for every tenant."""
    try:
        await desk.ask(RunJob(job=job), seconds=_JOB_SECONDS)
    except ProblemError as error:
        if error.problem.code is not ProblemCode.UNAVAILABLE:
            return await _service(desk, service, principal, wrong_with(error))
        text = f"{job} has not ended within {_JOB_SECONDS:.0f} seconds; it goes on, and is listed below when it has"
        return await _service(desk, service, principal, Wrong(text, status=RIGHT.status))
    return see_other(f"/superadmin/services/{service}#jobs")


@router.post("/services/{service}/dead-letters")
async def redrive(desk: AtDesk, service: str, principal: Superadmin, form: Filled) -> Response:
    """Have dead letters handled again: those chosen, or all that were not yet."""
    chosen = [int(each) for each in several(form, "dead_letter_ids") if each.isdecimal()]
    if not chosen and "all" not in form:
        return await _service(desk, service, principal, Wrong("choose the dead letters that are meant"))
    which = RedriveDeadLetters(dead_letter_ids=[] if "all" in form else chosen[:_LETTERS_SHOWN])
    try:
        result = await desk.ask(which, seconds=_REDRIVE_SECONDS)
    except ProblemError as error:
        return await _service(desk, service, principal, wrong_with(error))
    return see_other(f"/superadmin/services/{service}?{urlencode({'redriven': result.redriven})}#letters")


async def _status(request: Request, principal: Superadmin, service: str) -> Panel[ServiceStatus]:
    caller = request.app.state.service.caller
    try:
        return Panel(
            await caller.ask(PLATFORM, GetStatus(), of=service, seconds=_STATUS_SECONDS, cause=principal.cause)
        )
    except ProblemError as error:
        return Panel(None, error.problem.message)


async def _service(
    desk: Desk, service: str, principal: Superadmin, wrong: Wrong = RIGHT, redriven: int | None = None
) -> Response:
    status, jobs, letters = await asyncio.gather(
        _part(desk, GetStatus()), _part(desk, ListJobs()), _part(desk, ListDeadLetters(limit=_LETTERS_SHOWN))
    )
    return page(
        "service.html",
        wrong.status,
        principal=principal,
        service=service,
        standing=status,
        jobs=jobs,
        letters=letters,
        shown=_LETTERS_SHOWN,
        wrong=wrong,
        redriven=redriven,
        now=datetime.now(UTC),
    )


async def _part(desk: Desk, request: Any) -> Panel[Any]:
    try:
        return Panel(await desk.ask(request, seconds=_STATUS_SECONDS))
    except ProblemError as error:
        return Panel(None, error.problem.message)
