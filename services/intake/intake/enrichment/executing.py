"""The worker that executes runs, one item and one call after the other.

A run belongs to whoever claimed it last, for as long as a lease. Before each call, one transaction makes sure of that, and that the
run was not cancelled and can pay for the call, and notes that it is made. After it, one transaction commits the
answer's items together with the event of its cost. Whoever finds a note without an outcome knows that its writer died: the call
is counted with what it may have cost, and made again under the same idempotency key. So each provider is called at least once
for each item, and what was found counts once.
"""

import asyncio
import random
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from time import monotonic
from typing import Any, Final
from uuid import UUID

from asyncpg import InternalClientError
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from chassis import tenants
from chassis.failures import describe, is_transient
from chassis.keys import TenantKey, TenantKeys
from chassis.logs import get_logger
from chassis.unit_of_work import Database, UnitOfWork
from contracts import message
from contracts.intake import enrichment as messages
from contracts.taxonomy import EnrichmentStatus
from intake.enrichment import contents, store_providers
from intake.enrichment import store_work as store
from intake.enrichment.domain_found import read_domain
from intake.enrichment.domain_run import ProviderError, pause
from intake.enrichment.domain_template import Known, NothingToAskError
from intake.enrichment.ending import complete, stop
from intake.enrichment.events import of_run, publish
from intake.enrichment.providers import Provider, Providers
from intake.enrichment.settling import Work, settle
from intake.enrichment.store_work import Claim
from intake.memory import store as memory

log = get_logger("enrichment")

LEASE: Final = timedelta(seconds=60)
"""How long a run is its worker's without a sign of life; longer than a provider may take."""
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120))
"""How long to wait before a call is made again that failed for a while, at least."""
_LANES = 8
"""How many runs a replica executes at once."""
_OF_ONE_TENANT = 4
"""How many of those of one tenant, in all replicas: a tenant's slow provider holds up nobody else."""
_MOST_DEATHS = 5
"""How many workers may die of a run before it is stopped."""
_POLL_SECONDS = 0.5
_AWAY = (OSError, TimeoutError, SQLAlchemyError, InternalClientError)


@dataclass(frozen=True, slots=True)
class _Call:
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

    results: Sequence[Mapping[str, Any]]
    error: ProviderError | None
    seconds: float


class Runner:
    """Runs until it is cancelled."""

    def __init__(self, database: Database, keys: TenantKeys, providers: Providers) -> None:
        self._database = database
        self._keys = keys
        self._providers = providers

    async def run(self) -> None:
        """Execute what is due, several runs at once, again and again."""
        async with asyncio.TaskGroup() as group:
            lanes: set[asyncio.Task[None]] = set()
            while True:
                while len(lanes) < _LANES and (claim := await self._claim()):
                    lane = group.create_task(self._execute_or_let_go(claim))
                    lanes.add(lane)
                    lane.add_done_callback(lanes.discard)
                await asyncio.sleep(_POLL_SECONDS)

    async def _claim(self) -> Claim | None:
        """A run that is due, if there is one and the database says so: the runs under way are not to suffer where it does not."""
        try:
            async with self._database.begin() as uow:
                names = await tenants.all_tenants(uow)
                await uow.act_for(names)
                return await store.claim(uow, names, LEASE, _OF_ONE_TENANT)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("no run was claimed", error=describe(error))
            return None

    async def _execute_or_let_go(self, claim: Claim) -> None:
        try:
            await self._execute(claim)
        except Exception as error:
            if is_transient(error):
                # Its lease runs out, as if this worker had died, unless the database is there to be told.
                log.warning("a run was interrupted", tenant=claim.tenant, error=describe(error))
                with suppress(*_AWAY):
                    async with self._database.begin(claim.tenant) as uow:
                        await store.let_go(uow, claim, PAUSES[1])
                return
            log.error("a run was interrupted", tenant=claim.tenant, exc_info=error)
            async with self._database.begin(claim.tenant) as uow:
                if run := await store.hold(uow, claim, LEASE):
                    await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, "internal")

    async def _execute(self, claim: Claim) -> None:
        while True:
            async with self._database.begin(claim.tenant) as uow:
                if not (run := await store.hold(uow, claim, LEASE)):
                    return
                call = await self._advance(uow, claim, run)
            if isinstance(call, _Call):
                if not await _to_its_end(self._make(claim, call)):
                    return
            elif not call:
                return

    async def _advance(self, uow: UnitOfWork, claim: Claim, run: RowMapping) -> _Call | bool:
        """Go on by one item: the call that it takes, or else whether the run goes on."""
        if run["claims"] >= _MOST_DEATHS:
            return await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, "gave_up")
        step = await store.current_step(uow, claim)
        if step is None:
            return await complete(uow, claim, run)
        if step["status"] == EnrichmentStatus.PENDING:
            step = await store.begin_step(uow, claim, step["step"])
        item = await store.next_item(uow, claim, step["step"])
        if item is None:
            await self._end_step(uow, claim, run, step)
            return True
        if item["company_item"] and item["sealed"] is None:  # forgotten meanwhile
            await store.finish_item(uow, claim, step["step"], item["item"], 0)
            return True
        key = await self._keys.of(uow, claim.tenant)
        work = await self._work(uow, key, claim, run, step, item)
        if item["call_id"]:
            await self._count_unknown(uow, work)
            return True
        return await self._prepare(uow, work)

    async def _prepare(self, uow: UnitOfWork, work: Work) -> _Call | bool:
        claim, run = work.claim, work.run
        name = work.step["providers"][work.item["asked"]]
        rows = await store_providers.providers(uow, claim.tenant, [name])
        if not rows:
            return await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, "no_provider")
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
            await settle(uow, work, results, evidence)
            return True
        if run["cost"] + provider.price.amount > run["budget"]:
            return await stop(uow, claim.tenant, run, EnrichmentStatus.BUDGET_EXHAUSTED, "budget_exhausted")
        place = (work.step["step"], str(work.item["item"]), name, str(work.step["attempts"]))
        call_id = await store.begin_call(
            uow, claim, work.step["step"], work.item["item"], name, kind, provider.price.amount
        )  # fmt: skip
        domain = read_domain(work.known.get("company", {}).get("domain"))
        trusted = await store_providers.trusted(uow, claim.tenant, domain) if domain else {}
        idempotency = message.id_from_content(str(claim.run_id), *place)
        return _Call(work, name, kind, provider, work.known, trusted, evidence, idempotency, call_id)

    async def _make(self, claim: Claim, call: _Call) -> bool:
        """Make a call and record what came of it; whether the run goes on here."""
        began = monotonic()
        results: Sequence[Mapping[str, Any]] = []
        failed = None
        try:
            results = await call.provider.ask(call.known, call.trusted, call.key)
        except ProviderError as error:
            failed = error
        outcome = _Outcome(results, failed, monotonic() - began)
        async with self._database.begin(claim.tenant) as uow:
            return await self._record(uow, call, outcome)

    async def _record(self, uow: UnitOfWork, call: _Call, outcome: _Outcome) -> bool:
        work, claim, error = call.work, call.work.claim, outcome.error
        price = call.provider.price
        cost = price.of(found=bool(outcome.results)) if not error else price.amount if error.charged else Decimal(0)
        await store.lock(uow, claim)
        step, item = work.step["step"], work.item["item"]
        if await store.end_call(uow, claim, step, item, call.id, cost, known=True):
            event = _called(
                uow, work, call.name, call.kind, cost, outcome.results,
                failure=error.failure if error else None, seconds=outcome.seconds,
            )  # fmt: skip
            publish(uow, claim.tenant, work.run, event)
        if call.evidence and not error:
            sealed = contents.seal(work.key, outcome.results, call.evidence)
            await memory.remember(uow, claim.tenant, call.evidence, {"sealed": sealed.hex()})
        run = await store.hold(uow, claim, LEASE)
        if run is None:
            return False
        if not error:
            await settle(uow, work, outcome.results, call.evidence)
            return True
        log.warning("a provider failed", tenant=claim.tenant, reason=error.failure)
        wait = pause(work.item["failures"] + 1, error.after, PAUSES, random.random()) if error.again else None
        if wait is None:
            return await stop(uow, claim.tenant, run, EnrichmentStatus.FAILED, error.failure)
        await store.rest(uow, claim, step, item, wait)
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
    uow: UnitOfWork, work: Work, provider: str, kind: str, cost: Decimal, results: Sequence[Any], *,
    failure: str | None = None, cached: bool = False, seconds: float = 0.0,
) -> messages.ProviderCalled:  # fmt: skip
    return messages.ProviderCalled.model_validate(
        {
            "run_id": work.claim.run_id, "occurred_at": uow.now, "step": work.step["step"], "item": work.item["item"],
            "provider": provider, "kind": kind, "cost": cost, "currency": work.run["currency"], "ok": failure is None,
            "failure": failure, "cached": cached, "found": len(results), "duration_ms": round(seconds * 1000),
        }
    )  # fmt: skip


async def _to_its_end(making: Coroutine[Any, Any, bool]) -> bool:
    """Await it, even when cancelled meanwhile, for a moment: what a call cost should be known when a service stops."""
    task = asyncio.ensure_future(making)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
