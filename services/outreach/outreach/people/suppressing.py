"""Whoever is suppressed for good is sent nothing more, by whatever lead or sequence."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.keys import ResealedColumn, TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.outreach.campaigns import EnrollmentEnd
from contracts.outreach.people import SuppressionReason, Unsubscribed
from outreach.people import store
from outreach.sending import store_enrollments
from outreach.sending.queueing import stop

_KEY = {"suppression_id": "uuid"}
RESEALED = (
    ResealedColumn("suppression", "note", key=_KEY, context="suppression/{suppression_id}"),
    ResealedColumn("suppression", "lift_note", key=_KEY, context="suppression/{suppression_id}/lifted"),
)
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

    Parameters:
        entry: as `suppress_persons` takes it.
        message_id: the message by way of which they asked for it.
    """
    (id_,) = await suppress_persons(uow, tenant, [(names, entry)], cause, message_id=message_id)
    return id_


async def suppress_persons(
    uow: UnitOfWork,
    tenant: str,
    entries: Sequence[store.Entry],
    cause: Envelope | None = None,
    *,
    message_id: UUID | None = None,
) -> list[UUID]:
    """Add entries, each about whoever is known by its names; returns their ids. Needs `locks.stop_messages`.

    Where one is about everything and has no end, whatever sequence holds the person ends.

    Parameters:
        entries: `lead_id`, by way of which each is made, `reason`, `channel`, `campaign_id`, `actor`, `expires_at`; where it has
            a note, `suppression_id` and the `note`, sealed by `seal_note`.
        message_id: the message by way of which they asked for it.
    """
    given = [
        (names, {"suppression_id": uuid7(), "note": None, **entry, "message_id": message_id})
        for names, entry in entries
    ]
    await store.suppress(uow, tenant, given)
    stopping: dict[tuple[EnrollmentEnd, str | None], list[store.Entry]] = {}
    for names, entry in given:
        reason = SuppressionReason(entry["reason"])
        if reason is SuppressionReason.UNSUBSCRIBED and entry["lead_id"]:
            event = Unsubscribed(
                lead_id=entry["lead_id"], campaign_id=entry["campaign_id"], message_id=message_id, occurred_at=uow.now
            )
            uow.publish(tenant, event, cause)
        if entry["channel"] is None and entry["campaign_id"] is None and entry["expires_at"] is None:
            end = _ENDS.get(reason, EnrollmentEnd.SUPPRESSED)
            stopping.setdefault((end, entry["actor"]), []).append((names, entry))
    for (end, actor), concerned in stopping.items():
        every_name = list({name for names, _ in concerned for name in names})
        held = await store_enrollments.going_on_of_persons(uow, tenant, every_name)
        mine = await store_enrollments.going_on(uow, tenant, [e["lead_id"] for _, e in concerned if e["lead_id"]])
        if sequences := list({*held, *mine}):
            await stop(uow, tenant, sequences, end, cause=cause, actor=actor)
    return [entry["suppression_id"] for _, entry in given]


def seal_note(key: TenantKey, suppression_id: UUID, note: str, *, lifted: bool = False) -> bytes:
    """Of an entry that is made, or lifted."""
    return key.seal(note.encode(), _context(suppression_id, lifted))


def open_note(key: TenantKey, suppression_id: UUID, sealed: bytes, *, lifted: bool = False) -> str:
    return key.open(sealed, _context(suppression_id, lifted)).decode()


def _context(suppression_id: UUID, lifted: bool) -> str:
    return f"suppression/{suppression_id}{'/lifted' if lifted else ''}"
