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
from gateway.pages.filled_in import RIGHT, Chosen, Filled, Wrong, WrongError, several, wrong_with
from gateway.pages.panel import Panel
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/superadmin")

_STATUS_SECONDS: Final = 2.0
_JOB_SECONDS: Final = 20.0
"""A job that takes longer goes on while nobody waits for it."""
REDRIVE_SECONDS: Final = 60.0
LETTERS_SHOWN: Final = 100


class Done(BaseModel):
    """What was just done, and which page of the dead letters, as the address says."""

    model_config = ConfigDict(frozen=True)

    cursor: Chosen[Annotated[str, Field(max_length=20)]] = None
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
    return await _service(desk, service, principal, done=done)


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
    try:
        result = await desk.ask(chosen_letters(form), seconds=REDRIVE_SECONDS)
    except (ProblemError, WrongError) as error:
        return await _service(desk, service, principal, wrong_with(error))
    return see_other(f"/superadmin/services/{service}?{urlencode({'redriven': result.redriven})}#letters")


def chosen_letters(form: Filled) -> RedriveDeadLetters:
    """Which dead letters were chosen.

    Raises:
        WrongError: none were.
    """
    chosen = [int(each) for each in several(form, "dead_letter_ids") if each.isdecimal() and len(each) < 19]
    if not chosen and "all" not in form:
        raise WrongError("", "choose the dead letters that are meant")
    return RedriveDeadLetters(dead_letter_ids=[] if "all" in form else chosen[:LETTERS_SHOWN])


async def _status(request: Request, principal: Superadmin, service: str) -> Panel[ServiceStatus]:
    caller = request.app.state.service.caller
    try:
        return Panel(
            await caller.ask(PLATFORM, GetStatus(), of=service, seconds=_STATUS_SECONDS, cause=principal.cause)
        )
    except ProblemError as error:
        return Panel(None, error.problem.message)


async def _service(
    desk: Desk,
    service: str,
    principal: Superadmin,
    wrong: Wrong = RIGHT,
    done: Done = Done(),  # noqa: B008 - it is frozen
) -> Response:
    status, jobs, letters = await asyncio.gather(
        _part(desk, GetStatus()),
        _part(desk, ListJobs()),
        _part(desk, ListDeadLetters(limit=LETTERS_SHOWN, cursor=done.cursor)),
    )
    return page(
        "service.html",
        wrong.status,
        principal=principal,
        service=service,
        standing=status,
        jobs=jobs,
        letters=letters,
        first=done.cursor is None,
        wrong=wrong,
        redriven=done.redriven,
        now=datetime.now(UTC),
    )


async def _part(desk: Desk, request: Any) -> Panel[Any]:
    try:
        return Panel(await desk.ask(request, seconds=_STATUS_SECONDS))
    except ProblemError as error:
        return Panel(None, error.problem.message)
