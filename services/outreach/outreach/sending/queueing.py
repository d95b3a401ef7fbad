"""Messages are put into the send queue: which account each leaves from, and when it is due."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.unit_of_work import Row, UnitOfWork
from contracts.message import Envelope
from contracts.outreach.campaigns import EnrollmentEnd, EnrollmentEnded, Variant
from contracts.outreach.sending import FollowupScheduled, MessageQueued, MessageSkipped
from contracts.taxonomy import CHANNEL_OF, SendKind
from outreach import locks
from outreach.sending import store_enrollments, store_entries, store_queue
from outreach.templates import domain_variant


@dataclass(frozen=True, slots=True)
class Entry:
    """A message that is to be sent.

    Attributes:
        step: which of the campaign's, from 1.
        person: one of the names its lead's person is known by; the same person gets the same account.
        account_id: the account that the sequence has been sent from by this channel so far.
        variant: the template it is written by, with its version.
        message_id: what it is known by from before; it is given an id otherwise.
        has_text: whether intake keeps what it says, word for word, under its id.
        cause: what led to it.
    """

    tenant: str
    enrollment_id: UUID
    campaign_id: UUID
    lead_id: UUID
    step: int
    kind: SendKind
    rotation_set: str
    person: str
    due_at: datetime
    account_id: UUID | None = None
    variant: Variant | None = None
    cause: Envelope | None = None
    message_id: UUID | None = None
    has_text: bool = False


async def enqueue(uow: UnitOfWork, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Put messages into the queue, and publish that; returns their rows."""
    if not entries:
        return []
    await locks.accounts_are_chosen(uow, {entry.tenant for entry in entries})
    senders = await store_entries.senders(uow, {entry.tenant for entry in entries})
    before = await store_entries.last_senders(uow, [(e.tenant, e.lead_id) for e in entries if e.account_id is None])
    rows = []
    for entry in entries:
        theirs = senders.get((entry.tenant, CHANNEL_OF[entry.kind], entry.rotation_set), store_entries.Senders())
        usual = entry.account_id or before.get((entry.tenant, entry.lead_id, CHANNEL_OF[entry.kind]))
        account_id = usual if usual in theirs.usual else sender_of(theirs.able, entry.person)
        rows.append(_row(uow, replace(entry, account_id=account_id)))
    await store_entries.insert(uow, rows)
    await store_entries.make_lanes(uow, rows)
    await store_queue.note(uow, rows, "queued", [None] * len(rows))
    for entry, row in zip(entries, rows, strict=True):
        about = about_message(row)
        uow.publish(entry.tenant, MessageQueued(**about, occurred_at=uow.now), entry.cause)
        if entry.step > 1:
            uow.publish(entry.tenant, FollowupScheduled(**about, due_at=entry.due_at, occurred_at=uow.now), entry.cause)
    return rows


def sender_of(able: Sequence[UUID], person: str) -> UUID | None:
    """The account for a message to a person to whom none has been sent yet; none if there is none.

    Parameters:
        able: the accounts that can send it, in an order that does not change.
    """
    if not able:
        return None
    return able[int.from_bytes(blake2b(person.encode(), digest_size=8).digest()) % len(able)]


async def stop(
    uow: UnitOfWork,
    tenant: str,
    enrollments: Sequence[UUID],
    reason: EnrollmentEnd,
    *,
    cause: Envelope | None = None,
    actor: str | None = None,
) -> int:
    """End sequences: what of them has not begun to leave does not; returns how many messages that are."""
    skipped = await store_enrollments.skip_pending(uow, tenant, enrollments, reason.value)
    if skipped:
        await store_queue.note(uow, skipped, "skipped", [reason.value] * len(skipped))
    for row in skipped:
        event = MessageSkipped(**about_message(row), reason=reason.value, actor=actor, occurred_at=uow.now)
        uow.publish(tenant, event, cause)
    await end_enrollments(uow, [(tenant, enrollment, reason) for enrollment in enrollments], cause)
    return len(skipped)


async def end_enrollments(
    uow: UnitOfWork,
    ends: Sequence[tuple[str, UUID, EnrollmentEnd]],
    cause: Envelope | None = None,
    *,
    contacted: bool = False,
) -> set[UUID]:
    """Let go of the persons of (tenant, enrollment), who were `contacted` just now or not; nobody else contacts them before 60 days
    after what was sent last. Returns those that had not ended before."""
    if not ends:
        return set()
    ended = await store_enrollments.end(uow, ends, contacted=contacted)
    for row in ended:
        event = EnrollmentEnded(
            campaign_id=row["campaign_id"], enrollment_id=row["enrollment_id"], lead_id=row["lead_id"],
            reason=row["end_reason"], occurred_at=uow.now,
        )  # fmt: skip
        uow.publish(row["tenant_id"], event, cause)
    return {row["enrollment_id"] for row in ended}


def variant_of(variants: Sequence[Variant], number: int, enrollment_id: UUID) -> Variant | None:
    """The variant of a step that an enrollment gets, always the same while none is stopped; none where the step has none.

    The step's number is part of the key, or the same people would get the first variant of every step.
    """
    if not variants:
        return None
    by_name = {name_of(variant): variant for variant in variants}
    drawn = [domain_variant.Variant(name, variant.weight) for name, variant in by_name.items()]
    return by_name[domain_variant.assign(drawn, f"{enrollment_id}/{number}")]


def name_of(variant: Variant) -> str:
    """By what a step's variants are told apart."""
    return f"{variant.template_id}/{variant.version}"


def about_message(row: Row) -> dict[str, Any]:
    """What every event of a message says of it."""
    kind = SendKind(row["kind"])
    names = ("campaign_id", "message_id", "lead_id", "enrollment_id", "step", "account_id", "variant", "followup_id")
    return {**{name: row[name] for name in names}, "kind": kind, "channel": CHANNEL_OF[kind]}


def _row(uow: UnitOfWork, entry: Entry) -> dict[str, Any]:
    return {
        "tenant_id": entry.tenant,
        "message_id": entry.message_id or uuid7(),
        "enrollment_id": entry.enrollment_id,
        "campaign_id": entry.campaign_id,
        "lead_id": entry.lead_id,
        "step": entry.step,
        "kind": entry.kind.value,
        "account_id": entry.account_id,
        "due_at": entry.due_at,
        "variant": entry.variant.template_id if entry.variant else None,
        "variant_version": entry.variant.version if entry.variant else None,
        "has_text": entry.has_text,
        "followup_id": None,
        "token": None,
    }
