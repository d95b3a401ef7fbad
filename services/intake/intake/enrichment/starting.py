"""How a run is started: who is to be asked must be able to answer, and whether it was done before is told and recorded."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.keys import TenantKey
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.enrichment import EnrichmentStarted, StartRun
from contracts.intake.memory import ActionRecall, CheckAction, RecordAction
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import ActionStatus, ActionType, EnrichmentStep, EntityType
from intake.enrichment import contents, providers, store, store_providers
from intake.enrichment.events import cause_of
from intake.memory import recalling


async def start(uow: UnitOfWork, key: TenantKey, run_id: UUID, request: Received[StartRun]) -> ActionRecall:
    """Start a run; what came of a similar one before is returned, and stops nothing.

    That a similar one is known, and this one is started all the same, is recorded as *proceeded anyway*, whether or not the caller
    says that they were told before.

    Raises:
        ProblemError: `not_found`, there is no such provider; `invalid`, one cannot be asked at its step.
    """
    order = request.body
    await _check(uow, key.tenant, order)
    about = {"entity_type": EntityType.COMPANY, "request": order.criteria}
    recall = await _recall(uow, key, order, about)
    run = {
        **order.model_dump(include={"actor", "budget", "currency", "most_companies", "most_contacts"}),
        "run_id": run_id,
        "criteria": contents.seal(key, order.criteria, contents.criteria(run_id)),
        "cause": cause_of(request.envelope),
    }
    if not await store.insert(uow, key.tenant, run, order.providers):
        return recall
    record = RecordAction.model_validate(
        {
            **about,
            "action_type": _type(order),
            "action_id": run_id,
            "actor": order.actor,
            "status": ActionStatus.NO_ACTION,  # so far
            "proceeded_anyway": order.proceed_anyway or recall.similar_action_found,
        }
    )
    await recalling.record(uow, key, record, request.envelope, recall.previous_action_id)
    event = EnrichmentStarted(
        run_id=run_id, occurred_at=uow.now, cost=0, currency=order.currency, actor=order.actor, budget=order.budget,
        resumed=False,
    )  # fmt: skip
    uow.publish(key.tenant, event, request.envelope)
    return recall


def _type(order: StartRun) -> ActionType:
    """A run that only finds companies is a discovery; what finds people in them, too, is an enrichment."""
    return ActionType.ENRICHMENT if order.providers.get(EnrichmentStep.FIND_CONTACTS) else ActionType.DISCOVERY


async def _recall(uow: UnitOfWork, key: TenantKey, order: StartRun, about: Mapping[str, Any]) -> ActionRecall:
    """A discovery repeats one before, or the first step of an enrichment; an enrichment goes beyond a discovery, and repeats none."""
    recall = await recalling.check(uow, key, CheckAction(action_type=_type(order), **about))
    if recall.similar_action_found or _type(order) is ActionType.ENRICHMENT:
        return recall
    return await recalling.check(uow, key, CheckAction(action_type=ActionType.ENRICHMENT, **about))


async def _check(uow: UnitOfWork, tenant: str, order: StartRun) -> None:
    names = {name for chain in order.providers.values() for name in chain}
    rows = await store_providers.providers(uow, tenant, sorted(names))
    known = {row["provider"]: providers.read(row) for row in rows}
    for step, chain in order.providers.items():
        for name in chain:
            if name not in known:
                raise ProblemError(
                    ProblemCode.NOT_FOUND, f"no provider is called {name}; set_provider sets one", f"providers.{step}"
                )
            providers.check_step(name, known[name], step)
