"""An order to record outcomes of one lead: made of a command or a request, carried out at once or kept until its lead
arrives. What a person wrote is sealed before anything else happens to it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter
from uuid_utils.compat import uuid7

from chassis.keys import TenantKey
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


ENTRIES = TypeAdapter(list[Entry])


@dataclass(frozen=True, slots=True)
class Order:
    """Outcomes to record of one lead, in this order.

    Attributes:
        cause: the envelope of the message that gave the order.
        heard_at: when the broker received it.
        position: its place among those that wait; none before it waits.
    """

    cause: Envelope
    lead: LeadRef
    recorded_by: str
    heard_at: datetime
    entries: Sequence[Entry]
    position: int | None = None

    @property
    def tenant(self) -> str:
        return self.cause.tenant

    @property
    def command_id(self) -> UUID:
        return self.cause.id


def outcomes_in(body: Ordering) -> Sequence[Outcome]:
    return [body.outcome] if isinstance(body, RecordOutcome) else body.outcomes


def has_free_text(body: Ordering) -> bool:
    """Whether a key is needed to make an order of this."""
    return any(outcome.notes or outcome.override_reason for outcome in outcomes_in(body))


def order_of(message: Received[Ordering], key: TenantKey | None) -> Order:
    """The order a message gives; `key` seals its free text."""
    body = message.body
    entries = [_entry(outcome, key) for outcome in outcomes_in(body)]
    return Order(message.envelope, body.lead, body.recorded_by, message.wire.received, entries)


def _entry(outcome: Outcome, key: TenantKey | None) -> Entry:
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


def _context(outcome_id: UUID) -> str:
    return f"outcome/{outcome_id}"
