"""What a mapping says: its models, and the fields that its rules fill: of a lead and its outcomes, or of what `backfill_model` has."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from chassis.exports import cells
from chassis.exports.rules import Rule, When
from chassis.exports.yaml_lines import Keys
from contracts.outcomes import MAX_OUTCOMES_PER_COMMAND
from contracts.outreach.people import SuppressionReason
from contracts.taxonomy import Channel, Intent, OutcomeType, Tier, Timeline
from contracts.values import SourceSystem

_CONVERTS: dict[str, cells.Convert] = {
    "intent": cells.Word(Intent),
    "timeline": cells.Word(Timeline),
    "tier": cells.Word(Tier),
    "type": cells.Word(OutcomeType),
    "value": cells.amount,
    "currency": cells.currency,
    "reason_code": cells.slug,
    "channel": cells.Word(Channel),
    "reason": cells.Word(SuppressionReason),
    "step": cells.number,
    "lead_id": cells.identifier,
    "campaign_id": cells.identifier,
}
_TIMES = frozenset({"created_at", "last_activity_at", "occurred_at", "sent_at", "due_at", "expires_at"})
_PERSONAL = frozenset(
    {
        "source_id", "full_name", "phone", "email", "linkedin_url", "notes", "metadata", "source_key", "subject", "body",
        "note",
    }
)  # fmt: skip


def _constant(written: object) -> object:
    return {"value": written} if isinstance(written, str) else written


Constant = Annotated[Rule, BeforeValidator(_constant)]
"""A rule, or a bare word that stands for ``value:``, where it could not be mistaken for a column's name."""


class LeadRules(BaseModel):
    """A rule for each field of `contracts.intake.LeadSubmission` that the export fills."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_id: Rule
    full_name: Rule | None = None
    phone: Rule | None = None
    email: Rule | None = None
    linkedin_url: Rule | None = None
    source: Rule | None = None
    geo: Rule | None = None
    country: Rule | None = None
    time_zone: Rule | None = None
    intent: Rule | None = None
    timeline: Rule | None = None
    price: Rule | None = None
    budget: Rule | None = None
    tier: Rule | None = None
    product_interest: Rule | None = None
    partner: Rule | None = None
    created_at: Rule | None = None
    last_activity_at: Rule | None = None
    notes: Rule | None = None
    metadata: Annotated[dict[str, Rule], Field(max_length=200)] = {}


class OutcomeRules(BaseModel):
    """One outcome that a row may hold; it holds none where `when` does not apply or `type` is null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Constant
    when: When | None = None
    occurred_at: Rule | None = None
    value: Rule | None = None
    currency: Constant | None = None
    reason_code: Rule | None = None
    notes: Rule | None = None
    idempotency_key: Rule | None = None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is not an IANA time zone such as UTC or America/New_York") from None
    return name


def _encoding(name: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except LookupError:
        raise ValueError("is not a text encoding such as utf-8, cp1252 or utf-16") from None
    return name


def _null_values(written: object) -> object:
    return ["" if text is None else text for text in written] if isinstance(written, list) else written


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule fills: its place in the mapping, and how a text becomes a value there.

    `quotable`: an error may quote the text, because neither the field nor a column it reads is personal data.
    """

    keys: Keys
    rule: Rule
    convert: cells.Convert
    quotable: bool

    @property
    def name(self) -> str:
        return str(self.keys[-1])


class TableMapping(BaseModel):
    """How the rows of one kind of export are read: what every mapping says, besides its blocks of rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8-sig"
    null_values: Annotated[list[str], BeforeValidator(_null_values)] = []

    @cached_property
    def nulls(self) -> frozenset[str]:
        """The texts that stand for nothing: the empty one, and `null_values`."""
        return frozenset(self.null_values) | {""}

    def blocks(self) -> Iterator[tuple[Keys, BaseModel]]:
        """Its blocks of rules, each with its place."""
        for name, value in self:
            if isinstance(value, BaseModel):
                yield (name,), value

    def targets(self) -> Iterator[Target]:
        """Every field that the mapping fills."""
        for keys, _ in self.blocks():
            yield from self.targets_of(keys)

    def conditions(self) -> Iterator[tuple[Keys, When]]:
        """Every condition, with the place of the block that it is on."""
        return iter(())

    def targets_of(self, keys: Keys) -> Iterator[Target]:
        """The fields that the block at a place fills."""
        return self._targets(keys, dict(next(block for place, block in self.blocks() if place == keys)))

    def _targets(self, under: Keys, rules: dict[str, object]) -> Iterator[Target]:
        for name, rule in rules.items():
            if isinstance(rule, Rule):
                keys = (*under, name)
                quotable = _PERSONAL.isdisjoint(keys) and self._personal_columns.isdisjoint(rule.columns)
                yield Target(keys, rule, self._convert(keys, rule), quotable)

    def _convert(self, keys: Keys, rule: Rule) -> cells.Convert:
        name = str(keys[-1])
        if "metadata" in keys:
            return cells.text
        if name in _TIMES:
            return cells.Time(ZoneInfo(self.time_zone), rule.format)
        return _CONVERTS.get(name, cells.text)

    @cached_property
    def _personal_columns(self) -> frozenset[str]:
        rules = [rule for _, block in self.blocks() for name, rule in block if name in _PERSONAL]
        return frozenset(column for rule in rules for column in _columns(rule))


def _columns(rule: object) -> list[str]:
    """The columns that a rule, or each of several by name, reads."""
    if isinstance(rule, dict):
        return [column for each in rule.values() for column in _columns(each)]
    return rule.columns if isinstance(rule, Rule) else []


class Mapping(TableMapping):
    """How the rows of one kind of export become commands."""

    source_system: SourceSystem
    lead: LeadRules
    outcomes: Annotated[list[OutcomeRules], Field(max_length=MAX_OUTCOMES_PER_COMMAND)] = []
    known_leads: bool = False
    """Whether the leads are here already, and stay as they are: only the outcomes are recorded."""

    @model_validator(mode="after")
    def _says_nothing_of_known_leads(self) -> "Mapping":
        if self.known_leads and self.lead.model_fields_set != {"source_id"}:
            raise ValueError("with known_leads, lead has a source_id and nothing else: leads stay as they are")
        return self

    def blocks(self) -> Iterator[tuple[Keys, BaseModel]]:
        """The lead's, and each outcome's."""
        yield ("lead",), self.lead
        yield from ((("outcomes", at), outcome) for at, outcome in enumerate(self.outcomes))

    def conditions(self) -> Iterator[tuple[Keys, When]]:
        """Those on outcomes."""
        for at, outcome in enumerate(self.outcomes):
            if outcome.when:
                yield ("outcomes", at), outcome.when

    def lead_targets(self) -> Iterator[Target]:
        """The fields of the lead but for its metadata."""
        return self._targets(("lead",), dict(self.lead))

    def metadata_targets(self) -> Iterator[Target]:
        """The lead's metadata, by name."""
        return self._targets(("lead", "metadata"), dict(sorted(self.lead.metadata.items())))

    def outcome_targets(self, at: int) -> Iterator[Target]:
        """The fields of the outcome at that place in `outcomes`, from 0."""
        return self._targets(("outcomes", at), dict(self.outcomes[at]))

    def targets(self) -> Iterator[Target]:
        """Every field that the mapping fills."""
        yield from self.lead_targets()
        yield from self.metadata_targets()
        for at in range(len(self.outcomes)):
            yield from self.outcome_targets(at)
