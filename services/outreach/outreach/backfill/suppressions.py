"""Who is not to be contacted, as another system knows it: entries of the suppression ledger."""

from collections.abc import Mapping
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.outreach.backfill import RowResult, SuppressionRow
from contracts.outreach.people import SuppressionReason
from outreach import locks
from outreach.backfill.persons import KNOWN, TAKEN, Person, refused
from outreach.people import store
from outreach.people.suppressing import seal_note, suppress_persons


def judge(rows: Mapping[int, SuppressionRow], persons: Mapping[int, Person]) -> dict[int, RowResult]:
    """What becomes of each of these rows, if the ledger has none of them yet."""
    return {at: _judged(row, persons[at]) for at, row in rows.items()}


async def known(
    uow: UnitOfWork, tenant: str, rows: Mapping[int, SuppressionRow], persons: Mapping[int, Person]
) -> set[int]:
    """Those of these rows that the ledger, or a row before, says already."""
    entries = {at: (persons[at].names, _entry(row, persons[at].lead_id, None)) for at, row in rows.items()}
    places = list(entries)
    found = {places[at] for at in await store.in_the_ledger(uow, tenant, list(entries.values()))} if entries else set()
    seen: set[tuple[object, ...]] = set()
    for at, row in rows.items():
        said = (frozenset(persons[at].names), row.reason, row.channel, row.campaign_id, row.expires_at)
        if said in seen:
            found.add(at)
        seen.add(said)
    return found


async def take(
    uow: UnitOfWork,
    key: TenantKey,
    rows: Mapping[int, SuppressionRow],
    persons: Mapping[int, Person],
    actor: str | None,
    cause: Envelope,
) -> dict[int, RowResult]:
    """Add what the ledger does not have yet."""
    tenant = key.tenant
    await locks.stop_messages(uow, [tenant])
    already = await known(uow, tenant, rows, persons)
    entries = []
    for at, row in rows.items():
        if at not in already:
            entry, id_ = _entry(row, persons[at].lead_id, actor), uuid7()
            note = seal_note(key, id_, row.note) if row.note else None
            entries.append((persons[at].names, {**entry, "suppression_id": id_, "note": note}))
    await suppress_persons(uow, tenant, entries, cause)
    return {at: KNOWN if at in already else TAKEN for at in rows}


def _judged(row: SuppressionRow, person: Person) -> RowResult:
    if row.reason is SuppressionReason.COMPLAINT and row.expires_at:
        return refused("a complaint never expires: leave out expires_at", "expires_at")
    return person.refusal or TAKEN


def _entry(row: SuppressionRow, lead_id: UUID | None, actor: str | None) -> dict[str, object]:
    return {
        "lead_id": lead_id, "reason": row.reason.value, "channel": row.channel.value if row.channel else None,
        "campaign_id": row.campaign_id, "actor": actor, "expires_at": row.expires_at,
    }  # fmt: skip
