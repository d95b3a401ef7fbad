"""What another system sent: the 60 days are counted from it, for the person, and nobody is sent the same campaign here again."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.outreach.backfill import RowResult, SentRow
from contracts.outreach.campaigns import EnrollmentEnd
from outreach import locks
from outreach.backfill import store
from outreach.backfill.persons import KNOWN, TAKEN, Person, refused
from outreach.sending.domain_gates import REST
from outreach.sending.going_on import skip
from outreach.sending.queueing import end_enrollments

SENT_ELSEWHERE = "sent_elsewhere"
"""Why a message is skipped that the other system sent, by itself or by way of its campaign."""


async def judge(
    uow: UnitOfWork, tenant: str, rows: Mapping[int, SentRow], persons: Mapping[int, Person]
) -> dict[int, RowResult]:
    """What becomes of each of these rows."""
    campaigns = await store.campaigns(uow, tenant, {row.campaign_id for row in rows.values() if row.campaign_id})
    results = {}
    for at, row in rows.items():
        if row.sent_at > uow.now:
            results[at] = refused("lies in the future: take over as sent what was sent", "sent_at")
        elif row.campaign_id and row.campaign_id not in campaigns:
            results[at] = refused("there is no such campaign: list_campaigns shows those there are", "campaign_id")
        elif persons[at].refusal is None and row.campaign_id and not persons[at].lead_ids:
            # An enrollment is a lead's: without one, nothing would keep the campaign from a lead that comes later.
            results[at] = refused(
                "nobody is known by this contact: import the lead first, or leave out campaign_id", "campaign_id"
            )
        else:
            results[at] = persons[at].refusal or TAKEN
    return results


async def take(
    uow: UnitOfWork,
    tenant: str,
    rows: Mapping[int, SentRow],
    persons: Mapping[int, Person],
    keys: Mapping[int, str],
    messages: Mapping[int, UUID],
    cause: Envelope,
) -> dict[int, RowResult]:
    """Keep that these were sent.

    Parameters:
        keys: by which each is known when it comes again.
        messages: what each would be called here, where it was taken over as pending before.
    """
    await locks.stop_messages(uow, [tenant])
    fresh = await store.take(uow, tenant, store.SENT, [keys[at] for at in rows])
    new = [at for at in rows if keys[at] in fresh]
    await skip(
        uow,
        [(row, SENT_ELSEWHERE) for row in await store.queued(uow, tenant, messages=[messages[at] for at in new])],
        cause=cause,
    )
    enrollments = await _enrollments(uow, tenant, {at: rows[at] for at in new}, persons, cause)
    last: dict[str, tuple[datetime, UUID | None]] = {}
    for at in sorted(new, key=lambda at: rows[at].sent_at):
        last |= dict.fromkeys(persons[at].names, (rows[at].sent_at, enrollments.get(at)))
    await store.contacted_elsewhere(uow, tenant, last, REST)
    await store.keep_history(uow, tenant, [_history(rows[at], persons[at]) for at in new])
    return {at: TAKEN if keys[at] in fresh else KNOWN for at in rows}


async def _enrollments(
    uow: UnitOfWork, tenant: str, rows: Mapping[int, SentRow], persons: Mapping[int, Person], cause: Envelope
) -> dict[int, UUID]:
    """The enrollment that each row which names a campaign is a message of: one of any lead of the person's, else a new one.

    Those of the person's that have sent nothing here end, or the campaign would be sent to them from its first step.
    """
    named = {
        at: [(row.campaign_id, lead) for lead in persons[at].lead_ids] for at, row in rows.items() if row.campaign_id
    }
    every = {key for keys in named.values() for key in keys}
    there = await store.enrollments(uow, tenant, every)
    missing = [keys[0] for keys in named.values() if there.keys().isdisjoint(keys)]
    if missing:
        await store.enrol(uow, tenant, missing, complete=True)
        there = await store.enrollments(uow, tenant, every)
    over = await store.unsent(uow, tenant, [row["enrollment_id"] for row in there.values()])
    left = await store.queued(uow, tenant, enrollments=over)
    # Ended before its message is skipped, a sequence has no next step.
    await end_enrollments(uow, [(tenant, enrollment, EnrollmentEnd.COMPLETED) for enrollment in over], cause)
    await skip(uow, [(row, SENT_ELSEWHERE) for row in left], cause=cause)
    found = {key: row["enrollment_id"] for key, row in there.items()}
    return {at: next(found[key] for key in keys if key in found) for at, keys in named.items()}


def _history(row: SentRow, person: Person) -> dict[str, object]:
    return {
        "lead_id": person.lead_id, "channel": row.channel.value, "campaign_id": row.campaign_id, "sent_at": row.sent_at
    }  # fmt: skip
