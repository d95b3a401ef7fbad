"""One item of a run after the other, and the call that it takes.

Before each call, one transaction makes sure that the run is still the worker's, was not cancelled and can pay for the call, and
notes that it is made. After it, one transaction commits the answer's items together with the event of its cost. Whoever finds
a note without an outcome knows that its writer died: the call is counted with what it may have cost, and made again
under the same idempotency key. So each provider is called at least once for each item, and what was found counts once.

Locks are taken in this order: the run, then erasures, then items. Nobody is erased between what is looked up and what is kept.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import tenants
from chassis.keys import TenantKey, TenantKeys
from chassis.logs import get_logger
from chassis.unit_of_work import Database, UnitOfWork
from contracts import message
from contracts.intake import enrichment as messages
from contracts.taxonomy import EnrichmentStatus
from intake import locks
from intake.enrichment import contents, store_claims, store_providers
from intake.enrichment import store_work as store
from intake.enrichment.domain_found import read_domain
from intake.enrichment.domain_run import ProviderError, pause
from intake.enrichment.domain_template import Known, NothingToAskError
from intake.enrichment.ending import complete, stop
from intake.enrichment.events import of_run, publish
from intake.enrichment.providers import Provider, Providers
from intake.enrichment.settling import Results, Work, settle, without_erased
from intake.enrichment.store_claims import Claim
from intake.memory import store as memory

log = get_logger("enrichment")

LEASE: Final = timedelta(seconds=60)
"""How long a run is its worker's without a sign of life; longer than a provider may take."""
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120))
"""How long to wait before a call is made again that failed for a while, at least."""
_MOST_DEATHS = 5
"""How many workers may die of a run before it is stopped."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call about to be made.

    Attributes:
        evidence: the key under which its answer is remembered; none where it is not.
        key: the idempotency key.
    """

    work: Work
    name: str
    kind: str
    provider: Provider
    known: Known
    trusted: Mapping[str, float]
    evidence: str | None
    key: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a call: results, or why there are none."""

    results: Results
    error: ProviderError | None
    seconds: float


class Worker:
    """Goes on with runs that are held, and calls the providers."""

    def __init__(self, database: Database, keys: TenantKeys, providers: Providers) -> None:
        self._database = database
        self._keys = keys
        self._providers = providers

    async def advance(self, uow: UnitOfWork, claim: Claim) -> Call | bool:
        """Go on by one item: the call that it takes, or else whether the run goes on here."""
        run = await store_claims.hold(uow, claim, LEASE)
        if run is None:
            return False
        key = await self._keys.of(uow, claim.tenant)
        await locks.linking(uow, claim.tenant)
        step = await store.current_step(uow, claim)
        if step is None:
            await complete(uow, claim, run)
            return False
        if run["claims"] >= _MOST_DEATHS:
            await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, "gave_up")
            return False
        if step["status"] == EnrichmentStatus.PENDING:
            step = await store.begin_step(uow, claim, step["step"])
        item = await store.next_item(uow, claim, step["step"])
        if item is None:
            await self._end_step(uow, claim, run, step)
            return True
        if item["company_item"] and item["sealed"] is None:  # forgotten meanwhile
            await store.finish_item(uow, claim, step["step"], item["item"], 0)
            return True
        work = await self._work(uow, key, claim, run, step, item)
        if item["call_id"]:
            await self._count_unknown(uow, work)
            return True
        return await self._prepare(uow, work)

    async def _prepare(self, uow: UnitOfWork, work: Work) -> Call | bool:
        claim, run = work.claim, work.run
        name = work.step["providers"][work.item["asked"]]
        rows = await store_providers.providers(uow, claim.tenant, [name])
        if not rows:
            await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, "no_provider")
            return False
        provider = self._providers.of(claim.tenant, rows[0])
        kind = rows[0]["kind"]
        try:
            about = provider.about(work.known)
        except NothingToAskError:
            await settle(uow, work, [])
            return True
        evidence = contents.evidence(work.key, rows[0]["revision"], about) if about else None
        if evidence and (remembered := await memory.recall(uow, claim.tenant, evidence)):
            results = contents.open_(work.key, bytes.fromhex(remembered["sealed"]), evidence)
            await store.count_cached(uow, claim, work.step["step"])
            publish(uow, claim.tenant, run, _called(uow, work, name, kind, Decimal(0), results, cached=True))
            kept = await without_erased(uow, work, results)
            if kept is None or len(kept) < len(results):
                await memory.forget(uow, claim.tenant, [evidence])
            await settle(uow, work, kept, evidence)
            return True
        if run["cost"] + provider.price.amount > run["budget"]:
            await stop(uow, claim.tenant, run, EnrichmentStatus.BUDGET_EXHAUSTED, "budget_exhausted")
            return False
        place = (work.step["step"], str(work.item["item"]), name, str(work.step["attempts"]))
        call_id = await store.begin_call(
            uow, claim, work.step["step"], work.item["item"], name, kind, provider.price.amount
        )  # fmt: skip
        domain = read_domain(work.known.get("company", {}).get("domain"))
        trusted = await store_providers.trusted(uow, claim.tenant, domain) if domain else {}
        idempotency = message.id_from_content(str(claim.run_id), *place)
        return Call(work, name, kind, provider, work.known, trusted, evidence, idempotency, call_id)

    async def make(self, call: Call) -> bool:
        """Make a call and record what came of it; whether the run goes on here."""
        began = monotonic()
        results: Results = []
        failed = None
        try:
            results = await call.provider.ask(call.known, call.trusted, call.key)
        except ProviderError as error:
            failed = error
        outcome = _Outcome(results, failed, monotonic() - began)
        async with self._database.begin(call.work.claim.tenant) as uow:
            return await self._record(uow, call, outcome)

    async def _record(self, uow: UnitOfWork, call: Call, outcome: _Outcome) -> bool:
        work, claim, error = call.work, call.work.claim, outcome.error
        price = call.provider.price
        cost = price.of(found=bool(outcome.results)) if not error else price.amount if error.charged else Decimal(0)
        await store_claims.lock(uow, claim)
        await locks.linking(uow, claim.tenant)
        step, item = work.step["step"], work.item["item"]
        if await store.end_call(uow, claim, step, item, call.id, cost, known=True):
            event = _called(
                uow, work, call.name, call.kind, cost, outcome.results,
                failure=error.failure if error else None, seconds=outcome.seconds,
            )  # fmt: skip
            publish(uow, claim.tenant, work.run, event)
        kept = None if error else await without_erased(uow, work, outcome.results)
        if call.evidence and kept is not None:
            sealed = contents.seal(work.key, kept, call.evidence)
            await memory.remember(uow, claim.tenant, call.evidence, {"sealed": sealed.hex()})
        run = await store_claims.hold(uow, claim, LEASE)
        if run is None:
            return False
        if not error:
            await settle(uow, work, kept, call.evidence)
            return True
        log.warning("a provider failed", tenant=claim.tenant, reason=error.failure)
        wait = pause(work.item["failures"] + 1, error.after, PAUSES, random.random()) if error.again else None
        if wait is None:
            await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, error.failure)
            return False
        await store.count_failure(uow, claim, step, item)
        await store_claims.let_go(uow, claim, wait)
        return False

    async def _count_unknown(self, uow: UnitOfWork, work: Work) -> None:
        """Count a call whose maker died."""
        item = work.item
        await store.end_call(
            uow, work.claim, work.step["step"], item["item"], item["call_id"], item["call_cost"], known=False
        )
        event = _called(
            uow, work, item["call_provider"], item["call_kind"], item["call_cost"], [], failure="unknown"
        )  # fmt: skip
        publish(uow, work.claim.tenant, work.run, event)

    async def _work(
        self, uow: UnitOfWork, key: TenantKey, claim: Claim, run: RowMapping, step: RowMapping, item: RowMapping
    ) -> Work:
        known: dict[str, Any] = {}
        evidence: list[str] = list(item["evidence"])
        if run["criteria"]:
            known["criteria"] = contents.open_(key, run["criteria"], contents.criteria(claim.run_id))
        if item["company"]:
            known["company"] = item["company"]
        if item["company_item"]:
            known["company"], _ = await store.company(uow, claim, item["company_item"])
            known["contact"] = contents.open_(key, item["sealed"], contents.contact(claim.run_id))
        region = (await tenants.settings_of(uow, claim.tenant)).region
        return Work(claim, key, region, run, step, item, known, evidence)

    @staticmethod
    async def _end_step(uow: UnitOfWork, claim: Claim, run: RowMapping, step: RowMapping) -> None:
        if not step["total"]:
            await store.end_step(uow, claim, step["step"], EnrichmentStatus.SKIPPED)
            return
        await store.end_step(uow, claim, step["step"], EnrichmentStatus.SUCCEEDED)
        event = messages.EnrichmentStepCompleted(
            step=step["step"], total=step["total"], found=step["found"], step_cost=step["cost"], **of_run(uow, run)
        )
        publish(uow, claim.tenant, run, event)


def _called(
    uow: UnitOfWork, work: Work, provider: str, kind: str, cost: Decimal, results: Results, *,
    failure: str | None = None, cached: bool = False, seconds: float = 0.0,
) -> messages.ProviderCalled:  # fmt: skip
    return messages.ProviderCalled.model_validate(
        {
            "run_id": work.claim.run_id, "occurred_at": uow.now, "step": work.step["step"], "item": work.item["item"],
            "provider": provider, "kind": kind, "cost": cost, "currency": work.run["currency"], "ok": failure is None,
            "failure": failure, "cached": cached, "found": len(results), "duration_ms": round(seconds * 1000),
        }
    )  # fmt: skip
