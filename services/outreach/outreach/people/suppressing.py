"""Whoever is suppressed for good is sent nothing more, by whatever lead or sequence."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.outreach.campaigns import EnrollmentEnd
from contracts.outreach.people import SuppressionReason, Unsubscribed
from outreach.people import store
from outreach.sending import store_enrollments
from outreach.sending.queueing import stop

_ENDS = {
    SuppressionReason.UNSUBSCRIBED: EnrollmentEnd.UNSUBSCRIBED,
    SuppressionReason.DO_NOT_CONTACT: EnrollmentEnd.DO_NOT_CONTACT,
    SuppressionReason.REQUEST: EnrollmentEnd.DO_NOT_CONTACT,
}


async def suppress_person(
    uow: UnitOfWork,
    tenant: str,
    names: Sequence[str],
    entry: Mapping[str, Any],
    cause: Envelope | None = None,
    *,
    message_id: UUID | None = None,
) -> UUID:
    """Add an entry about whoever is known by these names; returns its id. Needs `locks.stop_messages`.

    Where it is about everything and has no end, whatever sequence holds the person ends.

    Parameters:
        entry: `lead_id`, by way of which it is made, `reason`, `channel`, `campaign_id`, `actor`, `expires_at`.
        message_id: the message by way of which they asked for it.
    """
    id_ = await store.suppress(uow, tenant, names, {**entry, "message_id": message_id})
    lead_id, reason = entry["lead_id"], SuppressionReason(entry["reason"])
    if reason is SuppressionReason.UNSUBSCRIBED:
        event = Unsubscribed(
            lead_id=lead_id, campaign_id=entry["campaign_id"], message_id=message_id, occurred_at=uow.now
        )
        uow.publish(tenant, event, cause)
    if entry["channel"] is None and entry["campaign_id"] is None and entry["expires_at"] is None:
        held = await store_enrollments.going_on_of_persons(uow, tenant, names)
        mine = await store_enrollments.going_on(uow, tenant, lead_id)
        end = _ENDS.get(reason, EnrollmentEnd.SUPPRESSED)
        await stop(uow, tenant, list({*held, *mine}), end, cause=cause, actor=entry["actor"])
    return id_
