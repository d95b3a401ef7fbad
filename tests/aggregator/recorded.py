"""Outcome events as the outcomes service would publish them."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import STAGE_OF, OutcomeType
from contracts.values import Attribution


def recorded(
    type_: OutcomeType, *, lead_id: UUID | None = None, occurred_at: datetime | None = None, **attribution: str
) -> OutcomeRecorded:
    """One outcome of a lead, a new lead's unless another is named, occurred now unless told otherwise."""
    now = datetime.now(UTC)
    return OutcomeRecorded(
        outcome_id=uuid4(),
        lead_id=lead_id or uuid4(),
        sequence=1,
        type=type_,
        stage=STAGE_OF[type_],
        occurred_at=occurred_at or now,
        recorded_at=now,
        recorded_by="tester",
        attribution=Attribution.model_validate(attribution),
    )
