"""Enrichment: companies are found, people in them, and their addresses, from providers that cost."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from contracts.intake.enrichment import (
    CancelRun,
    CompanyPage,
    ContactSubmissionResult,
    GetRun,
    ListCompanies,
    ListRuns,
    ResumeRun,
    RunDetails,
    RunPage,
    RunStartResult,
    RunView,
    StartRun,
    SubmitContacts,
)
from gateway.api.idempotency import RequiredKey
from gateway.api.orders import Paging, order, sent
from gateway.gate import Admitted

router = APIRouter(prefix="/enrichment/runs", tags=["enrichment"])

_SUBMIT_SECONDS = 30.0


@router.get("")
async def list_enrichment_runs(principal: Admitted, query: Annotated[ListRuns, Query()]) -> RunPage:
    """Runs, newest first, a page at a time."""
    return await principal.ask(query)


@router.post("", status_code=HTTPStatus.CREATED)
async def start_enrichment_run(
    principal: Admitted,
    given: Annotated[BaseModel, sent(StartRun, "run_id", "actor")],
    key: RequiredKey,
    response: Response,
) -> RunStartResult:
    """Start a run: companies by the criteria, then contacts in each, then an e-mail address for each who has none.

    A run costs money, so it needs an `Idempotency-Key`: under the same one it is started once. `recall` tells of a similar run.
    """
    run = order(StartRun, given, run_id=key.id("enrichment_run"), actor=principal.actor)
    started = await principal.ask(run)
    response.headers["Location"] = f"/api/t/{principal.tenant}/enrichment/runs/{started.run_id}"
    return started


@router.get("/{run_id}")
async def get_enrichment_run(principal: Admitted, run_id: UUID) -> RunDetails:
    """A run's progress; of the contacts found it tells how many there are."""
    return await principal.ask(GetRun(run_id=run_id))


@router.get("/{run_id}/companies")
async def list_companies(principal: Admitted, run_id: UUID, query: Annotated[Paging, Query()]) -> CompanyPage:
    """The companies that a run found, a page at a time."""
    return await principal.ask(ListCompanies(run_id=run_id, **query.model_dump()))


@router.post("/{run_id}/cancel")
async def cancel_enrichment_run(principal: Admitted, run_id: UUID) -> RunView:
    """Stop a run: no call is made any more."""
    return await principal.ask(CancelRun(run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/resume")
async def resume_enrichment_run(
    principal: Admitted, run_id: UUID, given: Annotated[BaseModel, sent(ResumeRun, "run_id", "actor")]
) -> RunView:
    """Let a run that stood still go on; what is done stays done."""
    return await principal.ask(order(ResumeRun, given, run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/submit")
async def submit_contacts(
    principal: Admitted, run_id: UUID, given: Annotated[BaseModel, sent(SubmitContacts, "run_id", "actor")]
) -> ContactSubmissionResult:
    """Submit the contacts of a run that is not under way as leads, the first that were not yet."""
    submit = order(SubmitContacts, given, run_id=run_id, actor=principal.actor)
    return await principal.ask(submit, seconds=_SUBMIT_SECONDS)
