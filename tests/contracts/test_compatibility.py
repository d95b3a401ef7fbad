"""A change that breaks who sends or reads a message is red, and says what, where, who and what to do."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from contracts.compatibility import Schema, breaking_changes, changes
from contracts.documents.contract import contracts_of
from contracts.documents.frozen import freeze, violations
from contracts.intake import Amount, LeadVerdict
from contracts.outcomes import Outcome
from contracts.taxonomy import OutcomeType, Stage
from contracts.values import Attribution, Slug

CONTRACTS = contracts_of()
FROZEN = {name: freeze(contract, None) for name, contract in CONTRACTS.items()}


def variant(model: type[BaseModel], *without: str, **fields: Any) -> type[BaseModel]:
    """The class as somebody might have changed it: some fields left out, others given as (type, default)."""
    kept = {name: (field.annotation, field) for name, field in model.model_fields.items() if name not in without}
    return create_model(model.__name__, __config__=model.model_config, __doc__=model.__doc__, **(kept | fields))


def words(enum: type[StrEnum], *, without: str = "", plus: str = "") -> type[StrEnum]:
    values = [word.value for word in enum if word.value != without] + [plus] * bool(plus)
    return StrEnum(enum.__name__, [(value.upper(), value) for value in values])


def violations_of(name: str, changed: type[BaseModel]) -> list[str]:
    return violations({name: FROZEN[name]}, {name: replace(CONTRACTS[name], model=changed)})


class Case(NamedTuple):
    name: str
    changed: type[BaseModel]
    says: str
    parties: str


def model(name: str) -> type[BaseModel]:
    return CONTRACTS[name].model


ACCEPTED = "intake.event.lead_accepted.v1"
RECORDED = "outcomes.event.outcome_recorded.v1"
RAISED = "notifier.event.alert_raised.v1"
SUBMIT = "intake.command.submit_lead.v1"
RECORD = "outcomes.command.record_outcome.v1"
LIST = "intake.request.list_leads.v1"
SUBMISSIONS = "intake.request.get_submissions.v1"
SUBMITTED = "intake.request.submit_lead.v1.reply"

BY_INTAKE = "Sent by intake; read by outcomes, outreach, aggregator."
BY_OUTCOMES = "Sent by outcomes; read by aggregator."
BY_UPSTREAM = "Sent by operator, upstream; read by intake."
BY_GATEWAY = "Sent by gateway, operator; read by intake."

BREAKING = {
    "a field is removed from an event": Case(
        ACCEPTED, variant(model(ACCEPTED), "person_id"), "the field person_id was removed", BY_INTAKE
    ),
    "an optional field is removed from an event": Case(
        ACCEPTED, variant(model(ACCEPTED), "phone_token"), "the field phone_token was removed", BY_INTAKE
    ),
    "a field is removed deep within an event": Case(
        ACCEPTED,
        variant(model(ACCEPTED), attribution=(variant(Attribution, "partner"), ...)),
        "the field attribution.partner was removed",
        BY_INTAKE,
    ),
    "a field is removed from a command": Case(
        SUBMIT, variant(model(SUBMIT), "notes"), "the field notes was removed", BY_UPSTREAM
    ),
    "a field is renamed": Case(
        RAISED,
        variant(model(RAISED), "code", alert_code=(str, ...)),
        "the field code was removed",
        "Sent by notifier; read by aggregator.",
    ),
    "an event gains a required field": Case(
        ACCEPTED, variant(model(ACCEPTED), colour=(str, ...)), "the field colour is new and required", BY_INTAKE
    ),
    "an optional field of a command becomes required": Case(
        SUBMIT, variant(model(SUBMIT), geo=(str, ...)), "the field geo is now required", BY_UPSTREAM
    ),
    "a required field of an event becomes optional": Case(
        ACCEPTED,
        variant(model(ACCEPTED), version=(int, 1)),
        "the field version is no longer required",
        BY_INTAKE,
    ),
    "a required field of a reply may be null": Case(
        SUBMITTED,
        variant(model(SUBMITTED), verdict=(LeadVerdict | None, ...)),
        "the field verdict also takes null",
        "Sent by intake; read by gateway, operator.",
    ),
    "a type is replaced": Case(
        ACCEPTED, variant(model(ACCEPTED), lead_id=(int, ...)), "the field lead_id no longer takes string", BY_INTAKE
    ),
    "a union is narrowed": Case(
        SUBMIT,
        variant(model(SUBMIT), price=(int | float | None, None)),
        "the field price no longer takes string",
        BY_UPSTREAM,
    ),
    "a union in an event is narrowed": Case(
        RECORDED,
        variant(model(RECORDED), value=(int | None, None)),
        "the field value no longer takes number",
        BY_OUTCOMES,
    ),
    "a format is dropped": Case(
        RAISED,
        variant(model(RAISED), occurred_at=(str, ...)),
        "the field occurred_at has no format of 'date-time' any more",
        "Sent by notifier; read by aggregator.",
    ),
    "a pattern is added": Case(
        RAISED,
        variant(model(RAISED), code=(Slug, ...)),
        "the field code has a pattern of '^[a-z0-9_]{1,100}$' now",
        "Sent by notifier; read by aggregator.",
    ),
    "a maximum is lowered": Case(
        LIST,
        variant(model(LIST), limit=(Annotated[int, Field(ge=1, le=100)], 50)),
        "the field limit has a maximum of 100 instead of 200",
        BY_GATEWAY,
    ),
    "a minimum is raised": Case(
        LIST,
        variant(model(LIST), limit=(Annotated[int, Field(ge=10, le=200)], 50)),
        "the field limit has a minimum of 10 instead of 1",
        BY_GATEWAY,
    ),
    "a text is shortened": Case(
        SUBMIT,
        variant(model(SUBMIT), source_id=(Annotated[str, Field(min_length=1, max_length=100)], ...)),
        "the field source_id has a maxLength of 100 instead of 200",
        BY_UPSTREAM,
    ),
    "a list is shortened": Case(
        SUBMISSIONS,
        variant(model(SUBMISSIONS), submission_ids=(Annotated[list[UUID], Field(max_length=10)], ...)),
        "the field submission_ids has a maxItems of 10 instead of 1000",
        BY_UPSTREAM,
    ),
    "the items of a list change": Case(
        SUBMISSIONS,
        variant(model(SUBMISSIONS), submission_ids=(Annotated[list[int], Field(max_length=1000)], ...)),
        "the field submission_ids[] no longer takes string",
        BY_UPSTREAM,
    ),
    "the values of a map change": Case(
        ACCEPTED,
        variant(model(ACCEPTED), metadata=(dict[str, str | int], {})),
        "the field metadata.* no longer takes boolean",
        BY_INTAKE,
    ),
    "a word is removed from a command": Case(
        RECORD,
        variant(model(RECORD), outcome=(variant(Outcome, type=(words(OutcomeType, without="invalid"), ...)), ...)),
        "the field outcome.type no longer takes 'invalid'",
        "Sent by operator, upstream; read by outcomes.",
    ),
    "a word is added to an event": Case(
        RECORDED,
        variant(model(RECORDED), stage=(words(Stage, plus="nurture"), ...)),
        "the field stage also takes 'nurture'",
        BY_OUTCOMES,
    ),
    "a word is removed from an event": Case(
        RECORDED,
        variant(model(RECORDED), stage=(words(Stage, without="lost"), ...)),
        "the field stage no longer takes 'lost'",
        BY_OUTCOMES,
    ),
    "a word is added to a reply": Case(
        SUBMITTED,
        variant(model(SUBMITTED), verdict=(words(LeadVerdict, plus="parked"), ...)),
        "the field verdict also takes 'parked'",
        "Sent by intake; read by gateway, operator.",
    ),
    "a default changes": Case(
        LIST,
        variant(model(LIST), limit=(Annotated[int, Field(ge=1, le=200)], 20)),
        "the field limit defaults to 20 instead of 50",
        BY_GATEWAY,
    ),
    "an event begins to refuse unknown fields": Case(
        ACCEPTED,
        type("LeadAccepted", (model(ACCEPTED),), {"model_config": ConfigDict(extra="forbid"), "__module__": __name__}),
        "the body now refuses unknown fields",
        BY_INTAKE,
    ),
}

COMPATIBLE = {
    "an optional field is added to an event": (ACCEPTED, variant(model(ACCEPTED), colour=(str | None, None))),
    "an optional field is added deep within an event": (
        ACCEPTED,
        variant(model(ACCEPTED), attribution=(variant(Attribution, colour=(str | None, None)), ...)),
    ),
    "an optional field is added to a command": (SUBMIT, variant(model(SUBMIT), colour=(str | None, None))),
    "an optional field is added to a reply": (SUBMITTED, variant(model(SUBMITTED), colour=(str | None, None))),
    "a word is added to a command": (
        RECORD,
        variant(model(RECORD), outcome=(variant(Outcome, type=(words(OutcomeType, plus="viewing"), ...)), ...)),
    ),
    "a required field of a command becomes optional": (SUBMIT, variant(model(SUBMIT), source_system=(str, "crm"))),
    "a union in a command is widened": (SUBMIT, variant(model(SUBMIT), price=(Amount | bool | None, None))),
    "a maximum in a request is raised": (
        LIST,
        variant(model(LIST), limit=(Annotated[int, Field(ge=1, le=500)], 50)),
    ),
    "a pattern in a command is dropped": (RECORD, variant(model(RECORD), recorded_by=(str, "upstream"))),
    "the fields stand in another order": (RAISED, variant(model(RAISED), "alert_id", alert_id=(UUID, ...))),
    "a field is described in other words": (
        RAISED,
        variant(model(RAISED), occurred_at=(Annotated[datetime, Field(description="The moment.")], ...)),
    ),
}


@pytest.mark.parametrize("case", BREAKING.values(), ids=BREAKING)
def test_a_breaking_change_is_red_and_names_message_field_and_parties(case: Case) -> None:
    found = violations_of(case.name, case.changed)
    report = "\n".join(found)
    assert f"{case.name}: {case.says}" in report
    assert case.parties in report
    assert f"declare the change as {case.name.replace('.v1', '.v2')}" in report


@pytest.mark.parametrize(("name", "changed"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_change_is_green(name: str, changed: type[BaseModel]) -> None:
    assert violations_of(name, changed) == []


def test_a_renamed_subject_is_red_and_names_who_read_it() -> None:
    renamed = {name: contract for name, contract in CONTRACTS.items() if name != ACCEPTED}
    renamed["intake.event.lead_taken.v1"] = replace(CONTRACTS[ACCEPTED], name="intake.event.lead_taken.v1")
    (report,) = violations(FROZEN, renamed)
    assert f"{ACCEPTED} was published and is gone from the catalogue" in report
    assert BY_INTAKE in report


def test_a_new_optional_field_is_red_where_readers_refuse_what_they_do_not_know() -> None:
    closed: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    grown = closed | {"properties": {"colour": {"type": "string"}}}
    (change,) = breaking_changes(closed, grown, written_by_owner=True)
    assert change.field == "colour"
    assert breaking_changes(closed, grown, written_by_owner=False) == []


def test_a_constraint_that_is_not_understood_is_red_both_ways() -> None:
    (change,) = changes(
        {"type": "string", "contentEncoding": "base64"}, {"type": "string", "contentEncoding": "base32"}
    )
    assert change.narrows
    assert change.widens


def test_a_message_that_contains_itself_is_refused() -> None:
    recursive: Schema = {"$ref": "#/$defs/Node", "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}}}
    with pytest.raises(ValueError, match="Node contains itself"):
        changes(recursive, recursive)
