"""Events that win rates are counted from, as their owners would publish them."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from contracts.intake.imports import LeadWithdrawn
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.taxonomy import STAGE_OF, OutcomeType
from contracts.values import Attribution


def recorded(
    type_: OutcomeType,
    *,
    lead_id: UUID | None = None,
    occurred_at: datetime | None = None,
    corrects: UUID | None = None,
    **attribution: str | None,
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
        corrects=corrects,
    )


def voided(outcome: OutcomeRecorded) -> OutcomeVoided:
    """That an outcome counts no more."""
    return OutcomeVoided(
        outcome_id=outcome.outcome_id,
        lead_id=outcome.lead_id,
        type=outcome.type,
        occurred_at=outcome.occurred_at,
        attribution=outcome.attribution,
        voided_at=datetime.now(UTC),
        voided_by="tester",
    )


def accepted(
    *, lead_id: UUID | None = None, created_at: datetime | None = None, **attribution: str | None
) -> LeadAccepted:
    """That a lead came, a new one unless it is named, now unless told otherwise."""
    return LeadAccepted(
        lead_id=lead_id or uuid4(),
        version=1,
        submission_id=uuid4(),
        source_system="crm",
        source_id=uuid4().hex[:8],
        person_id=uuid4(),
        attribution=Attribution.model_validate(attribution),
        created_at=created_at or datetime.now(UTC),
    )


def withdrawn(lead: LeadAccepted) -> LeadWithdrawn:
    """That a lead was taken back with its import."""
    return LeadWithdrawn(
        lead_id=lead.lead_id,
        version=lead.version + 1,
        person_id=lead.person_id,
        run_id=uuid4(),
        occurred_at=datetime.now(UTC),
    )


def changed(lead: LeadAccepted, version: int, **attribution: str | None) -> LeadUpdated:
    """A later version of a lead, credited to something else."""
    told = lead.model_dump() | {"version": version, "attribution": attribution, "changed": ["source"]}
    return LeadUpdated.model_validate(told)
