"""What the mapping of a backfill, or of an import of suppressions, says."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from chassis.exports.mapping_model import Constant, TableMapping
from chassis.exports.rules import Rule
from contracts.values import SourceSystem


def _some_rule(block: "PersonRules") -> "PersonRules":
    if not any((block.lead_id, block.source_id, block.phone, block.email, block.linkedin_url)):
        raise ValueError("says of nobody who they are: add lead_id:, source_id:, phone:, email: or linkedin_url:")
    if (block.source_system is None) != (block.source_id is None):
        raise ValueError("needs source_system: and source_id: together")
    return block


class PersonRules(BaseModel):
    """A rule for each field of `contracts.intake.people.PersonRef` that the file fills."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lead_id: Rule | None = None
    source_system: Constant | None = None
    source_id: Rule | None = None
    phone: Rule | None = None
    email: Rule | None = None
    linkedin_url: Rule | None = None
    country: Constant | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> "PersonRules":
        return _some_rule(self)


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SentRules(_Rules):
    """A rule for each field of `contracts.outreach.backfill.SentRow` that the file fills."""

    source_key: Rule
    channel: Constant
    sent_at: Rule
    campaign_id: Constant | None = None


class PendingRules(_Rules):
    """A rule for each field of `contracts.outreach.backfill.PendingRow` that the file fills."""

    source_key: Rule
    campaign_id: Constant
    step: Constant | None = None
    due_at: Rule | None = None
    subject: Rule | None = None
    body: Rule | None = None


class SuppressionRules(_Rules):
    """A rule for each field of `contracts.outreach.backfill.SuppressionRow` that the file fills."""

    reason: Constant | None = None
    channel: Constant | None = None
    campaign_id: Constant | None = None
    expires_at: Rule | None = None
    note: Rule | None = None


def _no_rules(written: object) -> object:
    return {} if written is None else written


class SentMapping(TableMapping):
    """How the rows of a file become messages that another system sent."""

    source_system: SourceSystem
    person: PersonRules
    message: SentRules


class PendingMapping(TableMapping):
    """How the rows of a file become messages that another system was about to send."""

    source_system: SourceSystem
    person: PersonRules
    message: PendingRules


class SuppressionMapping(TableMapping):
    """How the rows of a file become entries of the suppression ledger."""

    person: PersonRules
    suppression: Annotated[SuppressionRules, BeforeValidator(_no_rules)] = SuppressionRules()
