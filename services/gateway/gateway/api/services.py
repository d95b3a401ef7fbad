"""The services, as one tenant has to do with them: its own messages that they gave up, and when their jobs ran."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from contracts.catalogue import SERVICES
from contracts.message import ProblemCode, ProblemError
from contracts.operations import (
    DeadLetterList,
    JobList,
    JobState,
    ListDeadLetters,
    ListJobs,
    RedriveDeadLetters,
    RedriveResult,
)
from gateway.gate import Admitted

router = APIRouter(prefix="/services/{service}", tags=["operations"])

REDRIVE_SECONDS: Final = 600.0


class TenantJob(BaseModel):
    """A job of a service, which it does for every tenant; what it did for all of them together is not told."""

    job: str
    schedule: str
    """When it is due: five fields of cron, in UTC."""
    state: JobState | None = None
    """How its latest run stands; empty where it never ran."""
    started_at: datetime | None = None
    """When that began."""
    ended_at: datetime | None = None
    """When that ended; empty while it runs."""


class TenantJobs(BaseModel):
    """The jobs of a service."""

    jobs: list[TenantJob]
    """By name."""


def known_service(service: Annotated[str, Path(description="Which service.")]) -> str:
    """The service that a path names.

    Raises:
        ProblemError: `not_found`.
    """
    if service not in SERVICES:
        raise ProblemError(ProblemCode.NOT_FOUND, f"there are {', '.join(SERVICES)}", "service")
    return service


Service = Annotated[str, Depends(known_service)]


@router.get("/dead-letters")
async def list_own_dead_letters(
    principal: Admitted, service: Service, query: Annotated[ListDeadLetters, Query()]
) -> DeadLetterList:
    """Messages of the tenant that the service gave up, newest first, a page at a time; what they held stays sealed."""
    return await principal.ask(query, of=service)


@router.post("/dead-letters/redrive")
async def redrive_own_dead_letters(principal: Admitted, service: Service, which: RedriveDeadLetters) -> RedriveResult:
    """Have the service handle the tenant's dead letters again: those named, or all that were not yet."""
    return await principal.ask(which, of=service, seconds=REDRIVE_SECONDS)


@router.get("/jobs")
async def list_jobs_of_service(principal: Admitted, service: Service) -> TenantJobs:
    """The service's jobs and how their latest runs stand."""
    return TenantJobs(jobs=list(_latest(await principal.ask(ListJobs(), of=service))))


def _latest(found: JobList) -> Iterator[TenantJob]:
    for job, schedule in sorted(found.jobs.items()):
        run = max((run for run in found.runs if run.job == job), key=lambda run: run.slot, default=None)
        if run is None:
            yield TenantJob(job=job, schedule=schedule)
        else:
            yield TenantJob(
                job=job, schedule=schedule, state=run.state, started_at=run.started_at, ended_at=run.ended_at
            )
