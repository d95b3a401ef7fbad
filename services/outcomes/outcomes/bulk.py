"""One request records an outcome of each of many leads, in pieces: nobody else waits longer than a piece takes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from chassis.failures import lost_a_race
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    MAX_BULK_ROWS,
    BulkResults,
    BulkRow,
    BulkVerdict,
    LeadFilter,
    Outcome,
    OutcomeResult,
    OutcomeVerdict,
    RecordOutcomesInBulk,
    Refusal,
)
from contracts.values import LeadRef
from outcomes import recording, store, store_choosing
from outcomes.orders import Order, entry_of
from outcomes.source_ids import Naming

_AT_ONCE: Final = 500
_ATTEMPTS: Final = 3
_PLAIN: Final = {"verdict": OutcomeVerdict.RECORDED}


class Bulk:
    """Answers `RecordOutcomesInBulk`, in units of work of its own."""

    def __init__(self, database: Database, keys: TenantKeys, naming: Naming) -> None:
        self._database = database
        self._keys = keys
        self._naming = naming

    async def record(self, uow: UnitOfWork, request: Received[RecordOutcomesInBulk]) -> BulkResults:
        ask = request.body
        chosen = await _chosen(uow, request.tenant, ask.leads) if ask.leads else []
        rows = [BulkRow(lead_id=lead_id) for lead_id in chosen] or ask.rows
        results: list[OutcomeResult] = []
        for start in range(0, len(rows), _AT_ONCE):
            results += await self._piece(request, rows[start : start + _AT_ONCE])
        return BulkResults(
            counts=Counter(result.verdict for result in results), verdicts=_grouped(results), lead_ids=chosen,
            bulk_id=_bulk(request) if any(result.verdict is OutcomeVerdict.RECORDED for result in results) else None,
        )  # fmt: skip

    async def _piece(self, request: Received[RecordOutcomesInBulk], rows: Sequence[BulkRow]) -> list[OutcomeResult]:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._once(request, rows)
            except Exception as error:
                if not lost_a_race(error):
                    raise
        return await self._once(request, rows)

    async def _once(self, request: Received[RecordOutcomesInBulk], rows: Sequence[BulkRow]) -> list[OutcomeResult]:
        ask, outcome = request.body, request.body.outcome
        async with self._database.begin(request.tenant) as uow:
            writes = outcome.notes or outcome.override_reason
            key = await self._keys.of(uow, request.tenant) if writes else None
            orders = [
                Order(request.envelope, _lead(row), ask.recorded_by, request.wire.received, [entry_of(_of(row, outcome), key)])
                for row in rows
            ]  # fmt: skip
            orders = await self._naming.name(uow, orders)
            located = list(zip(orders, await store.locate(uow, orders), strict=True))
            known = [(order, place) for order, place in located if place.attribution]
            results = [result for (result,) in await recording.record(uow, known)]
            recorded = [
                (place.lead_id, result.outcome_id, result.type)
                for (_, place), result in zip(known, results, strict=True)
                if result.verdict is OutcomeVerdict.RECORDED and place.lead_id and result.outcome_id
            ]
            await store_choosing.keep_bulk(uow, request.tenant, _bulk(request), ask.recorded_by, recorded)
            verdicts = iter(results)
            return [
                next(verdicts)
                if place.attribution
                else OutcomeResult(
                    verdict=OutcomeVerdict.REFUSED, type=order.entries[0].type,
                    refusal=Refusal.LEAD_REJECTED if place.rejected else Refusal.LEAD_UNKNOWN,
                )
                for order, place in located
            ]  # fmt: skip


def _bulk(request: Received[RecordOutcomesInBulk]) -> UUID:
    return request.body.bulk_id or request.envelope.id


async def _chosen(uow: UnitOfWork, tenant: str, wanted: LeadFilter) -> list[UUID]:
    rows = await store_choosing.chosen(uow, tenant, wanted, MAX_BULK_ROWS + 1)
    if len(rows) > MAX_BULK_ROWS:
        text = f"chooses more than {MAX_BULK_ROWS:,} leads: narrow it down, or import a file"
        raise ProblemError(ProblemCode.INVALID, text, "leads")
    return [row["lead_id"] for row in rows]


def _lead(row: BulkRow) -> LeadRef:
    return LeadRef.model_construct(**{name: getattr(row, name) for name in LeadRef.model_fields})


def _of(row: BulkRow, outcome: Outcome) -> Outcome:
    otherwise = {name: value for name in _OTHERWISE if (value := getattr(row, name)) is not None}
    return outcome.model_copy(update=otherwise) if otherwise else outcome


_OTHERWISE: Final = BulkRow.model_fields.keys() - LeadRef.model_fields.keys()


def _grouped(results: Sequence[OutcomeResult]) -> list[BulkVerdict]:
    """The rows that were not plainly recorded, by verdict; a row takes a few bytes, and ten thousand fit into a message."""
    groups: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for number, result in enumerate(results):
        said = result.model_dump(exclude={"type", "outcome_id"}, exclude_defaults=True)
        if said != _PLAIN:
            groups.setdefault(str(said), (said, []))[1].append(number)
    return [BulkVerdict(**said, rows=rows) for said, rows in groups.values()]
