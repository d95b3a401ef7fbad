"""Outcomes are taken back: voided, or voided and recorded anew in one. Both are events; nothing of an outcome is edited."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import inbox, tenants
from chassis.keys import TenantKey, TenantKeys
from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    BulkVoidResults,
    CorrectionResult,
    CorrectOutcome,
    LeadsWithOutcomes,
    LeadsWithOutcomesView,
    Outcome,
    OutcomeResult,
    OutcomeVerdict,
    OutcomeVoided,
    VoidedRecordings,
    VoidedRows,
    VoidOutcome,
    VoidOutcomesInBulk,
    VoidRecordings,
    VoidResult,
    VoidVerdict,
)
from contracts.values import Attribution, LeadRef
from outcomes import domain, recording, store, store_choosing, store_orders, store_outcomes
from outcomes.orders import Order, entry_of
from outcomes.store import Place

_SAME: Final = ("type", "occurred_at", "value", "currency", "reason_code")
"""What makes a correction that is asked for again the same."""
_AT_ONCE: Final = 500
"""Outcomes that one unit of work voids: nobody else waits longer than that takes."""

Asked = Received[VoidOutcome] | Received[CorrectOutcome] | Received[VoidOutcomesInBulk]


class Voiding:
    """Answers the requests that take outcomes back. The store is locked before anything is looked up."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def void(self, uow: UnitOfWork, request: Received[VoidOutcome]) -> VoidResult:
        """Answers `VoidOutcome`."""
        ask = request.body
        key = await self._keys.of(uow, request.tenant) if ask.reason else None
        outcome = await _locked(uow, request)
        if outcome["voided_at"] is None:
            await _void(uow, request, [outcome], ask.voided_by, key)
            return VoidResult(outcome_id=ask.outcome_id, voided_at=uow.now, voided_by=ask.voided_by)
        return VoidResult.model_validate({**outcome, "already": True})

    async def correct(self, uow: UnitOfWork, request: Received[CorrectOutcome]) -> CorrectionResult:
        """Answers `CorrectOutcome`."""
        ask = request.body
        # Of an outcome and its correction type and moment may well be the same.
        named = {"idempotency_key": ask.outcome.idempotency_key or f"corrects {ask.outcome_id}"}
        written = ask.reason or ask.outcome.notes or ask.outcome.override_reason
        key = await self._keys.of(uow, request.tenant) if written else None
        outcome = await _locked(uow, request)
        wanted = ask.outcome.model_copy(
            update={**named, "occurred_at": ask.outcome.occurred_at or outcome["occurred_at"]}
        )
        if outcome["voided_at"] is not None:
            return CorrectionResult(result=await _already(uow, request, outcome, wanted))
        order = Order(
            request.envelope, LeadRef(lead_id=ask.lead_id), ask.recorded_by, request.wire.received,
            [entry_of(wanted, key)],
        )  # fmt: skip
        is_erased = bool(await store.erased_among(uow, request.tenant, [ask.lead_id]))
        frozen = Attribution.model_validate(outcome["attribution"]).model_dump_json(exclude_none=True)
        place = Place(
            lead_id=ask.lead_id, attribution=frozen, created_at=outcome["occurred_at"],
            rejected=False, queued=False, judged=False, erased=is_erased,
        )  # fmt: skip
        lead = (request.tenant, ask.lead_id)
        known = (await store_outcomes.histories(uow, [lead]))[lead]
        result = await recording.record_instead(uow, order, place, known, ask.outcome_id)
        if result.verdict is OutcomeVerdict.DUPLICATE:
            text = "is recorded already, with this type, moment and idempotency_key: void the other one only"
            raise ProblemError(ProblemCode.CONFLICT, text, "outcome")
        if result.verdict is OutcomeVerdict.RECORDED:
            await _void(uow, request, [outcome], ask.recorded_by, key, result.outcome_id)
        return CorrectionResult(result=result)


class BulkVoiding:
    """Answers `VoidOutcomesInBulk`, in units of work of its own."""

    def __init__(self, database: Database, keys: TenantKeys) -> None:
        self._database = database
        self._keys = keys

    async def void(self, uow: UnitOfWork, request: Received[VoidOutcomesInBulk]) -> BulkVoidResults:
        ask, tenant = request.body, request.tenant
        await _must_know_reason(uow, request)
        named = [(row.lead_id, row.outcome_id) for row in ask.rows]
        if ask.bulk_id:
            if not await store_choosing.knows_bulk(uow, tenant, ask.bulk_id):
                raise ProblemError(
                    ProblemCode.NOT_FOUND, "this tenant has no such bulk; list_bulks shows them", "bulk_id"
                )
            named = await store_choosing.outcomes_of_bulk(uow, tenant, ask.bulk_id)
        verdicts: list[VoidVerdict] = []
        for start in range(0, len(named), _AT_ONCE):
            verdicts += await self._piece(request, named[start : start + _AT_ONCE])
        if ask.bulk_id:
            async with self._database.begin(tenant) as last:
                await store_choosing.bulk_was_voided(last, tenant, ask.bulk_id, ask.voided_by)
        return BulkVoidResults(
            counts=Counter(verdicts),
            verdicts=[
                VoidedRows(verdict=verdict, rows=[row for row, found in enumerate(verdicts) if found is verdict])
                for verdict in (VoidVerdict.ALREADY, VoidVerdict.UNKNOWN)
                if verdict in verdicts and not ask.bulk_id
            ],
        )

    async def _piece(
        self, request: Received[VoidOutcomesInBulk], named: Sequence[tuple[UUID, UUID]]
    ) -> list[VoidVerdict]:
        ask, tenant = request.body, request.tenant
        async with self._database.begin(tenant) as uow:
            key = await self._keys.of(uow, tenant) if ask.reason else None
            await store.lock(uow)
            known = {
                (row["lead_id"], row["outcome_id"]): row
                for row in await store_outcomes.some(uow, tenant, list(dict.fromkeys(named)))
            }
            standing = {which: row for which, row in known.items() if row["voided_at"] is None}
            if standing:
                await _void(uow, request, list(standing.values()), ask.voided_by, key)
        verdicts = []
        for which in named:  # one that is named twice is voided once
            newly = standing.pop(which, None) is not None
            seen = VoidVerdict.ALREADY if which in known else VoidVerdict.UNKNOWN
            verdicts.append(VoidVerdict.VOIDED if newly else seen)
        return verdicts


async def void_recordings(uow: UnitOfWork, request: Received[VoidRecordings]) -> VoidedRecordings:
    """Answers `VoidRecordings`."""
    ask, tenant = request.body, request.tenant
    await store.lock(uow)
    orders = await store_orders.recorded_by_run(uow, tenant, ask.correlation_id, ask.limit + 1)
    now = orders[: ask.limit]
    recorded = {
        result.outcome_id
        for _, results in now
        for result in results
        if result.verdict is OutcomeVerdict.RECORDED and result.outcome_id
    }
    voided = await store_outcomes.revert(uow, tenant, recorded, ask.voided_by) if recorded else []
    for outcome in voided:
        uow.publish(tenant, OutcomeVoided.model_validate(dict(outcome)), request.envelope)
    commands = [command_id for command_id, _ in now]
    await store_orders.forget(uow, tenant, commands)
    await inbox.drop(uow, tenant, commands)
    return VoidedRecordings(voided=len(voided), remaining=len(orders) - len(now))


async def leads_with_outcomes(uow: UnitOfWork, request: Received[LeadsWithOutcomes]) -> LeadsWithOutcomesView:
    """Answers `LeadsWithOutcomes`."""
    tenant, leads = request.tenant, request.body.lead_ids
    found = await store_outcomes.with_standing(uow, tenant, leads) | await store_orders.waiting_among(
        uow, tenant, leads
    )
    return LeadsWithOutcomesView(lead_ids=sorted(found))


async def _locked(uow: UnitOfWork, request: Received[VoidOutcome] | Received[CorrectOutcome]) -> RowMapping:
    """The outcome that is to be voided, with the store locked.

    Raises:
        ProblemError: `invalid`, the tenant has no such reason; `not_found`, it has no such outcome.
    """
    ask = request.body
    await _must_know_reason(uow, request)
    await store.lock(uow)
    outcome = await store_outcomes.outcome_of(uow, request.tenant, ask.lead_id, ask.outcome_id)
    if outcome is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has recorded no such outcome of this lead", "outcome_id")
    return outcome


async def _must_know_reason(uow: UnitOfWork, request: Asked) -> None:
    """Raises ProblemError, `invalid`, where the tenant has no such reason."""
    code = request.body.reason_code
    reasons = (await tenants.settings_of(uow, request.tenant)).reason_codes if code else ()
    if not domain.knows_reason(reasons, code):
        text = f"not one of the tenant's reason codes: {', '.join(sorted(reasons))}"
        raise ProblemError(ProblemCode.INVALID, text, "reason_code")


async def _void(
    uow: UnitOfWork,
    request: Asked,
    outcomes: Sequence[RowMapping],
    voided_by: str,
    key: TenantKey | None,
    corrected_by: UUID | None = None,
) -> None:
    """Void outcomes that stand, for the reason that is given."""
    ask, tenant = request.body, request.tenant
    erased = await store.erased_among(uow, tenant, [row["lead_id"] for row in outcomes]) if ask.reason else set()
    sealed = [
        key.seal(ask.reason.encode(), _context(row["outcome_id"]))
        if key and ask.reason and row["lead_id"] not in erased
        else None
        for row in outcomes
    ]
    how: dict[str, Any] = {"voided_by": voided_by, "reason_code": ask.reason_code, "corrected_by": corrected_by}
    await store_outcomes.void(uow, tenant, outcomes, **how, sealed=sealed)
    for row in outcomes:
        uow.publish(tenant, OutcomeVoided.model_validate({**row, **how, "voided_at": uow.now}), request.envelope)


async def _already(
    uow: UnitOfWork, request: Received[CorrectOutcome], outcome: RowMapping, wanted: Outcome
) -> OutcomeResult:
    """The verdict on a correction of what is voided: it is a repeat, or comes too late."""
    by = outcome["corrected_by"]
    standing = await store_outcomes.outcome_of(uow, request.tenant, request.body.lead_id, by) if by else None
    is_standing = standing is not None and standing["voided_at"] is None
    if standing and is_standing and all(standing[name] == getattr(wanted, name) for name in _SAME):
        return OutcomeResult(verdict=OutcomeVerdict.DUPLICATE, type=wanted.type, outcome_id=by)
    text = "the outcome was voided"
    if is_standing:
        text += f", and {by} stands in its stead: correct that"
    raise ProblemError(ProblemCode.CONFLICT, text, "outcome_id")


def reason_in(sealed: bytes, outcome_id: UUID, key: TenantKey) -> str:
    """Why an outcome was voided, in words."""
    return key.open(sealed, _context(outcome_id)).decode()


def _context(outcome_id: UUID) -> str:
    return f"void/{outcome_id}"
