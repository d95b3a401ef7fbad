"""The installation: how each service does, its jobs and its dead letters, of all tenants together; for superadmins alone."""

from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, Query, Request

from chassis.service import Service
from contracts.message import PLATFORM, Reply
from contracts.message import Request as Ask
from contracts.operations import (
    DeadLetterList,
    GetStatus,
    JobList,
    JobRunView,
    ListDeadLetters,
    ListJobs,
    RedriveDeadLetters,
    RedriveResult,
    RunJob,
    ServiceStatus,
)
from gateway.api.services import REDRIVE_SECONDS, known_service
from gateway.gate import Superadmin
from gateway.problems import DOCUMENTED

router = APIRouter(prefix="/superadmin/api/services/{service}", tags=["operations"], responses=DOCUMENTED)

R = TypeVar("R", bound=Reply)
_JOB_SECONDS: Final = 3600.0


class Desk:
    """Asks one service about the installation, for a superadmin."""

    def __init__(
        self, request: Request, principal: Superadmin, service: Annotated[str, Depends(known_service)]
    ) -> None:
        self._of = service
        self._cause = principal.cause
        self._service: Service = request.app.state.service

    async def ask(self, request: Ask[R], *, seconds: float = 5.0) -> R:
        """The service's reply, as `Principal.ask` has it."""
        return await self._service.caller.ask(PLATFORM, request, of=self._of, seconds=seconds, cause=self._cause)


AtDesk = Annotated[Desk, Depends()]


@router.get("/status")
async def get_status(desk: AtDesk) -> ServiceStatus:
    """How the service does: what it has not published yet, and its dead letters."""
    return await desk.ask(GetStatus())


@router.get("/jobs")
async def list_jobs(desk: AtDesk) -> JobList:
    """The service's jobs and their latest runs."""
    return await desk.ask(ListJobs())


@router.post("/jobs/{job}/run")
async def run_job(desk: AtDesk, job: str) -> JobRunView:
    """Run a job now, for every tenant, and wait until it has ended."""
    return await desk.ask(RunJob(job=job), seconds=_JOB_SECONDS)


@router.get("/dead-letters")
async def list_dead_letters(desk: AtDesk, query: Annotated[ListDeadLetters, Query()]) -> DeadLetterList:
    """Messages that the service gave up, newest first, and how many there are per reason; what they held stays sealed."""
    return await desk.ask(query)


@router.post("/dead-letters/redrive")
async def redrive_dead_letters(desk: AtDesk, which: RedriveDeadLetters) -> RedriveResult:
    """Have the service handle dead letters again: those named, or all that were not yet."""
    return await desk.ask(which, seconds=REDRIVE_SECONDS)
