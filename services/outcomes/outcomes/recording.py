"""Orders are carried out: recorded, refused, or left waiting for their lead; whatever way they came."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from chassis import tenants
from chassis.unit_of_work import UnitOfWork
from contracts.outcomes import (
    OutcomeReasonRefused,
    OutcomeRecorded,
    OutcomeRefused,
    OutcomeResult,
    OutcomeVerdict,
    Refusal,
)
from contracts.taxonomy import STAGE_OF, band
from contracts.values import Attribution
from outcomes import domain, store, store_orders, store_outcomes
from outcomes.orders import Entry, Order
from outcomes.store import LeadKey, Place

Located = tuple[Order, Place]
Verdicts = list[OutcomeResult]


async def carry_out(uow: UnitOfWork, orders: Sequence[Order]) -> None:
    """Record what can be recorded and refuse what never can; the rest waits.

    The orders of one lead are kept in order: behind one that waits, all wait. An order that has its verdict is not
    carried out again, however long ago the inbox forgot it. To be called under `store.lock`.
    """
    ready: list[Located] = []
    waiting: list[Order] = []
    refused: list[Located] = []
    held: set[LeadKey] = set()
    for order, place in zip(orders, await store.locate(uow, orders), strict=True):
        lead = (order.tenant, place.lead_id) if place.lead_id else None
        if place.judged and order.position is None:
            continue
        if place.rejected:
            refused.append((order, place))
        elif place.attribution is None or lead in held or (place.queued and order.position is None):
            # A number is put away only as long as its lead is not known: by then it is a record's, or a token.
            waiting.append(replace(order, put_away=None) if lead else order)
            if lead:
                held.add(lead)
        else:
            ready.append((order, place))
    await close(uow, [order for order, _ in ready], await record(uow, ready))
    await refuse(uow, refused, Refusal.LEAD_REJECTED)
    await _wait(uow, [order for order in waiting if order.position is None])


async def record(uow: UnitOfWork, located: Sequence[Located]) -> list[Verdicts]:
    """Record orders whose leads are known, in their order; returns the verdicts on each order's outcomes, which are not kept yet."""
    if not located:
        return []
    reasons = await _reasons(uow, [order for order, _ in located])
    leads = {_key(order, place) for order, place in located}
    histories = {lead: domain.History(known) for lead, known in (await store_outcomes.histories(uow, leads)).items()}
    rows: list[dict[str, Any]] = []
    verdicts = [
        [
            _record_one(uow, order, place, entry, histories[_key(order, place)], reasons.get(order.tenant, ()), rows)
            for entry in order.entries
        ]
        for order, place in located
    ]
    await store_outcomes.add_outcomes(uow, rows)
    return verdicts


async def _reasons(uow: UnitOfWork, orders: Sequence[Order]) -> dict[str, Collection[str]]:
    """The reason codes of those of the orders' tenants that they give some of."""
    giving = {order.tenant for order in orders if any(entry.reason_code for entry in order.entries)}
    return {tenant: (await tenants.settings_of(uow, tenant)).reason_codes for tenant in sorted(giving)}


async def record_instead(
    uow: UnitOfWork, order: Order, place: Place, known: Sequence[domain.Recorded], corrected: UUID
) -> OutcomeResult:
    """Record an order's one outcome as if another, which it corrects, had never been; that one is not voided yet.

    Parameters:
        known: all that was recorded of the lead.
    """
    reasons = await _reasons(uow, [order])
    rows: list[dict[str, Any]] = []
    history = domain.History(known).without(corrected)
    (entry,) = order.entries
    result = _record_one(uow, order, place, entry, history, reasons.get(order.tenant, ()), rows, corrected)
    await store_outcomes.add_outcomes(uow, rows)
    return result


async def refuse(uow: UnitOfWork, located: Sequence[Located], refusal: Refusal) -> None:
    """Refuse all outcomes of these orders, for ever."""
    verdicts = []
    for order, place in located:
        for entry in order.entries:
            _publish_refusal(uow, order, place, entry, refusal)
        verdicts.append(
            [OutcomeResult(verdict=OutcomeVerdict.REFUSED, type=entry.type, refusal=refusal) for entry in order.entries]
        )
    await close(uow, [order for order, _ in located], verdicts)


async def close(uow: UnitOfWork, orders: Sequence[Order], verdicts: Sequence[Verdicts]) -> None:
    """Keep the verdicts on orders, which do not wait any more."""
    await store_orders.keep_results(uow, list(zip(orders, verdicts, strict=True)))
    await store_orders.end_wait(uow, orders)


async def _wait(uow: UnitOfWork, orders: Sequence[Order]) -> None:
    await store_orders.wait(uow, orders, uow.now + domain.PATIENCE)
    await store_orders.keep_results(
        uow,
        [
            (order, [OutcomeResult(verdict=OutcomeVerdict.WAITING, type=entry.type) for entry in order.entries])
            for order in orders
        ],
    )


def _record_one(
    uow: UnitOfWork,
    order: Order,
    place: Place,
    entry: Entry,
    history: domain.History,
    reasons: Collection[str],
    rows: list[dict[str, Any]],
    corrects: UUID | None = None,
) -> OutcomeResult:
    """Judge one outcome, publish what became of it, and add the row that it makes, if any."""
    assert place.lead_id and place.created_at and place.attribution, "an order is recorded only when its lead is known"
    occurred_at = entry.occurred_at or place.created_at
    judgement = history.record(
        entry.outcome_id, entry.type, occurred_at, entry.idempotency_key,
        heard_at=order.heard_at, override=entry.override, reason_known=domain.knows_reason(reasons, entry.reason_code),
    )  # fmt: skip
    if judgement.verdict is OutcomeVerdict.RECORDED:
        event = OutcomeRecorded(
            outcome_id=entry.outcome_id,
            lead_id=place.lead_id,
            sequence=judgement.sequence,
            type=entry.type,
            stage=STAGE_OF[entry.type],
            occurred_at=occurred_at,
            recorded_at=uow.now,
            recorded_by=order.recorded_by,
            attribution=_attribution(place.attribution),
            value=entry.value,
            currency=entry.currency,
            value_band=band(entry.value) if entry.value is not None else None,
            reason_code=entry.reason_code,
            warnings=list(judgement.warnings),
            overridden=judgement.overridden,
            command_id=order.command_id,
            corrects=corrects,
        )
        uow.publish(order.tenant, event, order.cause)
        rows.append(_row(order, place, entry, event, judgement.again))
    elif judgement.refusal:
        _publish_refusal(uow, order, place, entry, judgement.refusal)
    elif judgement.refused_for:
        _publish_unknown_reason(uow, order, place.lead_id, entry, occurred_at)
    return OutcomeResult(
        verdict=judgement.verdict,
        type=entry.type,
        outcome_id=judgement.outcome_id,
        refusal=judgement.refusal,
        warnings=list(judgement.warnings),
        refused_for=judgement.refused_for,
        voided=judgement.voided,
    )


def _row(order: Order, place: Place, entry: Entry, event: OutcomeRecorded, again: int) -> dict[str, Any]:
    return {
        **event.__dict__,
        "tenant_id": order.tenant,
        "idempotency_key": entry.idempotency_key,
        "attribution": place.attribution,
        "warnings": ",".join(event.warnings),
        "sealed": None if place.erased else entry.sealed,
        "beyond_contacted": domain.is_beyond_contacted(entry.type),
        "again": again,
    }


def _publish_refusal(uow: UnitOfWork, order: Order, place: Place, entry: Entry, refusal: Refusal) -> None:
    event = OutcomeRefused(
        lead_id=place.lead_id,
        type=entry.type,
        occurred_at=entry.occurred_at or place.created_at,
        refusal=refusal,
        command_id=order.command_id,
    )
    uow.publish(order.tenant, event, order.cause)


def _publish_unknown_reason(uow: UnitOfWork, order: Order, lead_id: UUID, entry: Entry, occurred_at: datetime) -> None:
    assert entry.reason_code, "only a reason can be unknown"
    event = OutcomeReasonRefused(
        lead_id=lead_id,
        type=entry.type,
        occurred_at=occurred_at,
        reason_code=entry.reason_code,
        command_id=order.command_id,
    )
    uow.publish(order.tenant, event, order.cause)


def _key(order: Order, place: Place) -> LeadKey:
    assert place.lead_id, "an order is recorded only when its lead is known"
    return order.tenant, place.lead_id


@lru_cache(maxsize=4096)
def _attribution(json: str) -> Attribution:
    """Many leads come from the same source and place."""
    return Attribution.model_validate_json(json)
