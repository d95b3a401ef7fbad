"""What enrichment is asked."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import enrichment as messages
from contracts.intake import providers as provider_messages
from contracts.intake.memory import ActionRecall
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import EnrichmentStatus
from intake.enrichment import contents, ending, providers, store, store_contacts, store_providers, submitting
from intake.enrichment.domain_run import STANDING, explain
from intake.enrichment.events import of_run
from intake.enrichment.starting import start

_SHOWN = 100
_OPEN = (EnrichmentStatus.PENDING, EnrichmentStatus.RUNNING)


class Handlers:
    """Enrichment's handlers; they share the tenants' keys."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def set_provider(
        self, uow: UnitOfWork, request: Received[provider_messages.SetProvider]
    ) -> provider_messages.ProviderView:
        order = request.body
        (given,) = (each for each in (order.http, order.csv, order.pattern) if each)
        providers.check(given)
        row = await store_providers.set_provider(
            uow, request.tenant, order.provider, providers.kind_of(given), given.model_dump(mode="json")
        )
        return _provider(row)

    async def list_providers(
        self, uow: UnitOfWork, request: Received[provider_messages.ListProviders]
    ) -> provider_messages.ProviderList:
        rows = await store_providers.providers(uow, request.tenant)
        return provider_messages.ProviderList(providers=[_provider(row) for row in rows])

    async def delete_provider(
        self, uow: UnitOfWork, request: Received[provider_messages.DeleteProvider]
    ) -> provider_messages.ProviderDeletionResult:
        deleted = await store_providers.delete_provider(uow, request.tenant, request.body.provider)
        return provider_messages.ProviderDeletionResult(deleted=deleted)

    async def set_pattern_confidence(
        self, uow: UnitOfWork, request: Received[provider_messages.SetPatternConfidence]
    ) -> provider_messages.PatternView:
        news = request.body
        seen = min(news.observed_at or uow.now, uow.now)
        row = await store_providers.trust(uow, request.tenant, news.domain, news.pattern, news.confidence, seen)
        return provider_messages.PatternView.model_validate(dict(row))

    async def start_run(self, uow: UnitOfWork, request: Received[messages.StartRun]) -> messages.RunStartResult:
        run_id = request.body.run_id or uuid7()
        recall = ActionRecall(similar_action_found=False)
        if await store.run(uow, request.tenant, run_id) is None:
            recall = await start(uow, await self._keys.of(uow, request.tenant), run_id, request)
        return messages.RunStartResult(recall=recall, **_run(await _found(uow, request.tenant, run_id)))

    async def get_run(self, uow: UnitOfWork, request: Received[messages.GetRun]) -> messages.RunDetails:
        run_id = request.body.run_id
        run = await _found(uow, request.tenant, run_id)
        criteria: dict[str, Any] = {}
        if run["criteria"]:
            key = await self._keys.of(uow, request.tenant)
            criteria = contents.open_(key, run["criteria"], contents.criteria(run_id))
        steps = await store.steps(uow, request.tenant, run_id)
        companies = await store.companies(uow, request.tenant, run_id, 0, _SHOWN)
        return messages.RunDetails(
            criteria=criteria,
            steps=[messages.StepView.model_validate(_explained(row)) for row in steps],
            found_companies=[_company(row) for row in companies],
            rejected=await store_contacts.reasons(uow, request.tenant, run_id),
            **_run(run),
        )

    async def list_runs(self, uow: UnitOfWork, request: Received[messages.ListRuns]) -> messages.RunPage:
        ask = request.body
        rows = await store.page(uow, request.tenant, ask.status, paging.after(ask.cursor, _place), ask.limit + 1)
        runs = [messages.RunView(**_run(row)) for row in rows[: ask.limit]]
        more = f"{runs[-1].created_at.isoformat()}/{runs[-1].run_id}" if len(rows) > ask.limit else None
        return messages.RunPage(runs=runs, next_cursor=more)

    async def list_companies(self, uow: UnitOfWork, request: Received[messages.ListCompanies]) -> messages.CompanyPage:
        ask = request.body
        await _found(uow, request.tenant, ask.run_id)
        after = paging.after(ask.cursor, _number) or 0
        rows = await store.companies(uow, request.tenant, ask.run_id, after, ask.limit + 1)
        found = [_company(row) for row in rows[: ask.limit]]
        return messages.CompanyPage(
            found_companies=found, next_cursor=str(found[-1].company) if len(rows) > ask.limit else None
        )

    async def cancel_run(self, uow: UnitOfWork, request: Received[messages.CancelRun]) -> messages.RunView:
        order = request.body
        run = await _found(uow, request.tenant, order.run_id, lock=True)
        if run["status"] in _OPEN:
            stopped = await store.stop(uow, request.tenant, order.run_id, EnrichmentStatus.CANCELLED)
            event = messages.EnrichmentCancelled(actor=order.actor, **of_run(uow, run))
            uow.publish(request.tenant, event, request.envelope)
            await ending.remember(uow, request.tenant, run, EnrichmentStatus.CANCELLED)
            run = stopped
        return messages.RunView(**_run(run))

    async def resume_run(self, uow: UnitOfWork, request: Received[messages.ResumeRun]) -> messages.RunView:
        order = request.body
        run = await _found(uow, request.tenant, order.run_id, lock=True)
        if run["status"] not in STANDING:
            raise ProblemError(
                ProblemCode.CONFLICT, f"the run is {run['status']}: only one that stands still is resumed", "run_id"
            )
        if run["criteria"] is None:
            raise ProblemError(
                ProblemCode.CONFLICT, "the run is older than the tenant remembers: start another", "run_id"
            )
        run = await store.resume(uow, request.tenant, order.run_id, order.budget, skip_failed=order.skip_failed)
        event = messages.EnrichmentStarted(actor=order.actor, budget=run["budget"], resumed=True, **of_run(uow, run))
        uow.publish(request.tenant, event, request.envelope)
        return messages.RunView(**_run(run))

    async def submit_contacts(
        self, uow: UnitOfWork, request: Received[messages.SubmitContacts]
    ) -> messages.ContactSubmissionResult:
        order = request.body
        run = await _found(uow, request.tenant, order.run_id, lock=True)
        if run["status"] in _OPEN:
            raise ProblemError(ProblemCode.CONFLICT, "the run is under way: wait for its end, or cancel it", "run_id")
        key = await self._keys.of(uow, request.tenant)
        counts = await submitting.submit_contacts(uow, key, order, request.envelope)
        remaining = await store_contacts.count_unsubmitted(uow, request.tenant, order.run_id, order.only_with_email)
        rejected = await store_contacts.reasons(uow, request.tenant, order.run_id)
        return messages.ContactSubmissionResult(counts=dict(counts), remaining=remaining, rejected=rejected)


async def _found(uow: UnitOfWork, tenant: str, run_id: UUID, *, lock: bool = False) -> RowMapping:
    run = await store.run(uow, tenant, run_id, lock=lock)
    if run is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such run; list_runs shows those it has", "run_id")
    return run


def _explained(row: RowMapping) -> dict[str, Any]:
    return {**row, "error": explain(row["failure"]) if row["failure"] else None}


def _run(row: RowMapping) -> dict[str, Any]:
    fields = _explained(row)
    return {name: fields[name] for name in messages.RunView.model_fields}


def _provider(row: RowMapping) -> provider_messages.ProviderView:
    return provider_messages.ProviderView.model_validate(
        {name: row[name] for name in provider_messages.ProviderView.model_fields}
    )


def _company(row: RowMapping) -> messages.CompanyView:
    return messages.CompanyView.model_validate(
        {**row["fields"], "company": row["company"], "contacts": row["contacts"]}
    )


def _place(cursor: str) -> tuple[datetime, UUID]:
    created_at, _, run_id = cursor.partition("/")
    moment = datetime.fromisoformat(created_at)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment, UUID(run_id)


def _number(cursor: str) -> int:
    number = int(cursor)
    if not 0 < number < 2**31:
        raise ValueError("no company's number")
    return number
