"""An order to record outcomes of one lead: made of a command or a request, carried out at once or kept until its lead
arrives. What a person wrote is sealed before anything else happens to it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter
from uuid_utils.compat import uuid7

from chassis.keys import TenantKey, sealed_anew
from chassis.received import Received
from contracts.message import Envelope
from contracts.outcomes import Outcome, RecordOutcome, RecordOutcomes, RecordOutcomesNow
from contracts.taxonomy import OutcomeType
from contracts.values import LeadRef

Ordering = RecordOutcome | RecordOutcomes | RecordOutcomesNow
"""A message that orders outcomes to be recorded."""


class Entry(BaseModel):
    """One outcome of an order.

    Attributes:
        outcome_id: its id if it is recorded; `sealed` opens under no other.
        override: whether a reason was given to record what the sequence rules block.
        sealed: notes and override reason; none if neither was given.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    outcome_id: UUID
    type: OutcomeType
    occurred_at: datetime | None = None
    value: Decimal | None = None
    currency: str | None = None
    reason_code: str | None = None
    idempotency_key: str = ""
    override: bool = False
    sealed: bytes | None = None


_NUMBER = "source_id"
ENTRIES = TypeAdapter(list[Entry])


@dataclass(frozen=True, slots=True)
class Order:
    """Outcomes to record of one lead, in this order.

    Attributes:
        cause: the envelope of the message that gave the order.
        heard_at: when the broker received it.
        position: its place among those that wait; none before it waits.
        put_away: for a lead named by a number that may be a telephone's: the name under which it waits, if it must, and
            the number, sealed.
    """

    cause: Envelope
    lead: LeadRef
    recorded_by: str
    heard_at: datetime
    entries: Sequence[Entry]
    position: int | None = None
    put_away: tuple[str, bytes] | None = None

    @property
    def tenant(self) -> str:
        return self.cause.tenant

    @property
    def command_id(self) -> UUID:
        return self.cause.id


def put_away(order: Order, key: TenantKey) -> Order:
    """The order, ready to wait without its lead's number being told."""
    assert order.lead.source_id, "a number names the lead"
    id_ = order.lead.source_id
    return replace(order, put_away=(waiting_name(id_, key), key.seal(id_.encode(), _NUMBER)))


def waiting_name(source_id: str, key: TenantKey) -> str:
    """The name under which orders wait for the lead with this number, a hash under the tenant's key."""
    return "?" + key.lasting_token("source_id", source_id)


def opened_id(sealed: bytes, key: TenantKey) -> str:
    """The number that was put away."""
    return key.open(sealed, _NUMBER).decode()


def outcomes_in(body: Ordering) -> Sequence[Outcome]:
    return [body.outcome] if isinstance(body, RecordOutcome) else body.outcomes


def has_free_text(body: Ordering) -> bool:
    """Whether a key is needed to make an order of this."""
    return any(outcome.notes or outcome.override_reason for outcome in outcomes_in(body))


def order_of(message: Received[Ordering], key: TenantKey | None) -> Order:
    """The order a message gives; `key` seals its free text.

    An admin overrides, and an upstream is a program's credential: its commands, which the broker signs, override nothing. Whoever asks
    from within has seen to it that an admin is behind it.
    """
    body = message.body
    is_upstream = message.wire.sender is not None and isinstance(body, RecordOutcome | RecordOutcomes)
    entries = [entry_of(outcome, key) for outcome in outcomes_in(body)]
    if is_upstream:
        entries = [entry.model_copy(update={"override": False}) for entry in entries]
    return Order(message.envelope, body.lead, body.recorded_by, message.wire.received, entries)


def entry_of(outcome: Outcome, key: TenantKey | None) -> Entry:
    """What an outcome makes of an order; `key` seals its free text."""
    id_ = uuid7()
    sealed = None
    if key and (outcome.notes or outcome.override_reason):
        written = json.dumps({"notes": outcome.notes, "override_reason": outcome.override_reason})
        sealed = key.seal(written.encode(), _context(id_))
    return Entry(
        outcome_id=id_,
        type=outcome.type,
        occurred_at=outcome.occurred_at and outcome.occurred_at.astimezone(UTC),
        value=outcome.value,
        currency=outcome.currency,
        reason_code=outcome.reason_code,
        idempotency_key=outcome.idempotency_key,
        override=outcome.override_reason is not None,
        sealed=sealed,
    )


def written_in(sealed: bytes, outcome_id: UUID, key: TenantKey) -> dict[str, str | None]:
    """The free text that was sealed with an outcome: `notes` and `override_reason`."""
    written: dict[str, str | None] = json.loads(key.open(sealed, _context(outcome_id)))
    return written


def entries_sealed_anew(entries: Sequence[Entry], key: TenantKey) -> list[Entry] | None:
    """The same, their free text sealed with the tenant's newest key; none where no key opens one of them."""
    anew = []
    for entry in entries:
        sealed = sealed_anew(key, entry.sealed, _context(entry.outcome_id)) if entry.sealed else None
        if entry.sealed and sealed is None:
            return None
        anew.append(entry.model_copy(update={"sealed": sealed}))
    return anew


def _context(outcome_id: UUID) -> str:
    return f"outcome/{outcome_id}"
