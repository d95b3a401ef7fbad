"""A change that breaks who sends or reads a message is red, and says what, where, who and what to do."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from contracts.catalogue import Entry
from contracts.compatibility import Schema, breaking_changes, changes
from contracts.documents.contract import contracts_of
from contracts.documents.frozen import freeze, violations
from contracts.message import Command, Event, Kind, Reply, Request, Topic


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Place(BaseModel):
    city: str
    street: str | None = None


class Depot(BaseModel):
    model_config = ConfigDict(extra="forbid")
    city: str = "Columbus"


class Delivered(Event):
    topic: ClassVar = Topic("intake", Kind.EVENT, "parcel_delivered")
    parcel_id: UUID
    at: datetime
    size: Size
    place: Place
    weight: int | str
    code: str
    signed_by: str | None = None
    labels: dict[str, str | bool] = {}
    counts: dict[Literal["kept", "lost"], int] = {}


class Deliver(Command):
    topic: ClassVar = Topic("intake", Kind.COMMAND, "deliver_parcel")
    parcel_id: UUID
    size: Size
    weight: int | str | None = None
    code: Annotated[str, Field(min_length=1, max_length=20)]
    word: Annotated[str, Field(pattern=r"^[a-z]+$", examples=["door"])] = "door"
    tries: Annotated[int, Field(ge=2, le=10)] = 3
    stops: Annotated[list[UUID], Field(max_length=100)] = []
    place: Place | None = None
    depot: Depot = Depot()


class Answer(Reply):
    size: Size
    tries: int = 0


class Ask(Request[Answer]):
    topic: ClassVar = Topic("intake", Kind.REQUEST, "ask")


CONTRACTS = contracts_of(
    [
        Entry(Delivered, Delivered.topic, readers=("outcomes", "aggregator"), senders=("intake",)),
        Entry(Deliver, Deliver.topic, readers=("intake",), senders=("upstream", "operator")),
        Entry(Ask, Ask.topic, readers=("intake",), senders=("gateway",)),
    ]
)
FROZEN = {name: freeze(contract, None) for name, contract in CONTRACTS.items()}
EVENT, COMMAND, REPLY = Delivered.topic.type, Deliver.topic.type, f"{Ask.topic.type}.reply"
PARTIES = {
    EVENT: "Sent by intake; read by outcomes, aggregator.",
    COMMAND: "Sent by operator, upstream; read by intake.",
    REPLY: "Sent by intake; read by gateway.",
}


def changed(model: type[BaseModel], *without: str, **fields: Any) -> type[BaseModel]:
    """The class as somebody might have changed it: some fields left out, others given as (type, default)."""
    kept = {name: (field.annotation, field) for name, field in model.model_fields.items() if name not in without}
    return create_model(model.__name__, __config__=model.model_config, __doc__=model.__doc__, **(kept | fields))


def closed(model: type[BaseModel]) -> type[BaseModel]:
    return type(model.__name__, (model,), {"model_config": ConfigDict(extra="forbid"), "__module__": __name__})


def sizes(*words: str) -> type[StrEnum]:
    return StrEnum("Size", [(word.upper(), word) for word in words])


class Case(NamedTuple):
    name: str
    model: type[BaseModel]
    says: str


BREAKING = {
    "a field is removed": Case(EVENT, changed(Delivered, "parcel_id"), "the field parcel_id was removed"),
    "an optional field is removed": Case(EVENT, changed(Delivered, "signed_by"), "the field signed_by was removed"),
    "a field is removed from a command": Case(COMMAND, changed(Deliver, "weight"), "the field weight was removed"),
    "a field is removed deep within": Case(
        EVENT, changed(Delivered, place=(changed(Place, "street"), ...)), "the field place.street was removed"
    ),
    "a field is renamed": Case(EVENT, changed(Delivered, "code", sign=(str, ...)), "the field code was removed"),
    "a required field is added to an event": Case(
        EVENT, changed(Delivered, colour=(str, ...)), "the field colour is new and required"
    ),
    "a required field is added to a command": Case(
        COMMAND, changed(Deliver, colour=(str, ...)), "the field colour is new and required"
    ),
    "an optional field becomes required": Case(
        COMMAND, changed(Deliver, place=(Place | None, ...)), "the field place is now required"
    ),
    "a required field of an event becomes optional": Case(
        EVENT, changed(Delivered, code=(str, "")), "the field code is no longer required"
    ),
    "a field of a reply may be null": Case(
        REPLY, changed(Answer, size=(Size | None, ...)), "the field size also takes null"
    ),
    "a type is replaced": Case(
        EVENT, changed(Delivered, parcel_id=(int, ...)), "the field parcel_id no longer takes string"
    ),
    "a union in a command is narrowed": Case(
        COMMAND, changed(Deliver, weight=(int | None, None)), "the field weight no longer takes string"
    ),
    "a union in an event is narrowed": Case(
        EVENT, changed(Delivered, weight=(int, ...)), "the field weight no longer takes string"
    ),
    "a union in an event is widened": Case(
        EVENT, changed(Delivered, weight=(int | str | bool, ...)), "the field weight also takes boolean"
    ),
    "a format is dropped from an event": Case(
        EVENT, changed(Delivered, at=(str, ...)), "the field at has no format of 'date-time' any more"
    ),
    "a pattern is added": Case(
        EVENT,
        changed(Delivered, code=(Annotated[str, Field(pattern="^[a-z]+$")], ...)),
        "the field code has a pattern of '^[a-z]+$' now",
    ),
    "a maximum is lowered": Case(
        COMMAND,
        changed(Deliver, tries=(Annotated[int, Field(ge=2, le=5)], 3)),
        "the field tries has a maximum of 5 instead of 10",
    ),
    "a minimum is raised": Case(
        COMMAND,
        changed(Deliver, tries=(Annotated[int, Field(ge=3, le=10)], 3)),
        "the field tries has a minimum of 3 instead of 2",
    ),
    "a text is shortened": Case(
        COMMAND,
        changed(Deliver, code=(Annotated[str, Field(min_length=1, max_length=10)], ...)),
        "the field code has a maxLength of 10 instead of 20",
    ),
    "a list is shortened": Case(
        COMMAND,
        changed(Deliver, stops=(Annotated[list[UUID], Field(max_length=10)], [])),
        "the field stops has a maxItems of 10 instead of 100",
    ),
    "the items of a list change": Case(
        COMMAND,
        changed(Deliver, stops=(Annotated[list[int], Field(max_length=100)], [])),
        "the field stops[] no longer takes string",
    ),
    "the values of a map change": Case(
        EVENT, changed(Delivered, labels=(dict[str, str], {})), "the field labels.* no longer takes boolean"
    ),
    "the keys of a map change": Case(
        EVENT,
        changed(Delivered, counts=(dict[Literal["kept", "lost", "found"], int], {})),
        "the field counts{} also takes 'found'",
    ),
    "a word is removed from a command": Case(
        COMMAND, changed(Deliver, size=(sizes("small"), ...)), "the field size no longer takes 'large'"
    ),
    "a word is removed from an event": Case(
        EVENT, changed(Delivered, size=(sizes("small"), ...)), "the field size no longer takes 'large'"
    ),
    "a word is added to an event": Case(
        EVENT, changed(Delivered, size=(sizes("small", "large", "huge"), ...)), "the field size also takes 'huge'"
    ),
    "a word is added to a reply": Case(
        REPLY, changed(Answer, size=(sizes("small", "large", "huge"), ...)), "the field size also takes 'huge'"
    ),
    "a default changes": Case(
        COMMAND,
        changed(Deliver, tries=(Annotated[int, Field(ge=2, le=10)], 5)),
        "the field tries defaults to 5 instead of 3",
    ),
    "a default changes deep within": Case(
        COMMAND,
        changed(Deliver, depot=((other := changed(Depot, city=(str, "Dublin"))), other())),
        "the field depot defaults to {'city': 'Dublin'} instead of {'city': 'Columbus'}",
    ),
    "an event begins to refuse unknown fields": Case(EVENT, closed(Delivered), "the body now refuses unknown fields"),
}

COMPATIBLE = {
    "an optional field is added to an event": (EVENT, changed(Delivered, colour=(str | None, None))),
    "an optional field is added to a command": (COMMAND, changed(Deliver, colour=(str | None, None))),
    "an optional field is added to a reply": (REPLY, changed(Answer, colour=(str | None, None))),
    "an optional field is added deep within": (
        EVENT,
        changed(Delivered, place=(changed(Place, floor=(int | None, None)), ...)),
    ),
    "an optional field is added to what an object defaults to": (
        COMMAND,
        changed(Deliver, depot=((larger := changed(Depot, floor=(int, 0))), larger())),
    ),
    "a word is added to a command": (COMMAND, changed(Deliver, size=(sizes("small", "large", "huge"), ...))),
    "a required field of a command becomes optional": (COMMAND, changed(Deliver, size=(Size, Size.SMALL))),
    "a union in a command is widened": (COMMAND, changed(Deliver, weight=(int | str | bool | None, None))),
    "a field of a command takes anything": (COMMAND, changed(Deliver, weight=(Any, None))),
    "a maximum in a command is raised": (
        COMMAND,
        changed(Deliver, tries=(Annotated[int, Field(ge=1, le=20)], 3)),
    ),
    "a pattern in a command is dropped": (COMMAND, changed(Deliver, word=(str, "door"))),
    "the fields stand in another order": (EVENT, changed(Delivered, "parcel_id", parcel_id=(UUID, ...))),
    "a field is described": (EVENT, changed(Delivered, at=(Annotated[datetime, Field(description="When.")], ...))),
}


def violations_of(name: str, model: type[BaseModel]) -> list[str]:
    return violations({name: FROZEN[name]}, {name: replace(CONTRACTS[name], model=model)})


@pytest.mark.parametrize("case", BREAKING.values(), ids=BREAKING)
def test_a_breaking_change_is_red_and_names_message_field_and_parties(case: Case) -> None:
    (report,) = [each for each in violations_of(case.name, case.model) if case.says in each]
    assert report.startswith(f"{case.name}: {case.says}.\n")
    assert PARTIES[case.name] in report
    assert f"declare the change as {case.name.replace('.v1', '.v2')}" in report


@pytest.mark.parametrize(("name", "model"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_change_is_green(name: str, model: type[BaseModel]) -> None:
    assert violations_of(name, model) == []


def test_a_renamed_subject_is_red_and_names_who_read_it() -> None:
    renamed = {"intake.event.parcel_left.v1" if name == EVENT else name: each for name, each in CONTRACTS.items()}
    (report,) = violations(FROZEN, renamed)
    assert report.startswith(f"{EVENT} was published and is gone from the catalogue")
    assert PARTIES[EVENT] in report


def test_a_new_optional_field_is_red_where_readers_refuse_what_they_do_not_know() -> None:
    refusing: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    grown = refusing | {"properties": {"colour": {"type": "string"}}}
    (change,) = breaking_changes(refusing, grown, written_by_owner=True)
    assert change.field == "colour"
    assert breaking_changes(refusing, grown, written_by_owner=False) == []


def test_a_constraint_that_is_not_understood_is_red_both_ways() -> None:
    old, new = ({"type": "string", "contentEncoding": encoding} for encoding in ("base64", "base32"))
    (change,) = changes(old, new)
    assert change.narrows
    assert change.widens


def test_a_message_that_contains_itself_is_refused() -> None:
    recursive: Schema = {"$ref": "#/$defs/Node", "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}}}
    with pytest.raises(ValueError, match="Node contains itself"):
        changes(recursive, recursive)
