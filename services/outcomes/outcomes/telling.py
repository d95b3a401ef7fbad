"""What is told of a lead: what waits to be recorded of it, and what was recorded, a page at a time."""

from chassis.keys import TenantKey, TenantKeys
from chassis.unit_of_work import Row, UnitOfWork
from contracts.outcomes import OutcomeHistory, OutcomeHistoryView, OutcomeView, VoidView, WaitingOutcome
from contracts.taxonomy import STAGE_OF
from outcomes import store, store_orders, store_outcomes
from outcomes.domain import HistoryPlace, fitting
from outcomes.orders import Entry, written_in
from outcomes.voiding import reason_in


async def page(
    uow: UnitOfWork, keys: TenantKeys, tenant: str, ask: OutcomeHistory, begin: HistoryPlace
) -> OutcomeHistoryView:
    """The page that begins at a place.

    What waits comes first: what is recorded while the pages are asked for is told twice then, and would be left out otherwise.
    """
    lead_id, most = ask.lead_id, ask.limit + 1
    orders = [] if begin.sequence else await store_orders.waiting_entries(uow, tenant, lead_id, begin.waiting, most)
    entries = [(row, Entry.model_validate_json(row["entry"])) for row in orders]
    rows = await store_outcomes.outcomes_of(uow, tenant, lead_id, begin.sequence, most - len(entries))
    is_sealed = any(entry.sealed for _, entry in entries) or any(row["sealed"] or row["void_sealed"] for row in rows)
    key = await keys.of(uow, tenant) if is_sealed else None
    waiting = [(HistoryPlace((row["position"], row["number"])), _waiting(row, entry, key)) for row, entry in entries]
    recorded = [(HistoryPlace(sequence=row["sequence"]), _recorded(row, key)) for row in rows]
    found = [*waiting, *recorded]
    shown = fitting(found, ask.limit)
    now = await store.attribution_now(uow, tenant, lead_id) if ask.attribution_now else None
    return OutcomeHistoryView(
        lead_id=lead_id,
        attribution_now=now,
        outcomes=[view for _, view in shown if isinstance(view, OutcomeView)],
        waiting=[view for _, view in shown if isinstance(view, WaitingOutcome)],
        next_cursor=str(shown[-1][0]) if len(shown) < len(found) else None,
    )


def _waiting(row: Row, entry: Entry, key: TenantKey | None) -> WaitingOutcome:
    written = written_in(entry.sealed, entry.outcome_id, key) if key and entry.sealed else {}
    ordered = {"ordered_at": row["heard_at"]}
    return WaitingOutcome.model_validate({**entry.model_dump(), **row, **written, **ordered})


def _recorded(row: Row, key: TenantKey | None) -> OutcomeView:
    written = written_in(row["sealed"], row["outcome_id"], key) if key and row["sealed"] else {}
    return OutcomeView.model_validate({**row, **written, "stage": STAGE_OF[row["type"]], "void": _void(row, key)})


def _void(row: Row, key: TenantKey | None) -> VoidView | None:
    if row["voided_at"] is None:
        return None
    sealed, code = row["void_sealed"], row["void_reason_code"]
    reason = reason_in(sealed, row["outcome_id"], key) if key and sealed else None
    return VoidView.model_validate({**row, "reason_code": code, "reason": reason})
